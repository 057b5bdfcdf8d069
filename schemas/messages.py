"""The seam to Kafka: what is published, by whom, and what can go wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from schemas.topics import TopicName

Headers = tuple[tuple[str, bytes], ...]


class WorldError(Exception):
    """The world, not the data, is wrong. Two kinds, by what the caller should do.

    WorldError
    +-- TryAgainError    wait, then do the same again: a broker or ClickHouse is away or busy
    +-- MustStopError    stop the process without acknowledging: a person has to mend something; the text says what
        +-- NewerError   a message of a newer version of dialfeed: this part has to be upgraded first
    """


class TryAgainError(WorldError):
    """Wait, then do the very same again."""


class MustStopError(WorldError):
    """Stop without acknowledging; the text says what a person has to do."""


class NewerError(MustStopError):
    """What a newer version of dialfeed wrote cannot be read yet, and must not be passed over.

    `what` tells how that shows, such as a schema's fingerprint; `place` is the message, where that is known.
    """

    def __init__(self, what: str, place: str = "") -> None:
        where = f" ({place})" if place else ""
        super().__init__(
            f"a message{where} was written by a newer version of dialfeed, {what}: upgrade this part first."
            " The message stays where it is, nothing is lost; docs/upgrade.md tells the order"
        )
        self.what = what

    def at(self, message: Located) -> NewerError:
        """Return the same, with the message's place."""
        return NewerError(self.what, f"topic {message.topic}, partition {message.partition}, offset {message.offset}")


class Located(Protocol):
    """A message as it was read from Kafka, whatever reads it."""

    @property
    def topic(self) -> str: ...

    @property
    def partition(self) -> int: ...

    @property
    def offset(self) -> int: ...


class ReadMessage(Located, Protocol):
    """Such a message with its value."""

    @property
    def value(self) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class Message:
    """One message to publish. Without a partition the key decides (murmur2, as in every Kafka client)."""

    topic: TopicName
    value: bytes | None
    key: bytes | None = None
    headers: Headers = ()
    partition: int | None = None


class Publisher(Protocol):
    """Publishes durably: acks=all, idempotent."""

    async def publish(self, messages: Sequence[Message]) -> None:
        """Return once the brokers hold every message. Raise TryAgainError or MustStopError.

        After an error some of the messages may be there: whoever publishes again must be able to bear doubles.
        """
        ...

    async def ready(self) -> None:
        """Return if the brokers answer now, within seconds; raise TryAgainError, with nothing published."""
        ...


def header(headers: Sequence[tuple[str, bytes | None]], name: str) -> bytes | None:
    """Return the last header of that name, as Kafka's `Headers.lastHeader` does."""
    for key, value in reversed(headers):
        if key == name:
            return value
    return None


def text_header(headers: Sequence[tuple[str, bytes | None]], name: str) -> str | None:
    """Return a header as text; one that is not UTF-8, or blank, counts as absent."""
    return text_of(header(headers, name))


def int_header(headers: Sequence[tuple[str, bytes | None]], name: str, most: int = 2**31 - 1) -> int | None:
    """Return a header as an integer from 0 to `most`; anything else counts as absent."""
    return int_of(header(headers, name), most)


def text_of(value: bytes | None) -> str | None:
    """Return a header's value as text, None where `text_header` calls it absent."""
    try:
        text = value.decode() if value else ""
    except UnicodeDecodeError:
        return None
    return text if text.strip() else None


def int_of(value: bytes | None, most: int = 2**31 - 1) -> int | None:
    """Return a header's value as an integer from 0 to `most`; anything else is None."""
    if not value or len(value) > len(str(most)) or not value.isdigit():
        return None
    number = int(value)
    return number if number <= most else None
