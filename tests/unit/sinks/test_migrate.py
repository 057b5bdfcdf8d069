from __future__ import annotations

import re

import pytest

from schemas.messages import MustStopError
from sinks.migrate import Migration, known, pending

FIRST, SECOND = Migration("0001_a.sql", "CREATE a"), Migration("0002_b.sql", "CREATE b")


def test_migrations_are_numbered_without_gaps() -> None:
    assert [int(each.name[:4]) for each in known()] == list(range(1, len(known()) + 1))


@pytest.mark.parametrize("migration", known(), ids=lambda each: str(each.name))
def test_a_migration_is_one_statement_that_may_run_twice(migration: Migration) -> None:
    assert ";" not in migration.statement
    assert re.search(r"IF NOT EXISTS|IF EXISTS|MODIFY SETTING|MODIFY QUERY", migration.statement)


def test_what_is_applied_is_not_applied_again() -> None:
    assert pending([FIRST, SECOND], {FIRST.name: FIRST.checksum}) == [SECOND]
    assert pending([FIRST], {FIRST.name: FIRST.checksum}) == []


def test_a_newer_database_is_refused() -> None:
    with pytest.raises(MustStopError, match=r"newer than this dialfeed \(migration 0002_b.sql\)"):
        pending([FIRST], {FIRST.name: FIRST.checksum, SECOND.name: SECOND.checksum})


def test_a_changed_file_is_refused() -> None:
    with pytest.raises(MustStopError, match=r"0001_a.sql was changed"):
        pending([FIRST, SECOND], {FIRST.name: "another"})
