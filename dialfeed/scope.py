"""Whose dead letters a command that reads Kafka itself may touch: those of the key's workspace, all with an admin key.

Kafka asks for no API key. The key that is set still says for whom somebody works: with that of one workspace nothing of
another is listed, exported or replayed. Without a key this is allowed only where no more than one workspace is there.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from dialfeed.api_access import key_in
from dialfeed.exits import CommandError, WrongUseError
from dialfeed.settings import Settings
from schemas.registry import Registry

ALL: Final = ""
"""Stands for all workspaces, as in `ReplayJob.workspace_id`."""


def workspace_in(settings: Settings, key_file: Path | None, registry: Registry) -> str:
    """Return the workspace of the key that is set, ALL for an admin key; raise WrongUseError."""
    key = key_in(settings, key_file)
    if key is None:
        if len(registry.workspaces) > 1:
            raise WrongUseError(
                f"there are {len(registry.workspaces)} workspaces, and no key says whose dead letters are meant",
                "Set DIALFEED_API_KEY, or name a --key-file: a key of one workspace, or an admin key for all.",
            )
        return ALL
    workspace_id = registry.workspace_of_key(key)
    if workspace_id is None and not registry.is_admin_key(key):
        raise WrongUseError("the API key is not valid", "Set DIALFEED_API_KEY, or name another --key-file.")
    return workspace_id or ALL


def names_of(counts: Mapping[str, int], registry: Registry) -> str:
    """Return counts by workspace as one phrase, the largest first."""
    largest = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} of {_name(workspace_id, registry)}" for workspace_id, count in largest) or "none"


def _name(workspace_id: str, registry: Registry) -> str:
    found = registry.ever.workspaces.get(workspace_id)
    return f"{found.name} ({workspace_id})" if found is not None else workspace_id or "no known workspace"


def require_consent(what: str, *, yes: bool) -> None:
    """Say what is about to happen on stderr and ask whether to go on; raise CommandError if not.

    `yes` is the answer given beforehand. Where nobody can be asked it is required.
    """
    click.echo(what, err=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise WrongUseError("nobody can be asked whether to go on: stdin is no terminal", "Add --yes to go on.")
    if not click.confirm("Go on?", err=True):
        raise _NotWantedError("nothing was done")


class _NotWantedError(CommandError):
    pass
