"""The settings as a table for people, and which variables look like settings but are none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

from dialfeed.secret_files import PREFIX, SUFFIX, secret_names
from dialfeed.settings import ENV_FILE, Settings, documented
from schemas.nearest import nearest

ENVIRONMENT_ONLY: Final = {
    "DIALFEED_KAFKA_ARCHIVE": "address of a copy of Kafka's archive, its `.sha512` beside it, for machines without "
    "internet",
    "DIALFEED_BIND": "address that `docker-compose.yml` publishes the API on; unset: `127.0.0.1`",
    "DIALFEED_PORT": "port that `docker-compose.yml` publishes the API on, or a range of them; unset: `8080`",
    "DIALFEED_TEST_KAFKA": "bootstrap servers that the tests use instead of starting a broker",
}
"""Read where they are used, and from the environment only."""


def known_variables() -> set[str]:
    """Return the names of all variables that are read."""
    settings = {PREFIX + name.upper() for name in Settings.model_fields}
    files = {PREFIX + name.upper() + SUFFIX for name in secret_names(Settings)}
    return settings | files | ENVIRONMENT_ONLY.keys()


def unknown_variables(environment: Mapping[str, str], env_file: Path = Path(ENV_FILE)) -> dict[str, str | None]:
    """Return each DIALFEED_ variable that is no setting, with the setting it is near to, if any."""
    known = known_variables()
    written = dotenv_values(env_file, encoding="utf-8") if env_file.is_file() else {}
    given = {name.upper() for name in (*environment, *written)}
    unknown = sorted(name for name in given if name.startswith(PREFIX) and name not in known)
    return {name: _nearest_setting(name, known) for name in unknown}


def _nearest_setting(name: str, known: set[str]) -> str | None:
    near = nearest(name.removeprefix(PREFIX), (each.removeprefix(PREFIX) for each in known))
    return PREFIX + near if near else None


def settings_table() -> str:
    """Return the table of docs/operating.md."""
    lines = ["| variable | meaning | must be | default |", "| --- | --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        extra = documented(field)
        default = extra["shown"] or ("unset" if field.default is None else f"`{field.default}`")
        lines.append(f"| `{PREFIX}{name.upper()}` | {field.description} | {extra['rule']} | {default} |")
    lines += [
        f"| `{name}` | {meaning} | set in the environment | unset |" for name, meaning in ENVIRONMENT_ONLY.items()
    ]
    return "\n".join(lines) + "\n"
