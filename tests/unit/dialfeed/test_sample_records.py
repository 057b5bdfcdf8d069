from __future__ import annotations

import re

from dialfeed.sample_records import CALLING_NUMBER, RECORDS, sample_records

KEPT_FOR_FICTION = re.compile(r"\+1[2-9]\d\d55501\d\d|\+447700900\d{3}|\+61491570(006|110|156|157|158|159)")


def as_sent(number: str) -> str:
    """Return a sample's number as E.164."""
    digits = re.sub(r"\D", "", number)
    return f"+{digits.removeprefix('00')}"


def test_nobody_has_a_number_of_the_sample() -> None:
    numbers = [record["phoneNumber"] for record in sample_records() if "phoneNumber" in record]
    strange = {number for number in numbers if not KEPT_FOR_FICTION.fullmatch(as_sent(number))}
    assert strange == {"call me maybe", "1212555", ""}
    assert KEPT_FOR_FICTION.fullmatch(CALLING_NUMBER)


def test_no_two_contacts_of_the_sample_are_one() -> None:
    numbers = [as_sent(record["phoneNumber"]) for record in sample_records() if record.get("phoneNumber")]
    good = [number for number in numbers if KEPT_FOR_FICTION.fullmatch(number)]
    assert len(set(good)) == len(good) > RECORDS - 40
