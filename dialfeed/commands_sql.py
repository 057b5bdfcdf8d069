"""`dialfeed sql`: a question to what is stored, asked through the API, so that it works while the API has it open."""

from __future__ import annotations

from typing import Any, Final

import click
import msgspec

from dialfeed.admin_key import admin_key
from dialfeed.api_client import ApiClient
from dialfeed.command_options import CLIENT_SETTINGS, UTF8, asynchronous, examples, json_option, settings_options
from dialfeed.exits import ExitCode, WrongUseError
from dialfeed.help_layout import SharedOption, command
from dialfeed.installation import find_api
from dialfeed.output import print_json, show, table
from dialfeed.settings import Settings

PATH: Final = "/api/admin/sql"


@command(
    epilog=examples(
        "dialfeed sql 'SELECT count() FROM phone_log'",
        "dialfeed sql --json 'SELECT batch_id, count() AS calls FROM calls FINAL GROUP BY batch_id'",
    )
)
@click.option("--url", cls=SharedOption, metavar="URL", help="The API. [DIALFEED_URL, else the installation that runs]")
@click.argument("statement", type=UTF8)
@json_option
@settings_options(*CLIENT_SETTINGS)
@asynchronous
async def sql(settings: Settings, statement: str, as_json: bool, url: str | None) -> int:
    """Ask what is stored by one SELECT, read only, with the admin key. At most 1,000 rows are shown."""
    async with ApiClient(url or find_api(settings), admin_key(settings), give_up_seconds=0) as api:
        response = await api.post(PATH, msgspec.json.encode({"sql": statement}))
    try:
        data: dict[str, Any] = msgspec.json.decode(response.content, type=dict[str, Any])["data"]
    except (msgspec.MsgspecError, KeyError):
        raise WrongUseError("the answer is not that of dialfeed", "Correct --url or DIALFEED_URL.") from None
    if as_json:
        print_json(data)
        return ExitCode.DONE
    show(table([column["name"] for column in data["columns"]], data["rows"]))
    if data["truncated"]:
        click.echo(f"There are more than these {len(data['rows'])} rows: add conditions, or count.", err=True)
    return ExitCode.DONE
