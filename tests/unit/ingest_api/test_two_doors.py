"""A batch is asked for by command line and by HTTP: both take the same, make the same of it, and refuse the same."""

from __future__ import annotations

from typing import Any

import pytest

from ingest_api.batches import batch_of, check
from schemas.records import Batch, CallingNumber, Workspace
from schemas.registrations import Campaign, RegistrationRefusedError, Rules, new_batch
from schemas.registry import Registry

ZONES = {"America/New_York", "UTC"}
RULES = Rules(known_timezone=ZONES.__contains__, normalise=str)
OWNER = Workspace(workspace_id="w", name="W", created_at=0)
STATE = Registry()
STATE.apply(OWNER)
for phone_id in ("p", "q"):
    STATE.apply(CallingNumber(phone_id=phone_id, workspace_id="w", number=f"+1{phone_id}", agent_id=None, created_at=0))

Asked = dict[str, Any]
GOOD: list[Asked] = [
    {"name": "Spring"},
    {"name": "  Spring "},
    {"name": "x" * 200},
    {"name": " " + "x" * 200 + " "},
    {"name": "Zoë 👩\u200d👩\u200d👧 क\u200dष"},
    {"phone_ids": ["p", "q"]},
    {"phone_ids": [" p "]},
    {"retry": 10, "delay": 604_800},
    {"timezone": "America/New_York"},
    {"timezone": ""},
    {"timezone": "  "},
    {"hours": ("09:00", "17:30")},
    {"hours": ("22:00", "06:00")},
    {"days": [0, 6]},
    {"days": []},
]
BAD: list[tuple[Asked, str]] = [
    ({"name": ""}, "name"),
    ({"name": " \t"}, "name"),
    ({"name": "\u200d"}, "name"),
    ({"name": "x" * 201}, "name"),
    ({"name": "a\nb"}, "name"),
    ({"name": "\x1b[31mred"}, "name"),
    ({"name": "a\u2028b"}, "name"),
    ({"name": "\u202egnirpS"}, "name"),
    ({"phone_ids": []}, "callingNumbers"),
    ({"phone_ids": ["p", "p"]}, "callingNumbers"),
    ({"phone_ids": ["p", " p"]}, "callingNumbers"),
    ({"phone_ids": ["p", " "]}, "callingNumbers"),
    ({"retry": 11}, "retry"),
    ({"retry": -1}, "retry"),
    ({"delay": 604_801}, "delay"),
    ({"timezone": "EST5"}, "timezone"),
    ({"timezone": "America/New_York "}, "timezone"),
    ({"hours": ("09:00", "09:00")}, "callingHour"),
    ({"hours": ("9:00", "17:00")}, "callingHour"),
    ({"hours": ("09:00", "24:00")}, "callingHour"),
    ({"hours": ("٠٩:00", "10:00")}, "callingHour"),
    ({"days": [1, 1]}, "allowedDays"),
    ({"days": [7]}, "allowedDays"),
]


def by_command_line(asked: Asked) -> Batch | str:
    """Return the batch, or the field that is refused."""
    hours = asked.get("hours")
    campaign = Campaign(
        name=asked.get("name", "Spring"),
        phone_ids=asked.get("phone_ids", ["p"]),
        retry=asked.get("retry", 0),
        delay=asked.get("delay", 0),
        timezone=asked.get("timezone"),
        calling_hours="-".join(hours) if hours else None,
        days=[str(day) for day in asked.get("days", [])],
    )
    try:
        return new_batch(STATE, RULES, OWNER, campaign, 0)
    except RegistrationRefusedError as error:
        return error.field


def by_http(asked: Asked) -> Batch | str:
    """Return the batch, or the field that is refused."""
    names = {"name": "batchName", "phone_ids": "callingNumbers", "days": "allowedDays"}
    body: Asked = {"batchName": "Spring", "callingNumbers": ["p"]}
    body |= {names.get(name, name): value for name, value in asked.items() if name != "hours"}
    if "hours" in asked:
        body["callingHour"] = dict(zip(("start", "end"), asked["hours"], strict=True))
    checked = check(body, ZONES.__contains__)
    if isinstance(checked, list):
        return (checked[0].path or "").split("/")[1].replace("batchName", "name")
    return batch_of(checked, "b", "w", 0)


def without_id(made: Batch | str) -> Any:
    return made if isinstance(made, str) else {**{f: getattr(made, f) for f in made.__struct_fields__}, "batch_id": ""}


@pytest.mark.parametrize("asked", GOOD, ids=str)
def test_both_doors_make_the_same_batch(asked: Asked) -> None:
    made = by_command_line(asked)
    assert isinstance(made, Batch)
    assert without_id(made) == without_id(by_http(asked))


@pytest.mark.parametrize(("asked", "field"), BAD, ids=str)
def test_both_doors_refuse_the_same_field(asked: Asked, field: str) -> None:
    assert (by_command_line(asked), by_http(asked)) == (field, field)
