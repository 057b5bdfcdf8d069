from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import fastavro
import pytest
from fastavro.schema import fingerprint, to_parsing_canonical_form

from schemas import codecs
from schemas.codecs import UndecodableError, decode, decode_any, encode
from schemas.messages import NewerError
from schemas.records import Agent, AgentVersion, Batch, Chunk, Receipt, Record, SubmissionAccepted, Workspace
from tests.support.samples import chunk
from tests.unit.sinks.chunks import a_chunk

EXAMPLES: list[Record] = [
    chunk({"a": 1}, b"\xff not json", report_partition=4, rejected_code="undecodable"),
    Receipt(
        submission_id="s",
        workspace_id="w",
        batch_id=None,
        first_index=1000,
        size=2,
        total=1002,
        added=1,
        failed=1,
        accepted_at=1_700_000_000_000,
        call_ids=bytes(range(16)),
    ),
    a_chunk(
        ["+12125550001", "+4915123456789"], phone_number_sent=['\n 1"', "ü"], variables=[b'{"a":[1,{"b":null}]}', b"{}"]
    ),
    a_chunk([]),
    SubmissionAccepted(submission_id="s", workspace_id="w", batch_id="b", total=3, accepted_at=1),
    Workspace(workspace_id="w", name="Ünïcode", timezone="Europe/Berlin", created_at=1),
    Agent(
        agent_id="a",
        workspace_id="w",
        name="n",
        versions=[AgentVersion(version=1, schema="{}", created_at=1)],
        created_at=1,
    ),
    Batch(batch_id="b", workspace_id="w", name="n", phone_ids=["p"], allowed_days=[0, 6], created_at=1),
    Batch(
        batch_id="b",
        workspace_id="w",
        name="n",
        phone_ids=["q"],
        created_at=1,
        earlier=[Batch(batch_id="b", workspace_id="w", name="n", phone_ids=["p"], created_at=1)],
        changed_at=2,
        deleted_at=3,
    ),
]
WRITTEN_WITH = {
    "Agent": {"cb4fdf83db9a218d", "2f46738c5d82f53c"},
    "ApiKey": {"7a2fd266400b34d0"},
    "Batch": {"a7143958a25f47db", "b3d5ac548ec89b48", "50241ced87ac1aca"},
    "CallingNumber": {"03646000803c70b7", "36909ecde92d963f"},
    "Chunk": {"7685c9ca80c17429"},
    "DialerCommand": {"4feef60ca7e88fbd"},
    "PhoneLogChunk": {"ef0c98b844476de2", "f6f3194191c2a4d4", "8da8d8b9c34223ea"},
    "Receipt": {"73cb4343622364cb"},
    "ReplayJob": {"830374e379efb4b1", "7384a64a992e3b5f"},
    "ReplayProgress": {"d8b6ae0c7ec4b4c7", "8e08893a28a8867d"},
    "ReplayReceipt": {"202c39df94b2d56f"},
    "SubmissionAccepted": {"b2074e576a3ac386"},
    "Workspace": {"3fb377b08fb01d81", "97eba99c42c2a469", "8503004e10cade0b"},
}
"""Every fingerprint that may be on a topic. Add the one of a schema you change, and keep the former schema."""

NAMES = [f"{type(example).__name__}-{place}" for place, example in enumerate(EXAMPLES)]


@pytest.mark.parametrize("example", EXAMPLES, ids=NAMES)
def test_a_record_comes_back_as_it_was(example: Record) -> None:
    assert decode_any(encode(example)) == example


@pytest.mark.parametrize("example", EXAMPLES, ids=NAMES)
def test_a_record_cut_at_any_byte_is_undecodable(example: Record) -> None:
    whole = encode(example)
    for cut_at in range(len(whole)):
        with pytest.raises(UndecodableError):
            decode_any(whole[:cut_at])


@pytest.mark.parametrize("example", EXAMPLES, ids=NAMES)
def test_bytes_that_follow_a_record_are_refused(example: Record) -> None:
    with pytest.raises(UndecodableError, match="bytes follow"):
        decode_any(encode(example) + b"\0")


@pytest.mark.parametrize("value", [None, b"", b"{}", b"\xc3\x01", b"\xc3\x02" + bytes(8) + b"x"])
def test_what_is_not_ours_is_undecodable(value: bytes | None) -> None:
    with pytest.raises(UndecodableError):
        decode_any(value)


def test_another_kind_than_asked_for_is_undecodable() -> None:
    with pytest.raises(UndecodableError, match="Workspace, not a Chunk"):
        decode(encode(Workspace(workspace_id="w", name="n", timezone="UTC", created_at=1)), Chunk)


def test_the_prefix_is_single_object_encoding() -> None:
    """The fingerprint of `"null"` is a test vector of the Avro specification's own suite."""

    assert fingerprint('"null"', "CRC-64-AVRO") == "8a8f25cce724dd63"
    assert encode(EXAMPLES[3])[:2] == b"\xc3\x01"


def test_every_wire_record_has_a_schema_with_the_same_fields() -> None:
    for kind, codec in codecs._codecs().items():
        assert [field["name"] for field in codec.schema["fields"]] == list(kind.__struct_encode_fields__), kind


def test_whatever_was_written_with_is_still_read() -> None:
    """Keep a schema that you change as `schemas/avro/former/Name-FINGERPRINT.avsc`, or topics become unreadable."""
    known: dict[str, set[str]] = {}
    for codec in codecs._codecs_by_prefix().values():
        known.setdefault(codec.kind.__name__, set()).add(codec.prefix[2:].hex())
    assert known == WRITTEN_WITH


def test_what_an_earlier_version_wrote_is_read_as_the_record_of_today(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = json.loads((Path(codecs.__file__).parent / "avro" / "Workspace.avsc").read_text())
    former["fields"] = [field for field in former["fields"] if field["name"] != "timezone"]
    crc = bytes.fromhex(fingerprint(to_parsing_canonical_form(former), "CRC-64-AVRO"))
    (tmp_path / f"Workspace-{crc.hex()}.avsc").write_text(json.dumps(former))
    value = BytesIO()
    value.write(codecs.MARKER + crc)
    fastavro.schemaless_writer(value, former, {"workspaceId": "w", "name": "n", "createdAt": 1})

    with pytest.raises(NewerError):
        decode_any(value.getvalue())
    monkeypatch.setattr(codecs, "FORMER", tmp_path)
    codecs._codecs_by_prefix.cache_clear()
    try:
        assert decode_any(value.getvalue()) == Workspace(workspace_id="w", name="n", timezone=None, created_at=1)
    finally:
        codecs._codecs_by_prefix.cache_clear()
