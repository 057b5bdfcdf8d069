"""Are workers at work? Asked of Kafka, which knows the members of their consumer group."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from schemas.kafka_connection import KafkaConnection
from schemas.messages import TryAgainError
from schemas.topics import WORKER_GROUP

_STABLE: Final = "Stable"


class WorkerGroup:
    """The workers' consumer group, while it is entered."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._group = connection.topic(WORKER_GROUP)
        self._admin = AIOKafkaAdminClient(**connection.client_options(), request_timeout_ms=5_000)

    async def __aenter__(self) -> Self:
        try:
            await self._admin.start()
        except KafkaError as error:
            await self._admin.close()
            raise TryAgainError("Kafka does not answer") from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._admin.close()

    async def check(self) -> None:
        """Return if every partition has a worker; raise TryAgainError."""
        try:
            answers = await self._admin.describe_consumer_groups([self._group])
        except KafkaError as error:
            raise TryAgainError("Kafka does not answer") from error
        _, _, state, _, _, members = answers[0].groups[0][:6]
        if not members:
            raise TryAgainError("no worker runs: start one with `dialfeed worker`")
        if state != _STABLE:
            raise TryAgainError("the workers are being given their partitions")
