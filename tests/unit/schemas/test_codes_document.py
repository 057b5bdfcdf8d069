"""docs/codes.md shows the tables of the code: a row that differs is named."""

from __future__ import annotations

import re
from pathlib import Path

from schemas.options import OPTIONS, START_OPTIONS, STATUS_OPTIONS, Option
from schemas.outcomes import (
    CLASS_OWNERS,
    HTTP_CODES,
    HTTP_REMEDIES,
    RECORD_CODES,
    WARNING_CODES,
    Code,
    FailureClass,
    HttpCode,
    WarningCode,
)

PAGE = (Path(__file__).parents[3] / "docs" / "codes.md").read_text("utf-8")


def rows_under(heading: str) -> list[str]:
    """Return the rows of the table under a heading, without its head."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("|")][2:]


def option_row(name: str, option: Option, call: str) -> str:
    harmless = ", ".join(f"`{value}`" for value in map(_json, option.harmless)) or "none"
    return f"| `{name}` | {call} | {option.asks} | {harmless} |"


def _json(value: object) -> str:
    return {"False": "false", "True": "true"}.get(str(value), f'"{value}"' if isinstance(value, str) else str(value))


def test_the_codes_of_records() -> None:
    assert rows_under("Codes of records") == [
        f"| `{code}` | {of.failure_class} | {of.meaning} | {of.remedy} | {'yes' if of.retryable else 'no'} |"
        for code, of in RECORD_CODES.items()
    ]


def test_the_codes_of_answers() -> None:
    assert rows_under("Codes of HTTP answers") == [
        f"| `{code}` | {status} | {meaning} | {HTTP_REMEDIES[code]} |" for code, (status, meaning) in HTTP_CODES.items()
    ]


def test_the_classes() -> None:
    assert rows_under("Classes") == [f"| `{each}` | {owner} |" for each, owner in CLASS_OWNERS.items()]


def test_the_codes_of_warnings() -> None:
    assert rows_under("Codes of warnings") == [f"| `{code}` | {meaning} |" for code, meaning in WARNING_CODES.items()]


def test_the_unsupported_options() -> None:
    assert rows_under("Unsupported options") == [
        *(option_row(name, option, "any") for name, option in OPTIONS.items()),
        *(option_row(name, of, "start-calling") for name, of in START_OPTIONS.items() if name not in OPTIONS),
        *(option_row(name, of, "status") for name, of in STATUS_OPTIONS.items() if name not in OPTIONS),
    ]


def test_each_table_of_the_code_is_complete() -> None:
    assert list(RECORD_CODES) == list(Code)
    assert list(HTTP_CODES) == list(HttpCode) == list(HTTP_REMEDIES)
    assert list(WARNING_CODES) == list(WarningCode)
    assert list(CLASS_OWNERS) == list(FailureClass)


def test_names_of_codes_stay() -> None:
    contract = "required type phone_invalid timezone_unknown not_an_object not_finite invalid_text too_large too_deep"
    contract += " out_of_range enum undecodable empty_value batch_missing batch_unknown agent_unknown sink_rejected"
    assert set(contract.split()) <= {str(code) for code in Code}
    assert all(re.fullmatch("[a-z_]+", str(code)) for code in [*Code, *HttpCode, *WarningCode])
