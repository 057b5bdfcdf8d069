"""What the documents say is true: links, commands, settings, routes, topics, metrics, versions and numbers."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any, Final

import click
import pytest

from dialfeed.command_line import SUBCOMMANDS, cli
from dialfeed.exits import ExitCode
from dialfeed.kafka_jars import VERSION
from dialfeed.settings_table import known_variables
from ingest_api.openapi import document as openapi
from schemas.topics import TopicName
from sinks import migrate, statuses
from tests.unit.documents.markdown import ROOT, Document, documents

DOCUMENTS: Final = documents()
each_document: Final = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda one: one.name)
CURRENT: Final = [one for one in DOCUMENTS if one.name != "CHANGELOG.md"]
"""Those that describe what is; a changelog also tells what was."""

each_current: Final = pytest.mark.parametrize("document", CURRENT, ids=lambda one: one.name)
README: Final = Document(ROOT / "README.md")


@each_document
def test_every_link_leads_somewhere(document: Document) -> None:
    dead = []
    for link in document.links:
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.path.parent / path).resolve() if path else document.path
        if not target.exists() or (anchor and anchor not in Document(target).anchors):
            dead.append(link)
    assert dead == []


@each_document
def test_every_file_in_backticks_is_there(document: Document) -> None:
    """A path of ours: it begins with a folder of the repository, and is no pattern."""
    folders = [each.name for each in ROOT.iterdir() if each.is_dir()]
    named = [text for text in document.code if re.fullmatch(rf"(?:{'|'.join(folders)})/[\w./-]+", text)]
    paths = [text for text in named if not re.search(r"[A-Z]{4}", text)]  # `Name-FINGERPRINT.avsc` stands for many
    assert [path for path in paths if not (ROOT / path).exists()] == []


@each_document
def test_prose_is_wrapped(document: Document) -> None:
    assert document.wide_lines == [], f"python -m tests.support.wrap_markdown {document.name}"


@each_current
def test_every_command_line_can_be_typed(document: Document) -> None:
    for arguments in document.commands:
        parse(arguments)


@each_current
def test_every_command_in_backticks_is_there_with_its_options(document: Document) -> None:
    for text in document.code:
        for line in re.findall(r"(?:^|\()dialfeed ([a-z][^`|>]*)", text):
            require_known(line)


def test_the_table_of_commands_names_every_command_and_only_options_that_there_are() -> None:
    rows = re.findall(r"^\| (`[a-z].*?) \| ", section("docs/operating.md", "Commands"), re.MULTILINE)
    lines = [line for row in rows for line in re.findall(r"`([a-z][^`]*)`", row)]
    found = {require_known(line) for line in lines}
    assert found == set(every_command())


@each_current
def test_every_variable_is_a_setting(document: Document) -> None:
    named = set(re.findall(r"\bDIALFEED_[A-Z_]*[A-Z]\b", document.text))
    secret_files = {f"{name}_FILE" for name in known_variables()}
    assert named - known_variables() - secret_files == set()


@each_current
def test_every_topic_is_there(document: Document) -> None:
    named = set(re.findall(r"\bcalls\.[a-z][a-z-]*[a-z]\b", document.text))
    assert named - {str(topic) for topic in TopicName} == set()


@each_current
def test_every_route_is_there(document: Document) -> None:
    paths = {re.sub(r"\{[^}]+\}", "{}", path) for path in openapi()["paths"]}
    routes = r"(?<![\w./])/(?:api/(?:call|admin)(?:/[\w{}$-]+)*|healthz|readyz|metrics|openapi\.json)\b\}?"
    named = {route.rstrip("/") for route in re.findall(routes, document.text)}
    prefixes = {"/api/call", "/api/admin"}
    unknown = [route for route in named if route not in prefixes and not any(matches(route, path) for path in paths)]
    assert unknown == []


def matches(route: str, path: str) -> bool:
    """Whether a route as documents write it is the path: an id may be `{id}`, `$BATCH_ID`, `BATCH_ID` or an example."""
    given, wanted = route.split("/"), path.split("/")
    return len(given) == len(wanted) and all(other in (one, "{}") for one, other in zip(given, wanted, strict=True))


@each_current
def test_every_metric_is_there(document: Document) -> None:
    code = "".join(path.read_text() for path in ROOT.glob("*/*.py"))
    made = set(re.findall(r'"(dialfeed_[a-z_]+)"', code))
    ends = ("_total", "_created", "_bucket", "_sum", "_count")
    named = set(re.findall(r"\bdialfeed_[a-z_]*[a-z]\b", document.text))
    assert {name for name in named if not {name, *(name.removesuffix(end) for end in ends)} & made} == set()


def test_the_table_of_exit_codes_is_the_one_of_the_code() -> None:
    rows = re.findall(r"^\| (\d+) \| ", section("docs/operating.md", "Exit codes"), re.MULTILINE)
    assert [int(row) for row in rows] == sorted(ExitCode)


def test_kafka_is_of_one_version_everywhere() -> None:
    images = [
        found
        for file in (*ROOT.glob("docker-compose*.y*ml"), *ROOT.glob("Dockerfile*"), *(one.path for one in CURRENT))
        for found in re.findall(r"apache/kafka(?:-native)?:([\d.]+)", file.read_text())
    ]
    assert set(images) <= {VERSION}
    majors = [found for one in CURRENT for found in re.findall(r"Apache Kafka (\d[\d.]*\d|\d)", one.text)]
    assert majors
    assert [major for major in majors if not f"{VERSION}.".startswith(f"{major}.")] == []


def test_python_is_of_one_version_everywhere() -> None:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    least = project["requires-python"].removeprefix(">=")
    makefile = (ROOT / "Makefile").read_text()
    named = re.findall(r"Python (3\.[\d.]*\d)", makefile + README.text)
    assert named
    assert [version for version in named if not version.startswith(least)] == []


def test_the_versions_of_statuses_are_documented_as_they_are_made() -> None:
    said = [found for one in migrate.known() for found in re.findall(r"rank times 2\^(\d+)", one.statement)]
    assert int(said[-1]) == statuses._TIME_BITS + statuses._KIND_BITS


def test_every_file_of_the_path_of_a_record_is_there_and_its_topics_too() -> None:
    rows = re.findall(r"^\| ([^|]+) \| `([\w/]+\.py)` \| (.+ → .+) \|$", README.text, re.MULTILINE)
    assert len(rows) > 15
    assert [file for _, file, _ in rows if not (ROOT / file).is_file()] == []


def test_every_package_says_what_it_is_for() -> None:
    for package in ("schemas", "ingest_api", "streams", "sinks", "dialfeed"):
        text = (ROOT / package / "__init__.py").read_text()
        assert text.startswith('"""'), package
        assert "import" in text.lower(), package


def test_the_first_screen_of_the_readme_shows_a_request_and_its_answer() -> None:
    screen = "\n".join(README.text.splitlines()[:40])
    assert "curl" in screen
    assert "addCallsToBatch" in screen
    assert all(f'"{name}"' in screen for name in ("message", "status", "code", "added", "callIds", "failedChunks"))


def test_the_readme_leads_to_every_document() -> None:
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in README.links if "://" not in link}
    assert [one.name for one in DOCUMENTS if one.path not in linked | {README.path}] == []


def section(name: str, heading: str) -> str:
    """Return the text below a heading, to the next one."""
    return Document(ROOT / name).text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def every_command() -> Iterator[tuple[str, ...]]:
    context = click.Context(cli)
    for name in SUBCOMMANDS:
        command = cli.get_command(context, name)
        if isinstance(command, click.Group):
            yield from ((name, inner) for inner in command.commands)
        else:
            yield (name,)


def find(words: list[str]) -> tuple[click.Command, tuple[str, ...], list[str]]:
    """Return the command that the words begin with, its name, and the words that are left."""
    command: click.Command = cli
    path: tuple[str, ...] = ()
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        inner = command.get_command(click.Context(command), words[0])
        assert inner is not None, f"dialfeed {' '.join((*path, words[0]))}: no such command"
        command, path, words = inner, (*path, words[0]), words[1:]
    return command, path, words


def parse(arguments: list[str]) -> None:
    """Parse a whole command line as the command does, without running it."""
    command, path, rest = find(list(arguments))
    if isinstance(command, click.Group):
        assert rest in ([], ["--help"], ["-h"], ["--version"]), arguments
        return
    if set(rest) & {"--help", "-h"}:
        return
    try:
        command.make_context(" ".join(path), rest)
    except click.UsageError as error:
        pytest.fail(f"dialfeed {' '.join(arguments)}: {error.format_message()}")


def require_known(line: str) -> tuple[str, ...]:
    """Check a command as prose abbreviates it: its name and its options, not whether it is complete."""
    words = re.sub(r"[\[\]]|\.\.\.", " ", line).split()
    command, path, rest = find(words)
    known = {name for parameter in command.get_params(click.Context(command)) for name in parameter.opts}
    options = [word.partition("=")[0] for word in rest if word.startswith("-") and word != "-"]
    assert [option for option in options if option not in known] == [], line
    return path
