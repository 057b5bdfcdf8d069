"""`dialfeed send --kafka`: records straight to `calls.raw`, as submissions whose report the API has."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final, Protocol

import structlog

from dialfeed.api_client import Outcome, UnknownOutcomeError
from dialfeed.exits import CommandError, ExitCode
from dialfeed.send_keys import portion_key
from ingest_api.slicing import slices
from schemas.messages import Message, MustStopError, Publisher, TryAgainError
from schemas.topics import TopicName

log = structlog.get_logger(__name__)

PAUSE_SECONDS: Final = 1.0


class StoppedSendError(CommandError):
    exit_code = ExitCode.STOPPED


class Reports(Protocol):
    """Follows reports; see `dialfeed.api_client.ApiClient.outcome`."""

    async def outcome(self, submission_id: str, total: int) -> Outcome: ...

    async def known(self, submission_id: str) -> bool: ...


class KafkaSubmitter:
    """Publishes each part of a file as a submission; without `reports` nobody is asked what became of it.

    Id and hash of a submission are functions of its content: what is published again, by this process or by the next,
    is the same submission, of which every slice is stored once.
    """

    def __init__(self, publisher: Publisher, reports: Reports | None, give_up_seconds: float, salt: str = "") -> None:
        self._publisher = publisher
        self._reports = reports
        self._give_up = give_up_seconds
        self._salt = salt

    async def submit(self, batch_id: str, records: Sequence[bytes], position: int) -> Outcome:
        """Return what became of records; all are pending if nobody can be asked. Raise CommandError."""
        key = portion_key(batch_id, position, records, self._salt)
        submission_id = f"send-{key[:32]}"
        if self._reports is not None and await self._reports.known(submission_id):
            outcome = await self._reports.outcome(submission_id, len(records))
            outcome.submission_ids, outcome.already_sent = [submission_id], len(records)
            return outcome
        repeated = await self._publish(messages_of(batch_id, records, submission_id, key))
        if self._reports is None:
            return Outcome(submission_ids=[submission_id], pending=len(records), repeated=repeated)
        outcome = await self._reports.outcome(submission_id, len(records))
        outcome.submission_ids, outcome.repeated = [submission_id], repeated
        return outcome

    async def _publish(self, messages: Sequence[Message]) -> int:
        """Publish until Kafka has it; return how often the outcome was unknown before."""
        deadline, repeated = time.monotonic() + self._give_up, 0
        while True:
            try:
                await self._publisher.publish(messages)
            except TryAgainError as error:
                if time.monotonic() + PAUSE_SECONDS > deadline:
                    raise UnknownOutcomeError(str(error), "Start it, or look with `dialfeed doctor`.") from error
                repeated += 1
                log.warning("sent_again_later", reason=str(error), seconds=PAUSE_SECONDS)
                await asyncio.sleep(PAUSE_SECONDS)
            except MustStopError as error:
                raise StoppedSendError(str(error), "Then send the file again.") from error
            else:
                return repeated


def messages_of(batch_id: str, records: Sequence[bytes], submission_id: str, body_hash: str) -> list[Message]:
    """Return the messages of a submission, cut as the API cuts them."""
    headers = (
        ("submission-id", submission_id.encode()),
        ("total", str(len(records)).encode()),
        ("body-hash", body_hash.encode()),
    )
    return [
        Message(
            TopicName.RAW,
            piece.value,
            batch_id.encode(),
            headers=(*headers, ("first-index", str(piece.first_index).encode())),
        )
        for piece in slices(batch_id, records)
    ]
