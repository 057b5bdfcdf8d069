"""What a dry run asks the API for is what it was asked itself; what it shows people says what to do next."""

from __future__ import annotations

import msgspec

from dialfeed.replay_dry_run import NEEDS_A_KEY, NEEDS_A_SERVER, body_of, for_people
from ingest_api.idempotency import identity_of
from ingest_api.replay_bodies import asked_of
from schemas.replay_jobs import BY_API, ReplayJob, ReplayMove, ReplayValue

NOW_MS = 1_800_000_000_000


def test_the_api_is_asked_for_the_very_job() -> None:
    job = ReplayJob(
        replay_id="",
        workspace_id="",
        runner=BY_API,
        requested_at=NOW_MS,
        agent="a",
        batch="b",
        submission="s",
        code="type",
        failure_class="data",
        stage="clean",
        path="/amount",
        since=NOW_MS - 7_200_001,
        until=NOW_MS - 999,
        attempt=2,
        parked=True,
        max_attempts=7,
        as_new=True,
        agent_version=3,
        moves=[ReplayMove(old="acount", new="account")],
        values=[ReplayValue(name="amount", value=b"1.5"), ReplayValue(name="gone", value=b"null")],
    )

    asked = asked_of(msgspec.json.decode(body_of(job)), identity_of("", None, b""), "", NOW_MS)

    assert asked.dry_run
    assert msgspec.structs.replace(asked.job, replay_id="", body_hash=None) == job


def test_what_could_not_be_asked_comes_with_what_to_do() -> None:
    facts = {"dryRun": True, "notAsked": 2, "failedByCode": {}, "examples": {}}

    assert for_people(facts, from_file=False)["notAsked"] == f"2: {NEEDS_A_KEY}"
    assert for_people(facts, from_file=True)["notAsked"] == f"2: {NEEDS_A_SERVER}"
    assert for_people({**facts, "notAsked": 0}, from_file=False)["notAsked"] == 0


def test_people_are_told_in_words_why_letters_were_skipped() -> None:
    facts = {"dryRun": True, "notAsked": 0, "skipped": 1_003, "failedByCode": {}, "examples": {}}

    because = {"skippedBecause": {"older": 1_000, "tooLarge": 3}}

    assert for_people(facts | because, from_file=False)["skippedBecause"] == ["1,000 older", "3 tooLarge"]
    assert "skippedBecause" not in for_people(facts | {"skippedBecause": {}}, from_file=False)
