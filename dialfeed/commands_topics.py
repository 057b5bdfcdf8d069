"""`dialfeed topics`: Kafka's topics against what they should be."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import click

from dialfeed.command_options import REGISTRY_SETTINGS, asynchronous, examples, json_option, settings_options
from dialfeed.exits import ExitCode
from dialfeed.help_layout import command
from dialfeed.installation import find_kafka, kafka_unreachable
from dialfeed.kafka_rights import acl_commands
from dialfeed.output import print_json, show, table
from dialfeed.settings import Settings
from dialfeed.topic_status import TopicStatus
from dialfeed.topics_admin import REMEDY, create_missing, describe
from schemas.kafka_connection import KafkaConnection
from schemas.messages import TryAgainError

WITHIN_SECONDS = 60.0


@command(
    epilog=examples(
        "dialfeed topics                   what is there, and what differs",
        "dialfeed topics --create          create what is missing; what is there stays as it is",
        "dialfeed topics --acls            the commands for a Kafka with an authorizer",
    )
)
@click.option("--acls", is_flag=True, help="Print the commands that give each part its rights; asks nobody.")
@click.option("--create", is_flag=True, help="Create the topics that are missing.")
@json_option
@settings_options(*REGISTRY_SETTINGS)
@asynchronous
async def topics(settings: Settings, as_json: bool, create: bool, acls: bool) -> int:
    """Show every topic with its settings against what it should be.

    Ends with 1 if something is wrong; with --create only if parts would not start. A warning is no fault.
    """
    if acls:
        click.echo("\n".join(acl_commands(settings.topic_prefix.__add__)))
        return ExitCode.DONE
    connection = find_kafka(settings)
    try:
        async with asyncio.timeout(WITHIN_SECONDS):
            statuses = await _statuses(connection, create)
    except (TimeoutError, TryAgainError) as error:
        raise kafka_unreachable(connection) from error
    if as_json:
        print_json([asdict(status) for status in statuses])
    else:
        show(table(("topic", "partitions", "replicas", "ok", "differences"), [_row(status) for status in statuses]))
    if not all(status.ok for status in statuses):
        click.echo(REMEDY, err=True)
    failed = any(status.stops if create else not status.ok for status in statuses)
    return ExitCode.SOME_FAILED if failed else ExitCode.DONE


async def _statuses(connection: KafkaConnection, create: bool) -> list[TopicStatus]:
    if create:
        for name in await create_missing(connection):
            click.echo(f"created {name}", err=True)
    return await describe(connection)


def _row(status: TopicStatus) -> tuple[object, ...]:
    told = [*status.differences, *(f"(warning) {text}" for text in status.warnings)]
    return status.name, status.partitions, status.replicas, status.ok, "; ".join(told)
