from __future__ import annotations

import pytest

from schemas.stores import ContactQuery
from sinks.contact_details import agrees, contacts_of

NUMBER = "+12125551001"
ENTRIES = [(NUMBER, 1, "call-1", 20), (NUMBER, 0, "call-0", 10)]
OF_FIRST = (NUMBER, 0, "busy", 1.0, None, None)
OF_SECOND = (NUMBER, 1, "completed", 48.5, "https://r.example/1", "Hi")


def statuses_shown(entry: int, status: str) -> list[tuple[int, str, float | None]]:
    """Return what a page shows of a contact whose row has this newest entry with this status."""
    row = (NUMBER, "UTC", "default", b"{}", "international", "certain", "", entry, status)
    (contact,) = contacts_of([NUMBER], [row], ENTRIES, [OF_FIRST, OF_SECOND])
    return [(one.entry, one.status, one.call_duration) for one in contact.entries]


@pytest.mark.parametrize("status", ["pending", "dialing"])
def test_a_status_that_filters_do_not_see_yet_is_not_shown_yet(status: str) -> None:
    assert statuses_shown(1, status) == [(1, status, None), (0, "busy", 1.0)]


def test_what_was_reported_is_shown_once_filters_see_it() -> None:
    assert statuses_shown(1, "completed") == [(1, "completed", 48.5), (0, "busy", 1.0)]


def test_an_entry_that_the_row_does_not_have_yet_is_shown_all_the_same() -> None:
    assert statuses_shown(0, "busy") == [(1, "completed", 48.5), (0, "busy", 1.0)]


@pytest.mark.parametrize(("wanted", "same"), [("completed", True), ("pending", False)])
def test_a_page_whose_statuses_have_changed_does_not_agree_with_its_filter(wanted: str, same: bool) -> None:
    row = (NUMBER, "UTC", "default", b"{}", "international", "certain", "", 1, "completed")
    contacts = contacts_of([NUMBER], [row], ENTRIES, [OF_SECOND])
    assert agrees(contacts, ContactQuery("b", filters=(("name", "Ada"), ("callStatus", wanted)))) is same
    assert agrees(contacts, ContactQuery("b"))
