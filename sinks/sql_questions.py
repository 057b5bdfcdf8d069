"""A person's own SQL, which may read what dialfeed stores and nothing else. Pure but for `ask_sql`.

Three fences, each enough against most: the engine's own `readonly` and limits, set where they cannot be taken back;
one statement that begins with SELECT or WITH, found by a scan that refuses whatever it does not know; and no word in it
that names a table function, a function that reaches out of the database, or another database. (The embedded engine's
`readonly` lets `file('/etc/passwd')` through, and `INTO OUTFILE`.)
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise
from typing import Any, Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from schemas.stores import SqlAnswer, SqlRefusedError
from sinks.errors import code_of

MOST_ROWS: Final = 1_000
WITHIN_SECONDS: Final = 10
_MB: Final = 1 << 20
LIMITS: Final[Mapping[str, Any]] = {
    "limit": MOST_ROWS + 1,  # one more tells that there are more
    "max_result_bytes": 16 * _MB,
    "result_overflow_mode": "throw",
    "max_execution_time": WITHIN_SECONDS,
    "timeout_overflow_mode": "throw",
    "max_memory_usage": 256 * _MB,
    "max_bytes_to_read": 16_384 * _MB,
    "max_temporary_data_on_disk_size_for_query": 512 * _MB,
    "max_threads": 1,
    "output_format_json_quote_64bit_integers": 0,
    "output_format_json_quote_denormals": 1,  # NaN and infinities as text: JSON has no numbers for them
    "readonly": 1,  # last: after it nothing can be set
}
MOST_MESSAGE: Final = 500

_TOKEN: Final = re.compile(
    r"""(?P<blank>[ \t\r\n]+)
      | (?P<text>'(?:[^'\\\0]|\\[^\0]|'')*')
      | (?P<name>"[^"\\\0]*"|`[^`\\\0]*`)
      | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<number>[0-9][A-Za-z0-9_]*)
      | (?P<comment>--|/\*)
      | (?P<sign>[()\[\],.+\-*/%=<>!|?:@])""",
    re.VERBOSE,
)
_SAID_BY: Final = re.compile(r"(?:Code: \d+\. )?DB::Exception: ")
_HARMLESS: Final = frozenset(
    (
        "generate_series",
        "generateseries",
        "null",
        "numbers",
        "numbers_mt",
        "primes",
        "values",
        "view",
        "zeros",
        "zeros_mt",
    )
)
"""Table functions that make up rows of their own, or whose name is a keyword too."""

_REACHES_OUT: Final = re.compile(
    "ai(?:classify|embed|extract|filter|generate|redact|similarity|translate).*|dict(?:get|has|isin).*|joinget.*"
    "|get(?:setting|serversetting|mergetreesetting|macro|clienthttpheader|serverport).*|showcertificate|sleep.*|logtrace"
    "|addressto.*|demangle|evalmlmethod|catboostevaluate|naivebayes.*|currentrequesturl|globalvariable|filesystem.*"
    "|generateserialid|outfile|settings|file"
)
"""Functions that read files, settings, dictionaries or the network, or wait; and what else is no matter of rows."""

_DATABASES: Final = frozenset(("system", "information_schema"))
_COLUMNS: Final = re.compile(r"\bsystem\.columns\b")
"""Tells which tables and columns there are."""
_ASK_NAMES: Final = """
SELECT lower(name) FROM system.table_functions
UNION ALL SELECT lower(name) FROM system.functions WHERE origin != 'System'
"""
_ASK_DATABASES: Final = "SELECT lower(name) FROM system.databases WHERE name != currentDatabase()"


def ask_sql(client: Client, statement: str) -> SqlAnswer:
    """Return the answer to a statement, asked of a client made with LIMITS; raise SqlRefusedError.

    ClickHouse's own errors of other kinds than a wrong statement are raised as they are.
    """
    one = only_statement(statement)
    names, databases = (
        frozenset(row[0] for row in client.query(question).result_rows) for question in (_ASK_NAMES, _ASK_DATABASES)
    )
    refuse_words(one, names, databases)
    try:
        answer = json.loads(client.raw_query(one, fmt="JSONCompact"))
    except (DatabaseError, OperationalError) as error:
        if code_of(error) is None:  # said by the connection, not by ClickHouse
            raise
        raise SqlRefusedError(_told(str(error))) from None
    except ValueError:
        raise SqlRefusedError("the statement has a FORMAT of its own: leave it out") from None
    rows = answer["data"]
    columns = [(column["name"], column["type"]) for column in answer["meta"]]
    return SqlAnswer(columns, rows[:MOST_ROWS], truncated=len(rows) > MOST_ROWS)


def only_statement(statement: str) -> str:
    """Return the one statement without a semicolon at its end; raise SqlRefusedError if it is anything else."""
    one = statement.strip(" \t\r\n")
    one = one.removesuffix(";")
    depth, first = 0, ""
    for kind, text in _tokens(one):
        first = first or (text.lower() if kind == "word" else kind)
        depth += (text in "([") - (text in ")]") if kind == "sign" else 0
        if depth < 0:
            raise SqlRefusedError(f"there is a {text} too many")
    if depth:
        raise SqlRefusedError("a bracket is not closed")
    if first not in ("select", "with"):
        raise SqlRefusedError("only a question can be asked: begin with SELECT or WITH")
    return one


def refuse_words(statement: str, names: Collection[str], databases: Collection[str]) -> None:
    """Raise SqlRefusedError for a word that reaches out of dialfeed's database.

    `names` are the engine's table functions and functions of its users, `databases` its other databases; lower case.
    """
    forbidden = set(names) - _HARMLESS
    elsewhere = _DATABASES | set(databases)
    tokens = [*_tokens(_COLUMNS.sub("columns", statement)), ("", "")]
    for (kind, text), (_, following) in pairwise(tokens):
        word = text.strip('"`').lower()
        if kind in ("word", "name") and (
            word in forbidden or _REACHES_OUT.fullmatch(word) or (following == "." and word in elsewhere)
        ):
            raise SqlRefusedError(f"{word} cannot be used here: a question reads dialfeed's own tables, within limits")


def _tokens(statement: str) -> Iterator[tuple[str, str]]:
    """Yield kind and text of every token but blanks; raise SqlRefusedError at the first that is none."""
    place = 0
    while place < len(statement):
        found = _TOKEN.match(statement, place)
        if found is None or found.lastgroup == "comment":
            raise SqlRefusedError(_no_token(statement[place]) if found is None else "comments are not taken")
        if found.lastgroup != "blank":
            yield str(found.lastgroup), found[0]
        place = found.end()


def _no_token(character: str) -> str:
    if character == ";":
        return "one statement at a time"
    return "a text or a name is not closed" if character in "'\"`" else f"{character!a} cannot be used outside of texts"


def _told(text: str) -> str:
    """Return ClickHouse's sentence without where it was said."""
    sentence = _SAID_BY.sub("", text).partition(" (for url ")[0]
    return " ".join(sentence.split())[:MOST_MESSAGE]
