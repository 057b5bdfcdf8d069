"""The file of corrected records that stand in place of dead letters: as `--export` and `send` write them.

JSON lines, a JSON array, or a table (CSV, XLSX). Each record is laid over the dead letter it is from: one that says
the same leaves it its very bytes. Of a table that is asked cell by cell (`dialfeed.replay_table`), because cells do not
say which JSON value they were.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from dialfeed.exits import WrongUseError
from dialfeed.plain_text import one_line
from dialfeed.replay_remarks import Remarks
from dialfeed.replay_table import Declared, EditedRow, read_rows
from schemas.dead_letters import DeadLetter
from schemas.edited_record import is_same, is_utf8, members_of, put_together
from schemas.outcomes import FieldError
from schemas.registry import Registry
from schemas.replay_changes import Place, Replacements
from schemas.replay_jobs import ReplayJob
from schemas.returned import added_among
from schemas.variable_shapes import Record
from streams.campaigns import Campaigns

_Edited = TypeVar("_Edited", "EditedLine", EditedRow)

_BOM: Final = b"\xef\xbb\xbf"
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_elements: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class EditedLine:
    """A record as one JSON object, with its marks."""

    text: bytes

    def laid_over(self, _: DeadLetter, record: bytes) -> bytes:
        """Return what the line makes of a record that failed: the very bytes where it says the same.

        A field of the record's own that is named as a mark is not to be seen beside that, and stays.
        """
        before = members_of(record)
        marks = added_among(_members(self.text))
        after = {name: value for name, value in before.items() if name in marks} | self.own()
        return record if is_same(before, after) else put_together(record, after)

    def own(self) -> dict[str, bytes]:
        """Return the members that are no marks."""
        members = _members(self.text)
        marks = added_among(members)
        return {name: bytes(value) for name, value in members.items() if name not in marks}

    def says_as(self, other: EditedLine) -> bool:
        """Return whether both say the same of their record, whatever their marks say."""
        return self.text == other.text or is_same(self.own(), other.own())


@dataclass(frozen=True, slots=True)
class CorrectedFile:
    """The corrected records by their place, and the SHA-256 of the file, by which it is known again.

    `remarks` say what a spreadsheet program did to the file, once its records are laid over the dead letters.
    """

    records: Mapping[Place, EditedLine | EditedRow]
    sha256: str
    remarks: Remarks = field(default_factory=Remarks)

    def replacements_for(self, job: ReplayJob, registry: Registry) -> Replacements:
        """Return what stands in place of each dead letter; a table's cells are of the types that are declared."""
        return self.replacements(declared_by(registry, job))

    def replacements(self, declared: Declared) -> Replacements:
        """Return the same where it is known what is declared."""
        return {
            place: partial(one.laid_over, declared, self.remarks) if isinstance(one, EditedRow) else one.laid_over
            for place, one in self.records.items()
        }


def read_corrected(file: Path) -> CorrectedFile:
    """Return what is in the file; raise WrongUseError, repeating no content."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise WrongUseError(f"{file} cannot be read: {error.strerror}", "Name another file.") from None
    start = content.removeprefix(_BOM).lstrip()[:1]
    found: dict[Place, EditedLine | EditedRow] = {}
    if start in (b"{", b"["):
        found |= _each_once(_record(text, number) for number, text in enumerate(_records(content), start=1))
    elif start:
        found |= _each_once(read_rows(io.BytesIO(content)))
    if not found:
        raise WrongUseError("the file is empty", "Write one with `dialfeed dead-letters --export FILE`.")
    return CorrectedFile(found, hashlib.sha256(content).hexdigest())


def declared_by(registry: Registry, job: ReplayJob) -> Declared:
    """Return what says which variables are declared by the schema that a job checks a dead letter against."""
    campaigns = Campaigns(registry)

    def of(letter: DeadLetter) -> Record | None:
        time_ms = job.requested_at if job.as_new else letter.accepted_at
        campaign = campaigns.find(letter.batch_id or "", time_ms, job.agent_version)
        return None if isinstance(campaign, FieldError) else campaign.validator.variables

    return of


def _each_once(records: Iterable[tuple[Place, _Edited]]) -> dict[Place, _Edited]:
    """Return records by their place; raise WrongUseError where two of one place differ: nobody says which counts."""
    found: dict[Place, _Edited] = {}
    for place, record in records:
        if not found.setdefault(place, record).says_as(record):
            submission, index = place
            raise WrongUseError(
                f"record {index} of submission {one_line(submission)} is in the file twice, with different content",
                "Nothing was sent. Keep one of them.",
            )
    return found


def _records(content: bytes) -> list[bytes]:
    text = content.removeprefix(_BOM).strip()
    if not text.startswith(b"["):
        return [line for line in text.splitlines() if line.strip()]
    try:
        return [bytes(raw) for raw in _elements(text)]
    except (ValueError, RecursionError):
        raise WrongUseError("the array in the file is not JSON", "Nothing was sent. Correct the file.") from None


def _record(text: bytes, number: int) -> tuple[Place, EditedLine]:
    if not is_utf8(text):
        raise WrongUseError(f"record {number} of the file is not UTF-8", "Nothing was sent. Save the file in UTF-8.")
    try:
        members = _members(text)
        place = (
            msgspec.json.decode(members["_submission"], type=str),
            msgspec.json.decode(members["_index"], type=int),
        )
    except (ValueError, KeyError, RecursionError):
        raise WrongUseError(
            f"record {number} of the file is no JSON object with `_submission` and `_index`",
            "Nothing was sent. Keep these two members as they were exported.",
        ) from None
    return place, EditedLine(text)
