"""`dialfeed run`, and its parts each alone: `api`, `worker`, `load`, `kafka`.

Each imports what it runs only when it runs: the worker needs Faust, the sink ClickHouse's client, `--help` nothing.
"""

from __future__ import annotations

import click

from dialfeed.command_options import examples, settings_options
from dialfeed.help_layout import command
from dialfeed.settings import Settings


@command(
    epilog=examples(
        "dialfeed run --sample           try it: a sample campaign with good and bad records",
        "dialfeed run --workers 2        one worker a core",
        "DIALFEED_KAFKA=kafka:9092 dialfeed run    with your Kafka instead of a local one",
    )
)
@click.option("--sample", is_flag=True, help="Make a sample campaign, send records, show the answer; keep serving.")
@settings_options("data", "kafka", "clickhouse", "http", "topic_prefix", "workers", "log", long_running=True)
def run(settings: Settings, sample: bool) -> int:
    """Run everything on this machine: API, workers and sink; a local Kafka where none is set.

    Other commands find it through run.json in the data folder. Ctrl-C or SIGTERM ends it in order.
    """
    from dialfeed.run import run as run_everything  # noqa: PLC0415  see above

    return run_everything(settings, sample=sample, workers=settings.workers)


@command(
    epilog=examples(
        "dialfeed api --http 0.0.0.0:8080      beside `dialfeed worker` and `dialfeed load`",
        "dialfeed api --with-load              with embedded chDB, which one process must own",
    )
)
@click.option("--with-load", is_flag=True, help="Run the sink in the same process; needed with embedded chDB.")
@settings_options("data", "kafka", "clickhouse", "http", "topic_prefix", "log", long_running=True)
def api(settings: Settings, with_load: bool) -> int:
    """Run the HTTP API until SIGTERM or Ctrl-C."""
    from dialfeed.serve import serve_api  # noqa: PLC0415  see above

    return serve_api(settings, with_load=with_load)


@command(epilog=examples("dialfeed worker --kafka kafka:9092    as often as needed; Kafka spreads the work"))
@settings_options("data", "kafka", "topic_prefix", "log", long_running=True)
def worker(settings: Settings) -> int:
    """Run one worker until SIGTERM or Ctrl-C: it cuts messages into chunks and checks every record."""
    from dialfeed.worker import run_worker  # noqa: PLC0415  see above

    return run_worker(settings)


@command(epilog=examples("dialfeed load --kafka kafka:9092 --clickhouse clickhouse://user:password@store:8123/db"))
@settings_options("data", "kafka", "clickhouse", "topic_prefix", "log", long_running=True)
def load(settings: Settings) -> int:
    """Run the sink until SIGTERM or Ctrl-C: it writes checked records into ClickHouse and sends receipts."""
    from dialfeed.serve import serve_load  # noqa: PLC0415  see above

    return serve_load(settings)


@command(epilog=examples("dialfeed kafka                  in one terminal, `dialfeed run` in another"))
@settings_options("data", "log", long_running=True)
def kafka(settings: Settings) -> int:
    """Run only the local Kafka, in the foreground, until SIGTERM or Ctrl-C."""
    from dialfeed.local_kafka_command import run_kafka  # noqa: PLC0415  see above

    return run_kafka(settings)
