"""The keys of the administration: the first one at the first start, further ones on the command line."""

from __future__ import annotations

import re
import secrets
import stat
from pathlib import Path

import pytest

from dialfeed.admin_key import admin_key, ensure_admin_key
from dialfeed.exits import WrongUseError
from dialfeed.settings import Settings, load_settings
from schemas.registrations import revoked_key
from tests.support.command import Type, typing
from tests.support.edge import World
from tests.support.known import NOW_MS


@pytest.fixture
def world() -> World:
    world = World()
    world.registry.topic += world.registry.state.workspaces.values()
    return world


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(data=str(tmp_path))


async def shown_by(world: World, settings: Settings, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Start once; return the keys that were shown, and take what was registered."""
    capsys.readouterr()
    await ensure_admin_key(world.registry, world.pipeline, settings.data)
    await world.registry.refresh()
    return re.findall(r"df_\S+", capsys.readouterr().err)


async def test_the_first_start_shows_a_key_that_opens_and_no_later_one_does(
    world: World, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    [key] = await shown_by(world, settings, capsys)
    assert world.registry.state.is_admin_key(key)
    assert key.encode() not in b"".join(message.value or b"" for message in world.pipeline.published)
    assert await shown_by(world, settings, capsys) == []


async def test_the_first_key_is_kept_for_its_owner_and_one_that_is_set_wins(
    world: World, settings: Settings, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(WrongUseError, match="no admin key"):
        admin_key(settings)
    [key] = await shown_by(world, settings, capsys)
    assert admin_key(settings) == key
    assert stat.S_IMODE((tmp_path / "admin.key").stat().st_mode) == 0o600
    assert admin_key(load_settings(data=str(tmp_path), admin_key="df_other")) == "df_other"


async def test_where_every_key_was_revoked_none_is_made(
    world: World, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    await shown_by(world, settings, capsys)
    [record] = [key for key in world.registry.state.keys.values() if key.workspace_id == ""]
    world.registry.state.apply(revoked_key(world.registry.state, record.key_id, NOW_MS))
    world.registry.topic.clear()
    assert await shown_by(world, settings, capsys) == []


def test_the_command_line_makes_lists_and_revokes_admin_keys(
    kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIALFEED_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DIALFEED_KAFKA", kafka_bootstrap)
    monkeypatch.setenv("DIALFEED_TOPIC_PREFIX", f"cli-{secrets.token_hex(4)}.")
    typed: Type = typing(capsys)
    assert typed("topics", "--create").code == 0
    made = typed("key", "create", "--admin", "--json").json
    assert made["workspaceId"] is None
    [listed] = typed("key", "list", "--json").json
    assert (listed["keyId"], listed["admin"]) == (made["keyId"], True)
    assert typed("key", "revoke", made["keyId"]).code == 0
    for wrong in (("key", "create"), ("key", "create", "--admin", "--workspace", "Acme")):
        ended = typed(*wrong)
        assert (ended.code, "--admin" in ended.err) == (2, True)
