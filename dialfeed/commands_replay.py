"""`dialfeed replay`: dead letters are tried again, as a bounded job that may be stopped and resumed."""

from __future__ import annotations

import asyncio
import signal
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource
from msgspec.structs import replace

from dialfeed import garbage
from dialfeed.api_access import key_option
from dialfeed.clock import now_ms
from dialfeed.command_options import REGISTRY_SETTINGS, examples, json_option, settings_options
from dialfeed.exits import CommandError, ExitCode, WrongUseError
from dialfeed.help_layout import command
from dialfeed.installation import find_kafka, kafka_unreachable
from dialfeed.kafka_publisher import KafkaPublisher
from dialfeed.output import answer
from dialfeed.patience import Patience
from dialfeed.registry_topic import RegistryTopic
from dialfeed.replay_asked import prepared, workspace_of_key
from dialfeed.replay_options import filter_options, job_fields, job_options
from dialfeed.replay_progress import progress, readable
from dialfeed.replay_reading import letter_reader
from dialfeed.replay_resolved import resolved_for
from dialfeed.replay_runner import Replay, Watch
from dialfeed.replays_topic import ReplaysTopic
from dialfeed.scope import ALL
from dialfeed.settings import Settings
from schemas.kafka_connection import KafkaConnection
from schemas.messages import TryAgainError
from schemas.registry import Registry
from schemas.replay_board import ReplayState, job_message, map_not_found, summary
from schemas.replay_jobs import BY_COMMAND, DONE, ReplayJob
from schemas.replay_selection import ResolvedPlaces
from schemas.topics import TopicName

if TYPE_CHECKING:
    from dialfeed.replay_file import CorrectedFile

RESUMABLE: Final = frozenset({"resume", "file", "give_up_after", "as_json", "yes", "key_file", *REGISTRY_SETTINGS})


@command(
    epilog=examples(
        "dialfeed replay --code batch_unknown --dry-run     what would happen, without doing it",
        "dialfeed replay --agent A --agent-version 3        once the schema is mended",
        "dialfeed replay --submission S --map name=firstName --set visits=0",
        "dialfeed replay --from corrected.csv               records that were exported and corrected",
        "dialfeed replay --parked --max-attempts 10 --json  what had failed too often",
        "dialfeed replay --resume ID                        what was stopped before",
    )
)
@filter_options
@job_options
@click.option(
    "--from",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Only the records of FILE, corrected: JSON, CSV or XLSX as exported, with their `_submission` and `_index`.",
)
@click.option("--dry-run", is_flag=True, help="Send nothing: say what would become of the records.")
@click.option("--resume", metavar="ID", help="Go on with this replay: everything else is as it was asked for.")
@click.option(
    "--give-up-after",
    type=click.FloatRange(1, 86_400),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="Stop when nothing has moved for so long.",
)
@click.option("--yes", is_flag=True, help="Go on without asking, where dead letters of all workspaces are meant.")
@json_option
@key_option
@settings_options(*REGISTRY_SETTINGS)
def replay(
    settings: Settings,
    /,
    file: Path | None,
    dry_run: bool,
    resume: str | None,
    give_up_after: float,
    yes: bool,
    key_file: Path | None,
    as_json: bool,
    **given: Any,
) -> int:
    """Try dead letters again: those there are now, of each record the newest.

    Those of the key's workspace; with an admin key of all, once you have agreed.

    A record keeps the time at which it was first accepted. Where its contact has been stored or called since, it
    changes nothing and counts as superseded; --as-new says otherwise. What fails again is a dead letter again, with
    its attempt counted. May be repeated, stopped and resumed without harm. Ends with 1 if some records failed.
    """
    corrected = _corrected(file) if file is not None else None
    _refuse_beside_resume(resume)
    job = _job({**job_fields(given), "file_hash": corrected.sha256 if corrected is not None else None})
    if resume is not None:
        job = replace(job, workspace_id=asyncio.run(workspace_of_key(settings, key_file)))
    else:
        job = asyncio.run(prepared(settings, job, key_file, ask=not dry_run, yes=yes))
    if dry_run:
        from dialfeed.replay_dry_run import for_people, tried  # noqa: PLC0415  # loads much that a replay has no use for

        facts = asyncio.run(tried(settings, job, corrected, key_file))
        facts |= _from_file(facts, corrected)
        answer(facts if as_json else for_people(facts), as_json)
        return _how_it_ends(facts)
    resolved = partial(resolved_for, settings, key_file)
    run = _Run(find_kafka(settings), job, resume, Patience(give_up_after), corrected, resolved)
    stopped_by = run.to_its_end()
    if run.state is not None:
        facts = summary(run.state)
        facts |= _from_file(facts, corrected) | map_not_found(run.map_not_found, facts["selected"])
        answer(facts if as_json else readable(facts), as_json)
    if stopped_by is not None:
        raise stopped_by
    return run.exit_code


def _corrected(file: Path) -> CorrectedFile:
    from dialfeed.replay_file import read_corrected  # noqa: PLC0415  # loads much that is of no use without a file

    return read_corrected(file)


def _refuse_beside_resume(resume: str | None) -> None:
    """Refuse what would be passed over in silence: a replay that is resumed is as it was asked for."""
    context = click.get_current_context()
    typed = {
        name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    } - RESUMABLE
    if resume is not None and typed:
        raise WrongUseError(
            "--resume goes on with what was asked for, so it takes no filter and no change",
            "Leave out everything but --resume, --from, --give-up-after and --json.",
        )


def _job(asked: Mapping[str, Any]) -> ReplayJob:
    return ReplayJob(replay_id=str(uuid.uuid4()), workspace_id="", runner=BY_COMMAND, requested_at=now_ms(), **asked)


class _Run:
    """One replay by this process; `state` is known once its job is."""

    def __init__(
        self,
        kafka: KafkaConnection,
        job: ReplayJob,
        resume: str | None,
        patience: Patience,
        file: CorrectedFile | None,
        resolved: Callable[[ReplayJob, Registry], Awaitable[ResolvedPlaces]],
    ) -> None:
        self.state: ReplayState | None = None
        self._kafka = kafka
        self._asked = job
        self._resume = resume
        self._patience = patience
        self._file = file
        self._resolved = resolved
        self._interrupted = False
        self._replay: Replay | None = None

    @property
    def map_not_found(self) -> list[str]:
        """The fields of --map that no record had."""
        return self._replay.map_not_found if self._replay is not None else []

    @property
    def exit_code(self) -> int:
        """How the command ends where nothing stopped it."""
        if self._interrupted:
            return ExitCode.INTERRUPTED
        facts = summary(self.state) if self.state is not None else {}
        return _how_it_ends(facts | _from_file(facts, self._file))

    def to_its_end(self) -> CommandError | None:
        """Run, or go on; return what stopped it on the way, after which it can be resumed. Raise CommandError."""
        try:
            with progress() as watch:
                asyncio.run(self._go(watch))
        except (KeyboardInterrupt, asyncio.CancelledError):
            self._interrupted = True
            if self.state is None:
                raise KeyboardInterrupt from None
            click.echo(f"Stopped. To go on: dialfeed replay --resume {self.state.job.replay_id}", err=True)
        except CommandError as error:
            if self.state is None:
                raise
            return error
        return None

    async def _go(self, watch: Watch) -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        try:
            async with AsyncExitStack() as stack:
                publisher = await stack.enter_async_context(KafkaPublisher(self._kafka))
                registry = await stack.enter_async_context(RegistryTopic(self._kafka))
                topic = await stack.enter_async_context(ReplaysTopic(self._kafka))
                reader = await stack.enter_async_context(letter_reader(self._kafka))
                self.state = await self._job(publisher, topic)
                resolved = await self._resolved(self.state.job, registry.state)
                stack.enter_context(garbage.settled())
                self._replay = Replay(
                    self.state,
                    reader=reader,
                    publisher=publisher,
                    topic=topic,
                    registry=registry.state,
                    replacements=self._file.replacements_for(self.state.job, registry.state) if self._file else None,
                    patience=self._patience,
                    status_topic=self._kafka.topic(TopicName.STATUS),
                    watch=watch,
                    resolved=resolved,
                )
                await self._replay.run()
        except TryAgainError as error:
            raise self._unreachable() from error

    async def _job(self, publisher: KafkaPublisher, topic: ReplaysTopic) -> ReplayState:
        """Return the replay that is asked for, written down, or the one to resume; raise WrongUseError."""
        if self._resume is not None:
            return self._resumable(topic, self._resume)
        await self._patience.published(publisher, [job_message(self._asked)])
        await topic.refresh()
        return topic.board.replays[self._asked.replay_id]

    def _resumable(self, topic: ReplaysTopic, replay_id: str) -> ReplayState:
        state = topic.board.replays.get(replay_id)
        if state is None or self._asked.workspace_id not in (ALL, state.job.workspace_id):
            raise WrongUseError("there is no replay with this id", "Copy it from what `dialfeed replay` said.")
        if state.job.file_hash != (self._file.sha256 if self._file is not None else None):
            raise WrongUseError(
                "the replay was begun with another file, or with none",
                "Name the very file with --from." if state.job.file_hash else "Leave out --from.",
            )
        return state

    def _unreachable(self) -> CommandError:
        error = kafka_unreachable(self._kafka)
        if self.state is not None:
            error.remedy += f" Then: dialfeed replay --resume {self.state.job.replay_id}"
        return error


def _from_file(facts: Mapping[str, Any], file: CorrectedFile | None) -> dict[str, Any]:
    """Return what a spreadsheet program did to the file, and at the end how many of its records have no dead letter."""
    if file is None:
        return {}
    said = file.remarks.facts()
    if facts.get("state", DONE) != DONE:
        return said
    found = facts.get("selected", 0) + facts.get("skippedBecause", {}).get("tooLarge", 0) + file.remarks.left_out
    missing = len(file.records) - found
    return said | ({"notFound": missing} if missing > 0 else {})


def _how_it_ends(facts: Mapping[str, Any]) -> ExitCode:
    incomplete = any(facts.get(name) for name in ("failed", "parked", "pending", "notFound", "leftOut"))
    return ExitCode.SOME_FAILED if incomplete else ExitCode.DONE
