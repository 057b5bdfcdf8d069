"""What of a person's own SQL is asked at all. What the engine then makes of it: `tests/wire/test_sql.py`."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.stores import SqlRefusedError
from sinks.sql_questions import only_statement, refuse_words

NAMES = frozenset(("file", "url", "remote", "numbers", "null", "python", "format", "my_function"))


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1",
        "  with x AS (SELECT 1) SELECT * FROM x ;\n",
        "SELECT ';', 'it''s', 'a\\'; DROP TABLE x', '-- none', \"name\", `name` FROM phone_log",
        "SELECT 'Jörg', '‘' FROM phone_log WHERE a[1] = m['x'] AND b ? 1 : 2 AND t.1 != 1e-3",
    ],
)
def test_one_question_is_taken(statement: str) -> None:
    assert only_statement(statement).lower().startswith(("select", "with"))


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("", "only a question"),
        ("INSERT INTO x VALUES (1)", "only a question"),
        ("DROP TABLE phone_log", "only a question"),
        ("SET readonly = 0", "only a question"),
        ("(SELECT 1)", "only a question"),
        ("EXPLAIN SELECT 1", "only a question"),
        ("SELECT 1; DROP TABLE phone_log", "one statement"),
        ("SELECT 1;;", "one statement"),
        ("SELECT 1 -- more", "comments"),
        ("SELECT /* x */ 1", "comments"),
        ("SELECT 1 # more", "outside of texts"),
        ("SELECT $x$a'b$x$", "outside of texts"),
        ("SELECT {a:String}", "outside of texts"),
        ("SELECT ‘a’", "outside of texts"),
        ("SELECT “a”", "outside of texts"),
        ("SELECT 1\0", "outside of texts"),
        ("SELECT 1\u00a0", "outside of texts"),
        ("SELECT \\", "outside of texts"),
        ("SELECT 'a", "not closed"),
        ('SELECT "a\\""', "not closed"),
        ("SELECT 1) INTO OUTFILE 'x' FORMAT CSV SELECT (1", "too many"),
        ("SELECT (1", "not closed"),
    ],
)
def test_anything_else_is_refused_with_the_reason(statement: str, reason: str) -> None:
    with pytest.raises(SqlRefusedError, match=reason):
        only_statement(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM file('/etc/passwd')",
        "SELECT FILE('/etc/passwd')",
        "SELECT * APPLY(file)",
        "SELECT * APPLY(`file`)",
        'SELECT "File"(1)',
        "SELECT arrayMap(x -> file(x), [1])",
        "SELECT * FROM url('http://x')",
        "SELECT * FROM python('x')",
        "SELECT my_function(1)",
        "SELECT dictGetString('d', 'a', 1)",
        "SELECT getSetting('max_threads')",
        "SELECT getMacro('x'), showCertificate()",
        "SELECT aiGenerate('x')",
        "SELECT sleepEachRow(1)",
        "SELECT joinGetOrNull('d', 'a', 1)",
        "SELECT generateSerialID('x')",
        "SELECT * FROM system.users",
        "SELECT 1 IN system . one",
        "SELECT * FROM `system`.`users`",
        "SELECT * FROM system.columns_too",
        "SELECT * FROM INFORMATION_SCHEMA.tables",
        "SELECT * FROM other.contacts",
        "SELECT 1 IN other.contacts",
        "SELECT 1 INTO OUTFILE '/tmp/x'",
        "SELECT 1 SETTINGS readonly = 0",
        "SELECT 1 FORMAT TSV",
    ],
)
def test_what_reaches_out_of_the_database_is_refused(statement: str) -> None:
    with pytest.raises(SqlRefusedError, match="cannot be used here"):
        refuse_words(only_statement(statement), NAMES, {"other"})


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT number FROM numbers(3) WHERE number IS NOT NULL",
        "SELECT 'file', 'system.users', count() FROM calls",
        "SELECT table, name FROM system.columns WHERE database = currentDatabase()",
        "SELECT other, system FROM (SELECT 1 AS other, 2 AS system)",
        "SELECT getSubcolumn(a, 'b'), formatDateTime(now(), '%F')",
    ],
)
def test_what_only_looks_like_it_is_taken(statement: str) -> None:
    refuse_words(only_statement(statement), NAMES, {"other"})


@given(st.text(max_size=200))
def test_whatever_is_typed_is_taken_or_refused(statement: str) -> None:
    with suppress(SqlRefusedError):
        refuse_words(only_statement(statement), NAMES, ())
