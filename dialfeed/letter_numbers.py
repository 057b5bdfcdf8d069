"""The telephone number of a dead letter, as it would be stored: by it a record that is posted again is known."""

from __future__ import annotations

from dialfeed.registry_session import RULES
from schemas.dead_letters import phone_number_sent


def number_of(record: bytes | None) -> str:
    """Return the number in E.164, "" where the record has none."""
    sent = phone_number_sent(record)
    found = RULES.normalise(sent) if sent is not None else None
    return found if isinstance(found, str) else ""
