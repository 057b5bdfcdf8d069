"""Secrets in files: `DIALFEED_API_KEY_FILE` names a file that holds what DIALFEED_API_KEY would, so for each secret.

As containers are given their secrets, which then show in no list of variables.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource

from dialfeed.setting_forms import MASK
from dialfeed.setting_problems import Problem

PREFIX: Final = "DIALFEED_"
SUFFIX: Final = "_FILE"
MOST_BYTES: Final = 64 * 1024


class UnusableFile(NamedTuple):
    """A file that gives no secret, and why; a field's value until validation refuses it."""

    variable: str
    path: str
    reason: str

    def problem(self) -> Problem:
        """Return what a person is told. What may be the secret itself, put here by mistake, is not repeated."""
        folder = Path(self.path).parent
        shown = repr(self.path) if folder.name and folder.is_dir() else MASK
        secret = self.variable.removesuffix(SUFFIX)
        rule = f"a file that can be read, with the secret as text in UTF-8; set it or {secret}, not both"
        return Problem(self.variable, f"{shown} ({self.reason})", rule, f"/run/secrets/{secret.lower()}")


def is_secret(field: FieldInfo) -> bool:
    """Whether a setting's value must never be shown."""
    return SecretStr in (field.annotation, *getattr(field.annotation, "__args__", ()))


def secret_names(settings: type[BaseSettings]) -> list[str]:
    return [name for name, field in settings.model_fields.items() if is_secret(field)]


class SecretFiles(PydanticBaseSettingsSource):
    """The secrets whose files are named by the variables of another source: the environment, or `.env`."""

    def __init__(self, settings: type[BaseSettings], variables: PydanticBaseSettingsSource) -> None:
        super().__init__(settings)
        assert isinstance(variables, EnvSettingsSource)
        self._variables = variables.env_vars  # in lower case, none of them empty

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002  pydantic's
        return self()[field_name], field_name, False

    def __call__(self) -> dict[str, Any]:
        return {name: value for name in secret_names(self.settings_cls) if (value := self._value(name)) is not None}

    def _value(self, name: str) -> str | UnusableFile | None:
        variable = f"{PREFIX}{name}".upper()
        path = self._variables.get(f"{variable}{SUFFIX}".lower())
        if path is None:
            return None
        if self._variables.get(variable.lower()) is not None:
            return UnusableFile(variable + SUFFIX, path, f"{variable} is set too")
        return _read(variable + SUFFIX, path)


def _read(variable: str, path: str) -> str | UnusableFile:
    try:
        with Path(path).expanduser().open("rb") as file:
            secret = file.read(MOST_BYTES).decode("utf-8-sig").rstrip("\r\n")
    except (OSError, RuntimeError, ValueError) as error:
        return UnusableFile(variable, path, getattr(error, "strerror", None) or "not UTF-8")
    return secret or UnusableFile(variable, path, "it is empty")
