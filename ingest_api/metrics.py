"""`GET /metrics`: what this process does, and what the store holds, in Prometheus' text format.

Labels are closed lists of ours: codes, classes, outcomes, routes, methods, statuses, groups, topics.
`docs/metrics.md` names all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Final, Generic, TypeVar

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schemas.consumer_lag import ConsumerLag, LagReader
from schemas.messages import WorldError
from schemas.replay_board import OUTCOMES
from schemas.stores import Figures, Mended, Store

log = structlog.get_logger(__name__)
T = TypeVar("T")

ASK_EVERY_SECONDS: Final = 10.0
ASK_WITHIN_SECONDS: Final = 2.5
BUCKETS: Final = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The metrics of one process. Belongs to one event loop."""

    def __init__(self, store: Store, waiting: Callable[[], int], now_ms: Callable[[], int], lags: LagReader) -> None:
        self.registry = CollectorRegistry()
        self.stored = StoredFigures(store, now_ms)
        self.lags = Lags(lags, now_ms)
        labels = ("route", "method", "status")
        self._requests = Counter("dialfeed_http_requests", "Requests answered", labels, registry=self.registry)
        self._seconds = Histogram(
            "dialfeed_http_request_seconds",
            "From a request's first line to the end of its answer",
            ("route", "method"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        gauge = Gauge("dialfeed_http_waiting", "Requests read, published or waited for now", registry=self.registry)
        gauge.set_function(waiting)
        self._connections = Gauge("dialfeed_http_connections", "Open connections", registry=self.registry)
        self._connections_refused = Counter(
            "dialfeed_http_connections_refused", "Connections refused, there being too many", registry=self.registry
        )
        self.registry.register(self.stored)
        self.registry.register(self.lags)
        ProcessCollector(registry=self.registry)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request."""
        method = method if method in METHODS else "other"
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route, method).observe(seconds)

    def watch_connections(self, count: Callable[[], int]) -> None:
        """Take the function that counts the open connections."""
        self._connections.set_function(count)

    def connection_refused(self) -> None:
        """Count a connection that was refused because there are too many."""
        self._connections_refused.inc()

    async def text(self) -> bytes:
        """Return everything, with figures of ClickHouse and Kafka that are at most some ten seconds old."""
        await asyncio.gather(self.stored.renew(), self.lags.renew())
        return generate_latest(self.registry)


class _Asked(Generic[T]):
    """What somebody else last said, nothing while they say nothing."""

    def __init__(self, ask: Callable[[], Awaitable[T]], whom: str) -> None:
        self._ask_them, self._whom = ask, whom
        self._figures: T | None = None
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()

    async def renew(self) -> None:
        """Ask if that is due. Never raises."""
        async with self._asking:
            if time.monotonic() - self._asked_at >= ASK_EVERY_SECONDS:
                self._figures = await self._ask()
                self._asked_at = time.monotonic()

    async def _ask(self) -> T | None:
        try:
            async with asyncio.timeout(ASK_WITHIN_SECONDS):
                return await self._ask_them()
        except (WorldError, TimeoutError) as error:
            log.warning("figures_not_known", of=self._whom, error=type(error).__name__)
        except Exception as error:  # noqa: BLE001  # a scrape has other things to say
            log.error("figures_failed", of=self._whom, error=type(error).__name__)  # noqa: TRY400  # texts of errors may hold records
        return None


class Lags(_Asked[Sequence[ConsumerLag]], Collector):
    """How far the consumer groups are behind, as Kafka last said."""

    def __init__(self, reader: LagReader, now_ms: Callable[[], int]) -> None:
        super().__init__(reader.lags, "Kafka")
        self._now_ms = now_ms

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the lags."""
        yield GaugeMetricFamily("dialfeed_kafka_up", "1 if Kafka told the lags", int(self._figures is not None))
        labels = ["group", "topic"]
        behind = GaugeMetricFamily("dialfeed_consumer_lag_messages", "Messages not read yet", labels=labels)
        age = GaugeMetricFamily(
            "dialfeed_consumer_oldest_unread_age_seconds", "Since the oldest of them was written", labels=labels
        )
        for lag in self._figures or ():
            behind.add_metric([lag.group, lag.topic], lag.messages)
            oldest = self._now_ms() - lag.oldest_at if lag.oldest_at is not None else 0
            age.add_metric([lag.group, lag.topic], max(0, oldest) / 1000)
        if self._figures is not None:
            yield behind
            yield age


class StoredFigures(_Asked[Figures], Collector):
    """What the store last said."""

    def __init__(self, store: Store, now_ms: Callable[[], int]) -> None:
        super().__init__(store.figures, "ClickHouse")
        self._now_ms = now_ms

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the store's figures."""
        yield GaugeMetricFamily("dialfeed_store_up", "1 if the store told its figures", int(self._figures is not None))
        if self._figures is not None:
            yield from _families(self._figures, self._now_ms())


def _families(figures: Figures, now_ms: int) -> Iterable[GaugeMetricFamily]:
    letters = GaugeMetricFamily(
        "dialfeed_dead_letters", "Failed records, by their newest failure", labels=["code", "class", "mended"]
    )
    age = GaugeMetricFamily(
        "dialfeed_dead_letter_oldest_age_seconds",
        "Since the first failure of the oldest not mended",
        labels=["code", "class"],
    )
    for each in figures.dead_letters:
        letters.add_metric([each.code, each.failure_class, each.mended], each.records)
        if each.mended is Mended.NO:
            age.add_metric([each.code, each.failure_class], max(0, now_ms - each.oldest_at) / 1000)
    yield letters
    yield age
    yield GaugeMetricFamily("dialfeed_dead_letters_parked", "Parked records that are not mended", figures.parked)
    replayed = GaugeMetricFamily("dialfeed_replayed_records", "What replays made of records", labels=["outcome"])
    for outcome in OUTCOMES:
        replayed.add_metric([outcome], figures.replayed.get(outcome, 0))
    yield replayed
    yield GaugeMetricFamily("dialfeed_submissions", "Submissions with a receipt", figures.submissions)
    records = GaugeMetricFamily("dialfeed_records", "Records done, by receipts", labels=["outcome"])
    records.add_metric(["added"], figures.added)
    records.add_metric(["failed"], figures.failed)
    yield records


class Measured:
    """ASGI middleware outside all others: counts and times every answer."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def watched(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            if status:  # else the client went away before there was an answer
                self._metrics.answered(_route(scope), scope["method"], status, time.perf_counter() - began)


def _route(scope: Scope) -> str:
    """Return the pattern of the path; a path of nobody's is not repeated."""
    return str(getattr(scope.get("route"), "path", "other"))
