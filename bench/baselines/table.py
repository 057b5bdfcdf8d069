"""Where the baselines' rows end: a table like dialfeed's in an embedded ClickHouse of their own.

`python -m bench.baselines.table FOLDER` prints the stored rows of each batch as JSON, once nobody else has the folder.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import clickhouse_connect

from bench.baselines.checks import Row

COLUMNS: Final = Row._fields
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS baseline_calls (
    batch_id String,
    phone_number String,
    call_id UUID,
    version UInt64,
    accepted_at DateTime64(3, 'UTC'),
    phone_number_sent String,
    timezone LowCardinality(String),
    timezone_source LowCardinality(String),
    variables String
) ENGINE = ReplacingMergeTree(version) ORDER BY (batch_id, phone_number)
"""


def open_table(folder: Path) -> Any:
    """Return a client of the embedded ClickHouse in this folder, with the table in it."""
    client = clickhouse_connect.get_client(interface="chdb", path=str(folder))
    client.command(_TABLE)
    return client


def insert(client: Any, rows: Sequence[Row]) -> None:
    """Write rows in one insert."""
    client.insert("baseline_calls", rows, column_names=COLUMNS)


def counts(client: Any) -> dict[str, int]:
    """Return the contacts stored of each batch."""
    answer = client.query("SELECT batch_id, count() FROM baseline_calls FINAL GROUP BY batch_id")
    return {str(batch_id): int(count) for batch_id, count in answer.result_rows}


if __name__ == "__main__":
    print(json.dumps(counts(open_table(Path(sys.argv[1])))))
