"""The rights that `dialfeed topics --acls` tells are enough: a broker with an authorizer, a user for each part."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import TopicAuthorizationFailedError
from aiokafka.protocol.admin import CreateAclsRequest

from dialfeed import kafka_config
from dialfeed.kafka_ports import free_port
from dialfeed.kafka_rights import RIGHTS, acl_commands
from schemas.kafka_connection import KafkaConnection
from schemas.topics import TopicName
from tests.support.bus import API_KEY, bus_of_its_own, eventually, part
from tests.support.clickhouse_http import clickhouse_http
from tests.support.kafka import local_kafka_for_tests
from tests.support.samples import record

PASSWORD = "secret"
OPERATIONS = {"Read": 3, "Write": 4, "Describe": 8, "DescribeConfigs": 10}
RESOURCES = {"topic": 2, "group": 3}
LITERAL, ALLOW = 3, 3


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    """Run a broker that lets everybody do everything without a name, and users nothing; return both addresses."""
    port = free_port()
    plain = kafka_config.server_properties

    def with_users(*args: Any, **kwargs: Any) -> str:
        text = plain(*args, **kwargs)
        text = re.sub(
            r"^((?:advertised\.)?listeners=)", rf"\1SASL_PLAINTEXT://127.0.0.1:{port},", text, flags=re.MULTILINE
        )
        text = re.sub(
            r"^(listener\.security\.protocol\.map=)", r"\1SASL_PLAINTEXT:SASL_PLAINTEXT,", text, flags=re.MULTILINE
        )
        users = " ".join(f'user_{role}="{PASSWORD}"' for role in RIGHTS)
        jaas = f"org.apache.kafka.common.security.plain.PlainLoginModule required {users};"
        return (
            text + "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n"
            "super.users=User:ANONYMOUS\nsasl.enabled.mechanisms=PLAIN\n"
            f"listener.name.sasl_plaintext.plain.sasl.jaas.config={jaas}\n"
        )

    monkeypatch.setattr(kafka_config, "server_properties", with_users)
    with local_kafka_for_tests() as kafka:
        yield kafka.bootstrap, f"127.0.0.1:{port}"


async def grant(connection: KafkaConnection) -> None:
    """Do what the commands do."""
    admin = AIOKafkaAdminClient(**connection.client_options())
    await admin.start()
    try:
        for command in acl_commands(connection.topic):
            for creation in creations_of(command):
                answer = await admin._send_request(CreateAclsRequest(*creation))
                assert {code for code, _ in answer.creation_responses} == {0}
    finally:
        await admin.close()


def creations_of(command: str) -> Iterator[tuple[int, str, int, str, str, int, int]]:
    words = shlex.split(command)
    pairs = [(words[place][2:], words[place + 1]) for place in range(3, len(words), 2)]
    principal = next(value for name, value in pairs if name == "allow-principal")
    for kind, resource in pairs:
        for name, operation in pairs:
            if kind in RESOURCES and name == "operation":
                yield RESOURCES[kind], resource, LITERAL, principal, "*", OPERATIONS[operation], ALLOW


@pytest.mark.timeout(300)
async def test_every_part_works_with_the_rights_of_its_role(guarded: tuple[str, str], tmp_path: Path) -> None:
    open_to_all, with_names = guarded
    async with bus_of_its_own(open_to_all) as bus:
        await grant(bus.connection)
        url = f"127.0.0.1:{free_port()}"
        with ExitStack() as stack:
            front = stack.enter_context(clickhouse_http(tmp_path / "clickhouse"))
            for role in ("load", "api", "worker"):
                environment = {
                    "DIALFEED_KAFKA": with_names,
                    "DIALFEED_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
                    "DIALFEED_KAFKA_SASL_MECHANISM": "PLAIN",
                    "DIALFEED_KAFKA_SASL_USERNAME": role,
                    "DIALFEED_KAFKA_SASL_PASSWORD": PASSWORD,
                    "DIALFEED_CLICKHOUSE": front.url("d"),
                    "DIALFEED_HTTP": url,
                }
                stack.enter_context(part(bus, tmp_path, role, **environment))
            http = httpx.AsyncClient(
                base_url=f"http://{url}", headers={"x-api-key": API_KEY}, timeout=60, trust_env=False
            )
            await use_everything(http)
            user = replace(
                bus.connection,
                bootstrap=with_names,
                protocol="SASL_PLAINTEXT",
                mechanism="PLAIN",
                username="producer",
                password=PASSWORD,
            )
            async with AIOKafkaProducer(**user.client_options(), enable_idempotence=True) as producer:
                value, headers = json.dumps(record(50)).encode(), [("batch-id", b"b")]
                await producer.send_and_wait(user.topic(TopicName.RECORDS), value, headers=headers)
                with pytest.raises(TopicAuthorizationFailedError):
                    await producer.send_and_wait(user.topic(TopicName.CHUNKS), value)
            await eventually(lambda: total_is(http, 3))
            await http.aclose()
        log = (tmp_path / "parts.log").read_text()
        assert "uthorizationFailed" not in log, [line for line in log.splitlines() if "uthorizationFailed" in line][:5]


async def use_everything(http: httpx.AsyncClient) -> None:
    """Use every way: records good and bad, a status, a replay, the metrics."""

    async def ready() -> bool:
        try:
            return (await http.get("/readyz")).is_success
        except httpx.TransportError:
            return False

    await eventually(ready, 120)
    body = {"batchId": "b", "call_data": [record(1), record(2), {"phoneNumber": "no"}]}
    answer = await http.post("/api/call/addCallsToBatch", json=body)
    assert answer.status_code == 207, answer.text
    call_id = answer.json()["data"]["callIds"][0]
    assert (await http.post("/api/call/status", json={"callId": call_id, "status": "completed"})).is_success
    assert (await http.post("/api/call/start-calling", json={"batchId": "b"})).is_success
    replay = await http.post("/api/call/replays", json={"batch": "b"})
    assert replay.is_success, replay.text

    async def ended() -> bool:
        found = (await http.get(f"/api/call/replays/{replay.json()['data']['replayId']}")).json()["data"]
        return bool(found["state"] == "done" and found["failed"] == 1)

    await eventually(ended)
    assert "dialfeed_kafka_up 1.0" in (await http.get("/metrics")).text


async def total_is(http: httpx.AsyncClient, count: int) -> bool:
    found = await http.get("/api/call/batch-details/b")
    return bool(found.json()["data"]["total"] == count)
