"""How long a command that needs Kafka waits while nothing moves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from dialfeed.exits import CommandError, ExitCode
from schemas.messages import Message, Publisher, TryAgainError

log = structlog.get_logger(__name__)

PAUSE_SECONDS: Final = 1.0


class NothingMovesError(CommandError):
    exit_code = ExitCode.SOME_FAILED


@dataclass(frozen=True, slots=True)
class Patience:
    """How long nothing may move, in seconds, before the replay stops; None: it waits."""

    seconds: float | None = None

    async def published(self, publisher: Publisher, messages: Sequence[Message]) -> None:
        """Publish until Kafka has it; raise TryAgainError when patience ends, MustStopError."""
        deadline = None if self.seconds is None else time.monotonic() + self.seconds
        while True:
            try:
                await publisher.publish(messages)
            except TryAgainError as error:
                if deadline is not None and time.monotonic() + PAUSE_SECONDS > deadline:
                    raise
                log.warning("published_again_later", reason=str(error), seconds=PAUSE_SECONDS)
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return
