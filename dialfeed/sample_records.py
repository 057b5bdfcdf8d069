"""The sample campaign: a variable schema, and 2,500 contacts with the mistakes that real lists have."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

Record = dict[str, Any]

RECORDS: Final = 2_500
WORKSPACE: Final = "sample"
BATCH: Final = "Overdue invoices (sample)"
CALLING_NUMBER: Final = "+12125550199"

SCHEMA: Final = json.dumps(
    {
        "type": "record",
        "name": "OverdueInvoice",
        "fields": [
            {"name": "name", "type": "string"},
            {"name": "account_id", "type": "long"},
            {"name": "amount_due", "type": "double"},
            {"name": "due_date", "type": {"type": "int", "logicalType": "date"}},
            {
                "name": "language",
                "type": {"type": "enum", "name": "Language", "symbols": ["en", "es", "fr", "hi"]},
                "default": "en",
            },
        ],
    }
)

_NAMES: Final = (
    "Ada Moreau",
    "Ben Okafor",
    "Chloe Lindqvist",
    "Dev Ranganathan",
    "Elif Kaya",
    "Farid Haddad",
    "Grace Hu",
)
_LANGUAGES: Final = ("en", "es", "fr", "hi")
# Ranges kept for fiction where a country has them: nobody is called by a sample.
_NUMBERS: Final[tuple[Callable[[int], str], ...]] = (
    lambda i: f"1212555{i % 10_000:04d}",
    lambda i: f"+1 (312) 555-{i % 10_000:04d}",
    lambda i: f"+447700900{i // 5:03d}",
    lambda i: f"+6140000{i % 10_000:04d}",
    lambda i: f"0091 98765 {i % 100_000:05d}",
)


def sample_records() -> list[Record]:
    """Return the contacts, always the same ones. Chunks 1 and 3 have mistakes, chunk 2 has none."""
    records = [_contact(index) for index in range(RECORDS)]
    for index, spoil in _mistakes().items():
        spoil(records[index])
    return records


def _contact(index: int) -> Record:
    return {
        "phoneNumber": _NUMBERS[index % len(_NUMBERS)](index),
        "name": _NAMES[index % len(_NAMES)],
        "account_id": 700_000 + index,
        "amount_due": round(19.9 + (index * 7919 % 50_000) / 100, 2),
        "due_date": f"2026-{1 + index % 12:02d}-{1 + index % 28:02d}",
        "language": _LANGUAGES[index % len(_LANGUAGES)],
    }


def _mistakes() -> dict[int, Callable[[Record], None]]:
    """Return what goes wrong where: 40 records of chunks 1 and 3."""
    spoilers = (
        lambda record: record.pop("phoneNumber"),
        lambda record: record.update(phoneNumber="call me maybe"),
        lambda record: record.update(phoneNumber="1212555"),
        lambda record: record.update(amount_due=f"${record['amount_due']}"),
        lambda record: record.update(acount_id=record.pop("account_id")),
        lambda record: record.update(due_date="31/12/2026"),
        lambda record: record.update(language="English"),
        lambda record: record.update(timezone="Eastern"),
        lambda record: record.update(name=None, amount_due=None),
        lambda record: record.update(account_id=3.0, phoneNumber=""),
    )
    places = [*range(17, 1000, 49), *range(2011, RECORDS, 27)]
    return {index: spoilers[turn % len(spoilers)] for turn, index in enumerate(places)}
