"""The OpenAPI document against a validator, and its examples against its schemas and against real answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from ingest_api.openapi import document
from schemas.codecs import encode
from schemas.dead_letter_query import KeptLetter
from schemas.registry import ADMINISTRATION
from schemas.stores import Contact, PhoneLogEntry
from tests.support.edge import World, served
from tests.support.known import BATCH, KEY, NOW_MS, PHONE, WORKSPACE, key_record
from tests.support.letter_pages import a_letter
from tests.support.uploads import BAD_NUMBER, GOOD, campaign_records, form, table
from tests.wire.test_http_replays import progress

ADMIN_KEY = "df_key-of-the-administration"
CALL = "b1946ac9-2492-8d23-a7c5-5c1d64cc1d5e"
DOCUMENT: dict[str, Any] = json.loads(json.dumps(document()))
RECORD = {"phoneNumber": "+12125551001", "firstName": "Ada"}
Place = tuple[str, str, str]
"""Method, path of the document, status."""


def contents() -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Yield the name, schema and example of every body that the document has an example of."""
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            bodies = {"request": operation.get("requestBody", {}), **operation["responses"]}
            for of, body in bodies.items():
                for content in body.get("content", {}).values():
                    if "example" in content:
                        yield f"{method} {path} {of}", content["schema"], content["example"]
            for parameter in operation.get("parameters", []):
                if "example" in parameter:
                    yield f"{method} {path} {parameter['name']}", parameter["schema"], parameter["example"]


def wrong(schema: dict[str, Any], value: Any) -> list[str]:
    validator = OAS31Validator({**schema, "components": DOCUMENT["components"]})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def test_the_document_is_valid_openapi_3_1() -> None:
    found = [
        f"{list(error.absolute_path)}: {error.message}" for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()
    ]
    assert found == []


def test_every_operation_has_an_id_of_its_own() -> None:
    ids = [one.get("operationId") for operations in DOCUMENT["paths"].values() for one in operations.values()]
    assert None not in ids
    assert len(set(ids)) == len(ids)


def test_every_example_is_what_its_schema_says() -> None:
    assert {name: errors for name, schema, value in contents() if (errors := wrong(schema, value))} == {}


@pytest.fixture(scope="module")
def places() -> dict[Place, dict[str, Any]]:
    """Return the answers of the document by their places."""
    return {
        (method, path, status): answer["content"].get("application/json", {})
        for path, operations in DOCUMENT["paths"].items()
        for method, operation in operations.items()
        for status, answer in operation["responses"].items()
        if int(status) < 300
    }


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with served() as world:
        for record in (key_record(ADMIN_KEY, ADMINISTRATION), *campaign_records()):
            world.registry.state.apply(record)
        log = PhoneLogEntry(
            CALL, 0, "completed", NOW_MS, call_duration=48.5, recording_url="https://r", transcript="Hi"
        )
        variables = {"firstName": "Ada"}
        world.store.batches[BATCH] = [Contact("+12125551001", "UTC", "default", variables, [log], NOW_MS)]
        world.store.letters.append(KeptLetter(a_letter(0, batch_id=BATCH, workspace_id=WORKSPACE)))
        yield world


class Asker:
    """Asks and remembers what was answered, by the place in the document."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.answers: dict[Place, Any] = {}

    async def ask(self, method: str, path: str, at: str = "", **options: Any) -> Any:
        """`at` is the path asked for, if it is not that of the document."""
        key = ADMIN_KEY if path.startswith("/api/admin") else KEY
        headers = {"x-api-key": key, **options.pop("headers", {})}
        answer: httpx.Response = await self._world.http.request(method, at or path, headers=headers, **options)
        assert answer.is_success, (method, at or path, answer.text)
        body = answer.json() if "json" in answer.headers["content-type"] else None
        self.answers[method.lower(), path, str(answer.status_code)] = body
        return body["data"] if isinstance(body, dict) and "data" in body else body


async def ask_calls(asker: Asker, world: World) -> None:
    add, good = "/api/call/addCallsToBatch", {"batchId": BATCH, "call_data": [RECORD]}
    submission = (await asker.ask("POST", add, json=good))["submissionId"]
    await asker.ask("POST", add, json={"batchId": BATCH, "call_data": [RECORD, {}]})
    world.pipeline.silent = True
    await asker.ask("POST", add, json=good, headers={"Prefer": "respond-async"})
    world.pipeline.silent = False
    await asker.ask("POST", "/api/call/createBatch", json={"batchName": "Spring", "callingNumbers": [PHONE]})
    await asker.ask("POST", "/api/call/start-calling", json={"batchId": BATCH})
    await asker.ask("GET", "/api/call/submissions/{id}", f"/api/call/submissions/{submission}")
    call = (await asker.ask("POST", add, json=good))["callIds"][0]
    await asker.ask("POST", "/api/call/status", json={"callId": call, "status": "completed"})
    await asker.ask("GET", "/api/call/batch-details/{id}", f"/api/call/batch-details/{BATCH}")
    await asker.ask("GET", "/api/call/batches")
    await asker.ask("GET", "/api/call/batches/{userId}", "/api/call/batches/me")
    await asker.ask("GET", "/api/call/dead-letters")
    await asker.ask("POST", "/api/call/dead-letters/dismissals", json={"reason": "left us", "batch": BATCH})


async def ask_uploads(asker: Asker, world: World) -> None:
    file = {"file": ("contacts.csv", table(GOOD, BAD_NUMBER))}
    await asker.ask("POST", "/api/call/upload", data=form(type="true"), files=file)
    world.pipeline.silent = True
    later = {"Prefer": "respond-async"}
    await asker.ask("POST", "/api/call/upload", data=form(type="true"), files=file, headers=later)
    world.pipeline.silent = False


async def ask_replays(asker: Asker, world: World) -> None:
    replay = (await asker.ask("POST", "/api/call/replays", json={"batch": BATCH}))["replayId"]
    world.replays.topic.append(encode(progress(replay)))
    await asker.ask("POST", "/api/call/replays", json={"dryRun": True})
    await asker.ask("GET", "/api/call/replays")
    await asker.ask("GET", "/api/call/replays/{id}", f"/api/call/replays/{replay}")
    record = {"phoneNumber": "+12125551001", "acceptedAt": NOW_MS, "recordIndex": 0}
    await asker.ask("POST", "/api/call/replays/outcomes", json={"batchId": BATCH, "records": [record]})


async def ask_administration(asker: Asker) -> None:
    avro = {"type": "record", "name": "R", "fields": [{"name": "n", "type": "string"}]}
    wider = {**avro, "fields": [*avro["fields"], {"name": "m", "type": "string", "default": ""}]}
    workspace = (await asker.ask("POST", "/api/admin/workspaces", json={"name": "W", "timezone": "UTC"}))["workspaceId"]
    owned = {"workspaceId": workspace}
    key = (await asker.ask("POST", "/api/admin/keys", json=owned))["keyId"]
    agent = (await asker.ask("POST", "/api/admin/agents", json={**owned, "schema": avro}))["agentId"]
    new_number = {**owned, "agentId": agent, "number": "+12125550199"}
    number = (await asker.ask("POST", "/api/admin/numbers", json=new_number))["phoneId"]
    new_batch = {
        **owned,
        "batchName": "B",
        "callingNumbers": [number],
        "callingHour": {"start": "09:00", "end": "17:00"},
    }
    batch = (await asker.ask("POST", "/api/admin/batches", json=new_batch))["batchId"]
    for kind in ("workspaces", "keys", "agents", "numbers", "batches"):
        await asker.ask("GET", f"/api/admin/{kind}", f"/api/admin/{kind}?workspaceId={workspace}")
    for method, kind, which, body in (
        ("GET", "agents", agent, None),
        ("PUT", "agents", agent, {"schema": wider}),
        ("PATCH", "workspaces", workspace, {"timezone": "UTC"}),
        ("PATCH", "numbers", number, {"agentId": agent}),
        ("PATCH", "batches", batch, {"retry": 3}),
        ("DELETE", "batches", batch, None),
        ("DELETE", "numbers", number, None),
        ("DELETE", "agents", agent, None),
        ("DELETE", "keys", key, None),
        ("DELETE", "workspaces", workspace, None),
    ):
        await asker.ask(method, f"/api/admin/{kind}/{{id}}", f"/api/admin/{kind}/{which}", json=body)


def names(value: Any, inside: str = "") -> set[str]:
    """Return the names of everything in an answer, with where they stand; names inside `asked` and schemas are free."""
    if isinstance(value, list):
        return set().union(*(names(one, inside + "[]") for one in value)) if value else set()
    if not isinstance(value, dict) or inside.endswith((".asked", ".schema", ".failedByCode", ".examples", ".retry")):
        return set()
    return {f"{inside}.{name}" for name in value}.union(
        *(names(one, f"{inside}.{name}") for name, one in value.items())
    )


async def test_every_answer_is_as_the_document_says_and_shows(
    world: World, places: dict[Place, dict[str, Any]]
) -> None:
    asker = Asker(world)
    await ask_calls(asker, world)
    await ask_uploads(asker, world)
    await ask_replays(asker, world)
    await ask_administration(asker)
    for path in ("/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"):
        await asker.ask("GET", path)

    await asker.ask("POST", "/api/admin/sql", json={"sql": "SELECT 1"})

    assert set(places) - set(asker.answers) == set()
    shapes = {at: wrong(of["schema"], asker.answers[at]) for at, of in places.items() if of}
    assert {at: errors for at, errors in shapes.items() if errors} == {}
    examples = {at: of["example"] for at, of in places.items() if "example" in of}
    differing = {at: names(example) ^ names(asker.answers[at]) for at, example in examples.items()}
    assert {at: different for at, different in differing.items() if different} == {}
    said = {at: example["message"] for at, example in examples.items() if at[1].startswith("/api/")}
    assert said == {at: asker.answers[at]["message"] for at in said}
