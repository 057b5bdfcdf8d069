from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from ingest_api.app import create_app
from ingest_api.batch_details import BATCH_STATUSES, QUEUE_STATUSES
from ingest_api.idempotency import MOST_CHARACTERS
from ingest_api.openapi import document
from ingest_api.openapi_page import page, policy
from ingest_api.settings import EdgeSettings
from ingest_api.statuses import MOST_ERRORS, MOST_EVENT_BYTES, MOST_EVENTS
from ingest_api.upload_rows import CheckedRows
from schemas.outcomes import RECORD_CODES, HttpCode
from schemas.statuses import MAX_TRANSCRIPT_CHARACTERS, MAX_URL_CHARACTERS, CallStatus
from tests.support.edge import World

DOCS = " ".join((Path(__file__).parents[3] / "docs" / "http.md").read_text("utf-8").split())
OUTSIDE_OPERATIONS = {HttpCode.METHOD_NOT_ALLOWED}


def operations() -> list[tuple[str, dict[str, Any]]]:
    return [(path, operation) for path, by_method in document()["paths"].items() for operation in by_method.values()]


def test_the_documentation_names_every_route_and_every_batch_status() -> None:
    assert [path for path, _ in operations() if path not in DOCS] == []
    for statuses in (BATCH_STATUSES, QUEUE_STATUSES):
        assert [row for status in statuses if (row := f"| `{status}` | {statuses[status]} |") not in DOCS] == []


def test_the_documentation_names_the_default_limits() -> None:
    settings = EdgeSettings()
    assert f"At most {settings.max_waiting} requests" in DOCS
    assert f"no answer within {settings.bus_seconds:g} s is 503" in DOCS
    assert f"requests that wait go on for {settings.drain_seconds:g} s" in DOCS
    assert f"at most {settings.body_limit_bytes // 2**20} MiB (a setting)" in DOCS


def test_the_documentation_names_what_bounds_repeats_and_statuses() -> None:
    assert f"1 to {MOST_CHARACTERS} visible ASCII characters" in DOCS
    assert f"the first repeat that comes {EdgeSettings().publish_again_seconds:g} s after it" in DOCS
    assert f"an array of at most {MOST_EVENTS}" in DOCS
    assert f"An event is at most {MOST_EVENT_BYTES} bytes" in DOCS
    assert f"at most {MAX_URL_CHARACTERS} and {MAX_TRANSCRIPT_CHARACTERS} characters" in DOCS
    assert f"(at most {MOST_ERRORS} errors" in DOCS
    assert [status for status in CallStatus if f"`{status}`" not in DOCS] == []


def test_every_code_is_an_answer_of_some_operation() -> None:
    said = json.dumps([operation["responses"] for _, operation in operations()])
    assert {code for code in HttpCode if f"`{code}`" not in said} == OUTSIDE_OPERATIONS


def test_every_code_of_a_record_may_stand_in_a_failed_chunk() -> None:
    chunk = document()["components"]["schemas"]["FailedChunk"]["properties"]["records"]
    codes = chunk["items"]["properties"]["errors"]["items"]["properties"]["code"]["enum"]
    assert codes == [str(code) for code in RECORD_CODES]


def test_every_reference_of_the_document_leads_somewhere() -> None:
    text = json.dumps(document())
    named = {f"#/components/schemas/{name}" for name in document()["components"]["schemas"]}
    assert {part.partition('"')[0] for part in text.split('"$ref": "')[1:]} == named


@pytest.mark.parametrize(("path", "operation"), operations(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_example_of_an_answer_carries_its_own_status(path: str, operation: dict[str, Any]) -> None:
    for status, answer in operation["responses"].items():
        example = answer["content"].get("application/json", {}).get("example") or {}
        assert example.get("code", int(status)) == int(status)
        assert not path.startswith("/api/") or "code" in example


async def test_the_document_has_exactly_the_routes_of_the_application() -> None:
    world = World()
    app = create_app(
        EdgeSettings(),
        registry=world.registry,
        publisher=world.pipeline,
        store=world.store,
        receipts=world.receipts,
        known_timezone=bool,
        normalise=str,
        check_rows=lambda _, records, __: CheckedRows([None] * len(records), {}),
        replays=world.replays,
        rehearse=world.replays.rehearse,
        lags=world.lags,
    )
    assert {route.path for route in app.routes} == {path for path, _ in operations()}  # type: ignore[attr-defined]


def test_the_page_escapes_what_it_shows() -> None:
    shown = page({"info": {"title": "<b>", "description": "a `<i>` b"}, "paths": {}})
    assert "&lt;b&gt;" in shown
    assert "<code>&lt;i&gt;</code>" in shown


def test_the_page_has_an_index_and_a_form_for_every_operation() -> None:
    shown = page(document())
    anchors = re.findall(r'<h2 id="([^"]+)">', shown)
    assert len(set(anchors)) == len(operations())
    assert re.findall(r'<a href="#([^"]+)">', shown) == sorted(anchors, key=_section)
    assert len(re.findall("<form data-method=", shown)) == len(operations())


def _section(anchor: str) -> int:
    return 0 if "-api-call" in anchor else 1 if "-api-admin" in anchor else 2


def test_a_browser_is_let_run_the_pages_own_script_and_style_only() -> None:
    shown = page(document())
    assert re.findall(r' (?:src|href)="(?!#|/openapi\.json)([^"]*)"', shown) == []
    assert re.findall(r' on[a-z]+="| style="', shown) == []
    for tag in ("script", "style"):
        [text] = re.findall(rf"<{tag}>(.*?)</{tag}>", shown, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy()
