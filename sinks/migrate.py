"""Which migrations are to be applied. Pure but for reading the files that lie beside the code."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Final

from schemas.messages import MustStopError
from sinks import native
from sinks.rows import Insert

TABLE: Final = """
CREATE TABLE IF NOT EXISTS migrations
(
    name String COMMENT 'file name',
    checksum String COMMENT 'SHA-256 of the file',
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY name
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file with one statement."""

    name: str
    statement: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.statement.encode()).hexdigest()


def known() -> list[Migration]:
    """Return the migrations of this version, in order."""
    files = [each for each in resources.files("sinks.migrations").iterdir() if each.name.endswith(".sql")]
    return [Migration(each.name, each.read_text("utf-8")) for each in sorted(files, key=lambda each: each.name)]


def pending(migrations: Sequence[Migration], applied: Mapping[str, str]) -> list[Migration]:
    """Return those not applied yet; `applied` has the checksum of each name.

    Raise MustStopError if the database is newer than the code, or was made by a file that has been changed since.
    """
    by_name = {each.name: each for each in migrations}
    newer = sorted(applied.keys() - by_name.keys())
    if newer:
        raise MustStopError(f"the database is newer than this dialfeed (migration {newer[-1]}): run a newer version")
    changed = [each.name for each in migrations if applied.get(each.name, each.checksum) != each.checksum]
    if changed:
        raise MustStopError(f"migration {changed[0]} was changed after it was applied: restore the file as released")
    return [each for each in migrations if each.name not in applied]


def record_of(migration: Migration) -> Insert:
    """Return the insert that says that the migration has been applied."""
    columns = [native.texts("name", [migration.name]), native.texts("checksum", [migration.checksum])]
    return Insert("migrations", ("name", "checksum"), native.block(1, columns), 1)
