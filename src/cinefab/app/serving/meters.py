"""What Prometheus is told: figures of the whole studio from its records, and of this process.

What the records know is asked for when Prometheus asks, so that it is exact and the same whichever
process answers, and survives each of them. An answer is kept a little, the longer the more it took.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from prometheus_client import (
    CollectorRegistry,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

import cinefab
from cinefab.app.events import EventHub
from cinefab.app.serving.desk import OPERATOR, Desk
from cinefab.core.errors import Forbidden, StorageUnavailable
from cinefab.deliver.releases import delivered_in_all
from cinefab.economics import journal
from cinefab.economics.report import studio_balances
from cinefab.economics.tables import Unit
from cinefab.engine.heartbeat import living_workers
from cinefab.jobs.listing import count_by_status, oldest_waiting_us
from cinefab.jobs.stages import stage_called
from cinefab.latency.stage_times import stage_totals
from cinefab.store.facts import newest_event
from cinefab.tenancy.caller import Caller
from cinefab.tenancy.local import LOCAL_TENANT
from cinefab.tenancy.roles import Action

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_KEPT_US: Final = 2_000_000
_COSTS_MAX: Final = 20
"""Asking takes at most a twentieth of the time, however large the studio is."""

_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10, 30, 60)


class Meters:
    """The studio's figures for Prometheus; any thread may call."""

    def __init__(self, desk: Desk, events: EventHub) -> None:
        self._desk = desk
        # A line more for each series, which nobody asks for; untyped upstream.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._requests = Histogram(
            "cinefab_http_request_seconds",
            "How long requests took, streams until their end.",
            labelnames=("method", "route", "status"),
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self._registry.register(_Records(desk, events))
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    def note_request(self, *, method: str, route: str, status: int, took_us: int) -> None:
        """Count a request; `route` is the pattern that it matched, so that there are few of them."""
        self._requests.labels(method, route, str(status)).observe(took_us / 1e6)

    def page(self, caller: Caller) -> bytes:
        """Return all figures as Prometheus reads them.

        They are of all tenants: raises `Forbidden` unless the caller may read the books of the
        studio's own one.
        """
        self._desk.check(caller, Action.LEDGER_READ)
        if caller.tenant != LOCAL_TENANT:
            raise Forbidden(
                attempted=f"read the studio's figures as {caller.principal}",
                found="they are of all tenants",
                remedy="Ask with a key of the studio's own tenant that may read its books.",
                policies=(OPERATOR,),
            )
        return generate_latest(self._registry)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figures:
    jobs: Iterable[tuple[str, int]]
    oldest_waiting_us: int | None
    stages: Iterable[tuple[str, int, int]]
    balances: dict[tuple[str, Unit], tuple[int, int]]
    films: int
    film_seconds: float
    events: int
    workers: int


class _Records:
    """Asks the database when it is collected from."""

    def __init__(self, desk: Desk, events: EventHub) -> None:
        self._desk = desk
        self._events = events
        self._lock = threading.Lock()
        self._kept: _Figures | None = None
        self._until_us = 0

    def collect(self) -> Iterator[Metric]:
        yield _gauge("cinefab_build_info", "The release.", [((cinefab.__version__,), 1)], "release")
        listening = self._events.listening_now()
        yield _gauge("cinefab_event_listeners", "Who follows jobs here.", [((), listening)])
        found = self._figures()
        yield _gauge("cinefab_database_up", "Whether it answers.", [((), float(found is not None))])
        if found is None:
            return
        now_us = self._desk.clock.now_us()
        waits = 0 if found.oldest_waiting_us is None else now_us - found.oldest_waiting_us
        yield _gauge(
            "cinefab_jobs",
            "Jobs by where they stand.",
            [((status,), count) for status, count in found.jobs],
            "status",
        )
        yield _gauge(
            "cinefab_oldest_waiting_job_seconds",
            "How long the job that waits longest has waited; 0: none waits.",
            [((), max(0, waits) / 1e6)],
        )
        yield _gauge("cinefab_workers", "Processes that beat.", [((), found.workers)])
        yield from _stages(found)
        yield from _money(found)
        yield _counter("cinefab_films", "Films delivered.", [((), found.films)])
        yield _counter("cinefab_film_seconds", "Their seconds.", [((), found.film_seconds)])
        yield _counter("cinefab_events", "Events written.", [((), found.events)])

    def _figures(self) -> _Figures | None:
        with self._lock:
            began_us = self._desk.clock.elapsed_us()
            if self._kept is None or began_us >= self._until_us:
                try:
                    with self._desk.db.read() as connection:
                        self._kept = _read(connection, now_us=self._desk.clock.now_us())
                except StorageUnavailable:
                    self._kept = None
                ended_us = self._desk.clock.elapsed_us()
                self._until_us = ended_us + max(_KEPT_US, _COSTS_MAX * (ended_us - began_us))
            return self._kept


def _read(connection: sa.Connection, *, now_us: int) -> _Figures:
    took: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for total in stage_totals(connection):
        # `generate:3~1` is a segment of a revision: one line for each would never end.
        name = stage_called(total.stage).partition(":")[0]
        took[name] += total.took_us
        count[name] += total.count
    films, seconds = delivered_in_all(connection)
    return _Figures(
        jobs=[(status.value, number) for status, number in count_by_status(connection).items()],
        oldest_waiting_us=oldest_waiting_us(connection),
        stages=[(name, count[name], took[name]) for name in sorted(count)],
        balances=dict(studio_balances(connection)),
        films=films,
        film_seconds=float(seconds),
        events=newest_event(connection),
        workers=living_workers(connection, now_us=now_us),
    )


def _stages(found: _Figures) -> Iterator[Metric]:
    yield _counter(
        "cinefab_stages",
        "Stages committed.",
        [((name,), count) for name, count, _ in found.stages],
        "stage",
    )
    yield _counter(
        "cinefab_stage_seconds",
        "How long they took together.",
        [((name,), took_us / 1e6) for name, _, took_us in found.stages],
        "stage",
    )


def _money(found: _Figures) -> Iterator[Metric]:
    def of(prefix: str, unit: Unit) -> list[tuple[tuple[str, ...], float]]:
        return [
            ((code.removeprefix(prefix),), posted / 1e6)
            for (code, kept_in), (posted, _) in sorted(found.balances.items())
            if code.startswith(prefix) and kept_in is unit
        ]

    def one(code: str, side: int) -> list[tuple[tuple[str, ...], float]]:
        return [((), found.balances.get((code, Unit.UUSD), (0, 0))[side] / 1e6)]

    yield _counter(
        "cinefab_device_seconds",
        "Time on devices by what it went into.",
        of(journal.TIME_PREFIX, Unit.DEVICE_US),
        "time_class",
    )
    yield _counter(
        "cinefab_device_class_seconds",
        "Time on devices by their class.",
        of(journal.DEVICE_PREFIX, Unit.DEVICE_US),
        "device_class",
    )
    yield _counter("cinefab_spend_usd", "What tenants spent.", one(journal.SPEND, 0))
    yield _counter("cinefab_overhead_usd", "What no tenant bears.", one(journal.OVERHEAD, 0))
    yield _gauge("cinefab_reserved_usd", "What is set aside now.", one(journal.SPEND, 1))


Samples = list[tuple[tuple[str, ...], float]]


def _gauge(name: str, says: str, samples: Samples, *labels: str) -> Metric:
    return _filled(lambda: GaugeMetricFamily(name, says, labels=labels), samples)


def _counter(name: str, says: str, samples: Samples, *labels: str) -> Metric:
    return _filled(lambda: CounterMetricFamily(name, says, labels=labels), samples)


def _filled(
    make: Callable[[], GaugeMetricFamily | CounterMetricFamily], samples: Samples
) -> Metric:
    family = make()
    for values, number in samples:
        family.add_metric(list(values), number)
    return family
