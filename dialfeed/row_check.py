"""How the edge checks uploaded rows: with the workers' own functions, so that both say the same of a record."""

from __future__ import annotations

from collections.abc import Sequence

from ingest_api.upload_rows import CheckedRows, CheckRows
from schemas.outcomes import FieldError
from schemas.records import Batch
from schemas.registry import Registry
from streams.campaigns import Campaigns
from streams.decoding import decode_records
from streams.validation import check


def row_check(registry: Registry, record_bytes: int) -> CheckRows:
    """Return the check of records of a batch that need not be registered yet; its agent must be."""
    campaigns = Campaigns(registry)

    def check_rows(batch: Batch, records: Sequence[bytes], accepted_at: int) -> CheckedRows:
        campaign = campaigns.of(batch, accepted_at)
        if isinstance(campaign, FieldError):
            return CheckedRows([None] * len(records), dict.fromkeys(range(len(records)), (campaign,)))
        checked = check(decode_records(records, record_bytes), campaign)
        return CheckedRows(checked.numbers, checked.errors)

    return check_rows
