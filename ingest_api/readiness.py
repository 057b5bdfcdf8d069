"""Whether the process can serve: all checks at once, each with an end to waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from ingest_api.edge import Check
from schemas.messages import WorldError

log = structlog.get_logger(__name__)


async def unready(checks: Mapping[str, Check], seconds: float) -> list[dict[str, str]]:
    """Return `{check, reason}` of each check that is not well; an empty list: ready."""
    reasons = await asyncio.gather(*(_reason(name, check, seconds) for name, check in checks.items()))
    return [{"check": name, "reason": reason} for name, reason in zip(checks, reasons, strict=True) if reason]


async def _reason(name: str, check: Check, seconds: float) -> str:
    try:
        async with asyncio.timeout(seconds):
            await check()
    except WorldError as error:
        return str(error) or type(error).__name__
    except TimeoutError:
        return f"no answer within {seconds:g} s"
    except Exception as error:  # noqa: BLE001  # whatever a check dies of is what it has to say
        log.warning("check_failed", check=name, error=type(error).__name__)
        return f"failed with {type(error).__name__}"
    return ""
