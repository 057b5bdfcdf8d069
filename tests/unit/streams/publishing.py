"""A publisher that keeps what it is given."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.messages import Message


class Published:
    """Messages in the order of their publishing."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def publish(self, messages: Sequence[Message]) -> None:
        self.messages += messages

    async def ready(self) -> None:
        return

    def topics(self) -> list[str]:
        return [str(message.topic) for message in self.messages]
