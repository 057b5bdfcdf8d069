"""`dialfeed send --kafka` where the API is away: Kafka is enough, and the command says that nobody was asked."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer

from dialfeed.topics_admin import create_missing
from schemas.kafka_connection import KafkaConnection
from schemas.topics import TopicName
from tests.support.command import Type, typing

NOBODY = "127.0.0.1:9"


@pytest.fixture
def typed(
    kafka: KafkaConnection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Type:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIALFEED_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DIALFEED_KAFKA", kafka.bootstrap)
    monkeypatch.setenv("DIALFEED_TOPIC_PREFIX", kafka.prefix)
    monkeypatch.setenv("DIALFEED_API_KEY", "df_test")
    Path("contacts.ndjson").write_text('{"phoneNumber": "12125551001"}\n{"phoneNumber": "12125551002"}\n')
    return typing(capsys)


@pytest.fixture
def kafka(kafka_bootstrap: str) -> KafkaConnection:
    connection = KafkaConnection(kafka_bootstrap, prefix=f"send-{secrets.token_hex(4)}.")
    asyncio.run(create_missing(connection))
    return connection


def published(kafka: KafkaConnection) -> int:
    async def count() -> int:
        async with AIOKafkaConsumer(kafka.topic(TopicName.RAW), **kafka.client_options()) as consumer:
            return sum((await consumer.end_offsets(consumer.assignment())).values())

    return asyncio.run(count())


def test_an_api_that_does_not_answer_does_not_keep_records_from_kafka(
    typed: Type, kafka: KafkaConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIALFEED_HTTP", NOBODY)
    ended = typed("send", "--batch", "b1", "--kafka", "--json", "contacts.ndjson")
    assert (ended.code, ended.json["sent"], ended.json["pending"], published(kafka)) == (0, 2, 2, 1)
    assert "reports_not_awaited" in ended.err
    assert "2 records are in Kafka" in ended.err


def test_an_api_that_is_named_has_to_answer(typed: Type, kafka: KafkaConnection) -> None:
    ended = typed("send", "--batch", "b1", "--kafka", "--url", f"http://{NOBODY}", "contacts.ndjson")
    assert (ended.code, ended.out, published(kafka)) == (3, "", 0)
