from __future__ import annotations

import pytest

from schemas.dead_letters import phone_number_sent


@pytest.mark.parametrize(
    ("record", "shown"),
    [
        (b'{"phoneNumber": "+1 212", "x": 1}', "+1 212"),
        ('{"phoneNumber": "\uff11"}'.encode(), "\uff11"),
        (b'{"phoneNumber": 12125551001}', "12125551001"),
        (b'{"phoneNumber": 1.2e10}', "1.2e10"),
        (b'{"phoneNumber": "1", "phoneNumber": "2"}', "2"),
        (b'{"phoneNumber": "' + b"9" * 1000 + b'"}', "9" * 64),
        (b'{"phoneNumber": ' + b"9" * 1000 + b"}", "9" * 64),
        (b'{"phoneNumber": null}', None),
        (b'{"phoneNumber": {"a": 1}}', None),
        (b'{"phoneNumber": "\\ud800"}', None),
        (b'{"phoneNumber": "\xff"}', None),
        (b'{"x": 1}', None),
        (b'["phoneNumber"]', None),
        (b"not JSON", None),
        (b"", None),
        (b'{"x": ' + b"[" * 100_000, None),
    ],
)
def test_a_report_shows_the_number_as_it_was_sent(record: bytes, shown: str | None) -> None:
    assert phone_number_sent(record) == shown
