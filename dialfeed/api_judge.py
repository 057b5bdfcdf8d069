"""What a replay would make of records, asked of the API: an embedded ClickHouse answers to its own process only."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dialfeed.api_client import ApiClient
from dialfeed.exits import UnreachableError, WrongUseError
from ingest_api.foreseen import PATH
from schemas.messages import TryAgainError
from schemas.stores import Foreseen


class _One(msgspec.Struct):
    outcome: str
    entry: int


class _Outcomes(msgspec.Struct):
    outcomes: list[_One]


class _Answer(msgspec.Struct):
    data: _Outcomes


class ApiJudge:
    """A `dialfeed.replay_rehearsal.Judge` with one key, which may not open every batch."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    async def replay_outcomes(
        self, batch_id: str, records: Sequence[tuple[str, int, int]]
    ) -> Sequence[Foreseen] | None:
        asked = [{"phoneNumber": number, "acceptedAt": time, "recordIndex": index} for number, time, index in records]
        try:
            response = await self._api.post(PATH, msgspec.json.encode({"batchId": batch_id, "records": asked}))
            answer = msgspec.json.decode(response.content, type=_Answer)
        except WrongUseError:
            return None
        except (UnreachableError, msgspec.MsgspecError) as error:
            raise TryAgainError("the API does not say what is stored") from error
        return [Foreseen(one.outcome, one.entry) for one in answer.data.outcomes]
