"""The lock files, the image and the Compose file agree with each other and with the code."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from dialfeed.secret_files import secret_names
from dialfeed.settings import Settings
from dialfeed.settings_table import ENVIRONMENT_ONLY, known_variables
from tests.compose.smoke import PARTS, SERVICES

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
NOT_PASSED_ON = {"DIALFEED_WORKERS", *ENVIRONMENT_ONLY}
"""Beside those of a Kafka with security, which that of the file has not."""


def pins(name: str) -> dict[str, set[str]]:
    """Return the versions of each package in a lock file; several where they depend on the Python."""
    found: dict[str, set[str]] = {}
    for package, version in re.findall(r"^([\w.-]+)==(\S+)", (ROOT / name).read_text(), re.MULTILINE):
        found.setdefault(package, set()).add(version)
    return found


@pytest.mark.parametrize("lock", sorted(path.name for path in ROOT.glob("requirements*.lock")))
def test_every_package_of_a_lock_file_has_hashes(lock: str) -> None:
    entries = re.split(r"^(?=[\w.-]+==)", (ROOT / lock).read_text(), flags=re.MULTILINE)[1:]
    assert entries
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_a_package_has_one_version_in_all_lock_files() -> None:
    server, run, dev = (pins(f"requirements{name}.lock") for name in ("", "-run", "-dev"))
    assert {name: run.get(name) for name in server} == server
    assert {name: dev.get(name) for name in run} == run


def test_only_the_embedded_engine_brings_chdb_and_nothing_brings_data_frames() -> None:
    assert set(pins("requirements-run.lock")) - set(pins("requirements.lock")) == {"chdb", "chdb-core"}
    assert not {"pandas", "pyarrow"} & set(pins("requirements-dev.lock"))


def test_the_image_is_built_from_what_its_context_holds() -> None:
    copied = re.findall(r"^COPY (?!--)(.+) \./$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    allowed = set(re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    assert {"requirements.lock", "requirements-tools.lock"} == names
    assert allowed == names | {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "schemas",
        "streams",
        "sinks",
        "ingest_api",
        "dialfeed",
    }


def test_the_image_has_the_version_of_the_project() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {COMPOSE["services"][part]["image"] for part in (*PARTS, "topics")} == {f"dialfeed:{version}"}


def test_one_service_builds_the_image_and_the_others_use_it() -> None:
    assert [name for name, service in COMPOSE["services"].items() if "build" in service] == ["topics"]


def test_every_setting_reaches_every_part() -> None:
    security = {name for name in known_variables() if re.match("DIALFEED_KAFKA_(SECURITY|SASL|CA)", name)}
    expected = known_variables() - NOT_PASSED_ON - security - {"DIALFEED_CLICKHOUSE_PASSWORD_FILE"}
    given = {part: set(COMPOSE["services"][part]["environment"]) for part in PARTS}
    assert {part: missing for part, names in given.items() if (missing := expected - names - {"DIALFEED_HTTP"})} == {}
    assert "DIALFEED_HTTP" in given["api"]
    assert set().union(*given.values()) <= known_variables()
    assert "clickhouse_password" in secret_names(Settings)


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_comes_back_is_watched_and_keeps_its_logs_small(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] == "CMD"
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}
    assert "no-new-privileges:true" in service["security_opt"]


@pytest.mark.parametrize("part", [*PARTS, "topics"])
def test_the_parts_run_without_rights(part: str) -> None:
    service = COMPOSE["services"][part]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])


def test_nothing_listens_beyond_this_machine_unless_asked() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert len(ports) == 2
    assert [port for port in ports if not re.match(r"127\.0\.0\.1:|\$\{DIALFEED_BIND:-127\.0\.0\.1\}:", port)] == []


def test_the_health_check_of_kafka_starts_no_jvm() -> None:
    assert COMPOSE["services"]["kafka"]["healthcheck"]["test"][1:3] == ["bash", "-c"]
