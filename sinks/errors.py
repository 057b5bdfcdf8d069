"""What ClickHouse's errors ask for: wait and try again, dead-letter the row, or stop. Pure.

The numbers are those of ClickHouse's `src/Common/ErrorCodes.cpp`. A number that is not in the table is tried again,
and said aloud: stopping for it, or dead-lettering, might be wrong in a way that cannot be taken back.
"""

from __future__ import annotations

import re
from typing import Final

from schemas.messages import MustStopError, TryAgainError

_IN_VIEW: Final = "while pushing to view"
"""What ClickHouse adds to the text of an error of a table that a view fills."""

_CODE: Final = re.compile(r"\bCode: (\d+)")


class RowsRefusedError(Exception):
    """ClickHouse refuses at least one of the rows for its own sake; the text names the code, not the row."""


RETRY: Final[dict[int, str]] = {
    3: "UNEXPECTED_END_OF_FILE",
    32: "ATTEMPT_TO_READ_AFTER_EOF",
    33: "CANNOT_READ_ALL_DATA",
    74: "CANNOT_READ_FROM_FILE_DESCRIPTOR",
    75: "CANNOT_WRITE_TO_FILE_DESCRIPTOR",
    159: "TIMEOUT_EXCEEDED",
    160: "TOO_SLOW",
    164: "READONLY",
    173: "CANNOT_ALLOCATE_MEMORY",
    198: "DNS_ERROR",
    201: "QUOTA_EXCEEDED",
    202: "TOO_MANY_SIMULTANEOUS_QUERIES",
    203: "NO_FREE_CONNECTION",
    209: "SOCKET_TIMEOUT",
    210: "NETWORK_ERROR",
    225: "NO_ZOOKEEPER",
    236: "ABORTED",
    241: "MEMORY_LIMIT_EXCEEDED",
    242: "TABLE_IS_READ_ONLY",
    243: "NOT_ENOUGH_SPACE",
    252: "TOO_MANY_PARTS",
    279: "ALL_CONNECTION_TRIES_FAILED",
    285: "TOO_FEW_LIVE_REPLICAS",
    289: "REPLICA_IS_NOT_IN_QUORUM",
    319: "UNKNOWN_STATUS_OF_INSERT",
    394: "QUERY_WAS_CANCELLED",
    425: "SYSTEM_ERROR",
    439: "CANNOT_SCHEDULE_TASK",
    473: "DEADLOCK_AVOIDED",
    692: "TOO_MANY_MUTATIONS",
    745: "SERVER_OVERLOADED",
    999: "KEEPER_EXCEPTION",
}

REJECT: Final[dict[int, str]] = {
    6: "CANNOT_PARSE_TEXT",
    25: "CANNOT_PARSE_ESCAPE_SEQUENCE",
    26: "CANNOT_PARSE_QUOTED_STRING",
    27: "CANNOT_PARSE_INPUT_ASSERTION_FAILED",
    38: "CANNOT_PARSE_DATE",
    41: "CANNOT_PARSE_DATETIME",
    53: "TYPE_MISMATCH",
    69: "ARGUMENT_OUT_OF_BOUND",
    70: "CANNOT_CONVERT_TYPE",
    72: "CANNOT_PARSE_NUMBER",
    117: "INCORRECT_DATA",
    131: "TOO_LARGE_STRING_SIZE",
    321: "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE",
    349: "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN",
    376: "CANNOT_PARSE_UUID",
    395: "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO",
    407: "DECIMAL_OVERFLOW",
    469: "VIOLATED_CONSTRAINT",
    691: "UNKNOWN_ELEMENT_OF_ENUM",
}

_TABLES: Final = "a table is missing or changed: restore it, or drop table migrations too, so that a restart makes it"
_LOGIN: Final = "set user and password in DIALFEED_CLICKHOUSE to what ClickHouse knows"
_GRANT: Final = "grant the user SELECT, INSERT, CREATE TABLE and ALTER TABLE on the database"

FATAL: Final[dict[int, tuple[str, str]]] = {
    8: ("THERE_IS_NO_COLUMN", _TABLES),
    10: ("NOT_FOUND_COLUMN_IN_BLOCK", _TABLES),
    16: ("NO_SUCH_COLUMN_IN_TABLE", _TABLES),
    20: ("NUMBER_OF_COLUMNS_DOESNT_MATCH", _TABLES),
    47: ("UNKNOWN_IDENTIFIER", _TABLES),
    48: ("NOT_IMPLEMENTED", "use a ClickHouse of version 24.8 or later"),
    60: ("UNKNOWN_TABLE", _TABLES),
    62: ("SYNTAX_ERROR", "use a ClickHouse of version 24.8 or later"),
    81: ("UNKNOWN_DATABASE", "create the database that DIALFEED_CLICKHOUSE names"),
    115: ("UNKNOWN_SETTING", "use a ClickHouse of version 24.8 or later"),
    192: ("UNKNOWN_USER", _LOGIN),
    193: ("WRONG_PASSWORD", _LOGIN),
    194: ("REQUIRED_PASSWORD", _LOGIN),
    195: ("IP_ADDRESS_NOT_ALLOWED", "let the user log in from this machine's address"),
    291: ("DATABASE_ACCESS_DENIED", _GRANT),
    452: ("SETTING_CONSTRAINT_VIOLATION", "let the user change the settings that dialfeed sends with an insert"),
    497: ("ACCESS_DENIED", _GRANT),
    516: ("AUTHENTICATION_FAILED", _LOGIN),
}


def code_of(error: BaseException) -> int | None:
    """Return ClickHouse's error code from a client's exception (`code`, or `Code: N` in its text), or None."""
    code = getattr(error, "code", None)
    if isinstance(code, int):
        return code
    found = _CODE.search(str(error))
    return int(found[1]) if found else None


def is_unknown(code: int | None) -> bool:
    """Return whether ClickHouse gave a code that is not in the tables."""
    return code is not None and not (code in RETRY or code in REJECT or code in FATAL)


def is_of_view(error: BaseException) -> bool:
    """Return whether a table that a view fills refuses what the table of the insert has taken already."""
    return _IN_VIEW in str(error)


def translated(
    code: int | None, where: str, *, of_view: bool = False
) -> TryAgainError | MustStopError | RowsRefusedError:
    """Return our exception for a code, or for None: no answer at all. `where` is ClickHouse's address.

    A row that only the table behind a view refuses is stored in part: it is no dead letter, the table has to be mended.
    Its text holds nothing of ClickHouse's own, which may repeat values of rows.
    """
    if code is None:
        return TryAgainError(f"ClickHouse at {where} does not answer")
    if code in REJECT and of_view:
        what = f"a table that a view fills from phone_log refuses rows with code {code} ({REJECT[code]})"
        return MustStopError(f"ClickHouse at {where}: {what}: undo what was changed in tables contacts and calls")
    if code in REJECT:
        return RowsRefusedError(f"ClickHouse refuses the row with code {code} ({REJECT[code]})")
    if code in FATAL:
        name, remedy = FATAL[code]
        return MustStopError(f"ClickHouse at {where} answers code {code} ({name}): {remedy}")
    return TryAgainError(f"ClickHouse at {where} answers code {code} ({RETRY.get(code, 'unknown to dialfeed')})")
