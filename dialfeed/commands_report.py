"""`dialfeed report`: what became of a submission."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import structlog

from dialfeed.api_access import api_options, key_and_url
from dialfeed.api_client import ApiClient
from dialfeed.command_options import CLIENT_SETTINGS, asynchronous, examples, json_option, settings_options
from dialfeed.exits import ExitCode, WrongUseError
from dialfeed.help_layout import command
from dialfeed.output import print_json, render_report, show
from dialfeed.settings import Settings
from schemas.identity import valid_submission_id

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 5.0


@command(
    epilog=examples(
        "dialfeed report 3f0c53d6-8c4f-4a5e-9a53-6b1f0de42d2f",
        "dialfeed report 3f0c53d6-8c4f-4a5e-9a53-6b1f0de42d2f --follow --json | jq .data.failedChunks",
    )
)
@api_options
@click.option("--follow", is_flag=True, help="Wait until the report is complete.")
@click.argument("submission_id")
@json_option
@settings_options(*CLIENT_SETTINGS)
@asynchronous
async def report(
    settings: Settings, submission_id: str, follow: bool, as_json: bool, url: str | None, key_file: Path | None
) -> int:
    """Show what became of the records of SUBMISSION_ID: stored, failed and why, or pending.

    --json gives the API's answer as it came. Ends with 1 if some records failed or are still pending.
    """
    if valid_submission_id(submission_id) is None:
        raise WrongUseError(
            "that cannot be a submission id", "Copy it from the answer of the API or of `dialfeed send`."
        )
    key, address = key_and_url(settings, key_file, url)
    async with ApiClient(address, key, give_up_seconds=0) as api:
        envelope = await _report(api, submission_id, follow=follow)
    data = envelope["data"]
    if as_json:
        print_json(envelope)
    else:
        show(render_report(data))
    return ExitCode.SOME_FAILED if data.get("failed") or data.get("pending") else ExitCode.DONE


async def _report(api: ApiClient, submission_id: str, *, follow: bool) -> dict[str, Any]:
    pause = FIRST_PAUSE_SECONDS
    while True:
        response = await api.report(submission_id)
        try:
            envelope = msgspec.json.decode(response.content, type=dict[str, Any])
        except msgspec.MsgspecError:
            raise WrongUseError("the answer is not that of dialfeed", "Correct --url or DIALFEED_HTTP.") from None
        data = envelope.get("data") or {}
        if not follow or data.get("complete"):
            return envelope
        _say(data)
        await asyncio.sleep(pause)
        pause = min(1.5 * pause, LONGEST_PAUSE_SECONDS)


def _say(data: dict[str, Any]) -> None:
    if sys.stderr.isatty():
        counts = ", ".join(f"{data.get(name, '?')} {name}" for name in ("added", "failed", "pending"))
        click.echo(counts, err=True)
    else:
        log.info("following", added=data.get("added"), failed=data.get("failed"), pending=data.get("pending"))
