"""What a dry run shows people says what to do next."""

from __future__ import annotations

from dialfeed.replay_dry_run import NOT_ASKED, for_people


def test_what_could_not_be_asked_comes_with_what_to_do() -> None:
    facts = {"dryRun": True, "notAsked": 2, "failedByCode": {}, "examples": {}}

    assert for_people(facts)["notAsked"] == f"2: {NOT_ASKED}"
    assert for_people({**facts, "notAsked": 0})["notAsked"] == 0


def test_people_are_told_in_words_why_letters_were_skipped() -> None:
    facts = {"dryRun": True, "notAsked": 0, "skipped": 1_003, "failedByCode": {}, "examples": {}}

    because = {"skippedBecause": {"older": 1_000, "tooLarge": 3}}

    assert for_people(facts | because)["skippedBecause"] == ["1,000 older", "3 tooLarge"]
    assert "skippedBecause" not in for_people(facts | {"skippedBecause": {}})
