"""Which chunks have been done before. Pure.

A request with an Idempotency-Key has the same submission id whenever it comes again: its chunks are done once, and get
the receipt they got first, whatever has happened to the calls since. The body's hash tells another request under the
same key, of which nothing is done.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from schemas.records import PhoneLogChunk, Receipt

MOST_BYTES: Final = 16 * 1024 * 1024
_OF_A_RECEIPT: Final = 512
"""What a receipt takes beside its callIds."""


@dataclass(frozen=True, slots=True)
class Parted:
    """Chunks to be done, those done before (their receipt is given again), and how many came with another body."""

    new: list[PhoneLogChunk]
    again: list[PhoneLogChunk]
    others: int


class ReceiptsGiven:
    """Receipts of submissions with an Idempotency-Key."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._given: OrderedDict[str, dict[int, Receipt]] = OrderedDict()

    def unknown(self, chunks: Iterable[PhoneLogChunk]) -> list[str]:
        """Return the submissions whose stored receipts have to be read first."""
        keyed = dict.fromkeys(chunk.submission_id for chunk in chunks if chunk.body_hash is not None)
        return [submission_id for submission_id in keyed if submission_id not in self._given]

    def learn(self, chunks: Iterable[PhoneLogChunk], receipts: Iterable[Receipt]) -> None:
        """Take all stored receipts of the submissions that these chunks belong to."""
        for chunk in chunks:
            if chunk.body_hash is not None:
                self._of(chunk.submission_id)
        self.add(receipts)

    def add(self, receipts: Iterable[Receipt]) -> None:
        """Remember receipts that have been stored."""
        for receipt in receipts:
            if receipt.body_hash is not None:
                given = self._of(receipt.submission_id)
                self._bytes += 0 if receipt.first_index in given else _OF_A_RECEIPT + len(receipt.call_ids)
                given[receipt.first_index] = receipt

    def _of(self, submission_id: str) -> dict[int, Receipt]:
        if submission_id not in self._given:
            self._bytes += _OF_A_RECEIPT
        given = self._given.setdefault(submission_id, {})
        self._given.move_to_end(submission_id)
        return given

    def drop(self, submission_ids: Iterable[str]) -> None:
        """Forget submissions whose stored receipts have been corrected: they are read again."""
        for submission_id in submission_ids:
            self._forget(submission_id)

    def part(self, chunks: Iterable[PhoneLogChunk]) -> Parted:
        """Part the chunks of a flush, in their order; what is unknown must have been learnt."""
        parted = Parted([], [], 0)
        hashes: dict[str, str] = {}
        claimed: set[tuple[str, int]] = set()
        others = 0
        for chunk in chunks:
            if chunk.body_hash is None:
                parted.new.append(chunk)
                continue
            given = self._given.get(chunk.submission_id, {})
            first = next((receipt.body_hash for receipt in given.values()), None) or chunk.body_hash
            slice_of = (chunk.submission_id, chunk.first_index)
            if hashes.setdefault(chunk.submission_id, first) != chunk.body_hash:
                others += 1
            elif chunk.first_index in given or slice_of in claimed:
                parted.again.append(chunk)
            else:
                claimed.add(slice_of)
                parted.new.append(chunk)
        return replace(parted, others=others)

    def receipt(self, chunk: PhoneLogChunk) -> Receipt:
        """Return the receipt that was given of a chunk that is done again."""
        return self._given[chunk.submission_id][chunk.first_index]

    def forget(self) -> None:
        """Forget the oldest beyond the bounds: between flushes, so that what was learnt for one lasts to its end."""
        while self._bytes > self._most_bytes:
            self._forget(next(iter(self._given)))

    def _forget(self, submission_id: str) -> None:
        given = self._given.pop(submission_id, None)
        if given is not None:
            self._bytes -= _OF_A_RECEIPT + sum(_OF_A_RECEIPT + len(receipt.call_ids) for receipt in given.values())
