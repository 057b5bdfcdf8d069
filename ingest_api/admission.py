"""How much may be under way at once: requests, and bytes of bodies not yet published. Pure."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from ingest_api.envelope import RefusedError, refused
from schemas.outcomes import HttpCode


class Admission:
    """Counts what is under way and refuses (429) what is too much."""

    __slots__ = ("_most_bytes", "_most_requests", "_retry_after_seconds", "held_bytes", "requests")

    def __init__(self, *, most_requests: int, most_bytes: int, retry_after_seconds: int) -> None:
        self._most_requests = most_requests
        self._most_bytes = most_bytes
        self._retry_after_seconds = retry_after_seconds
        self.requests = 0
        self.held_bytes = 0

    def enter(self) -> Place:
        """Return a place for one more request, to be used in a `with`; raise RefusedError."""
        if self.requests >= self._most_requests:
            raise self._overloaded()
        return Place(self)

    def hold(self, size: int) -> None:
        """Count bytes; raise RefusedError if they are too many together with the others'."""
        if self.held_bytes + size > self._most_bytes:
            raise self._overloaded()
        self.held_bytes += size

    def _overloaded(self) -> RefusedError:
        return refused(HttpCode.OVERLOADED, headers={"Retry-After": str(self._retry_after_seconds)})


class Place:
    """One request's place. Its bytes outlive it where publishing goes on after the answer (`keep_bytes`)."""

    __slots__ = ("_admission", "_bytes")

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._bytes = 0

    def __enter__(self) -> Self:
        self._admission.requests += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._admission.requests -= 1
        self.release()

    def hold(self, size: int) -> None:
        """Count so many more bytes of this request; raise RefusedError."""
        self._admission.hold(size)
        self._bytes += size

    def release(self) -> None:
        """Count none of this request's bytes any more."""
        self._admission.held_bytes -= self._bytes
        self._bytes = 0

    def keep_bytes(self) -> Place:
        """Return a place that holds this one's bytes from now on: `release` it when they are gone."""
        kept = Place(self._admission)
        kept._bytes, self._bytes = self._bytes, 0
        return kept
