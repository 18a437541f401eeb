"""Prometheus: /metrics of what lies in the store, over prometheus_client.

The store is read every so many seconds, whoever asks and however often. There is no label of tenants: 10,000 tenants
would be 10,000 times as many series.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from datetime import datetime
from http.server import ThreadingHTTPServer
from typing import ClassVar

from prometheus_client import CollectorRegistry, MetricsHandler
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from argotune.errors import ArgotuneError, ConfigInvalid, Unavailable
from argotune.runs.service_figures import WatchedService, WorkNow
from argotune.runs.sums import VERDICTS, ModuleTally
from argotune.runs.tallies import Overview, RoundRecord, read_overview
from argotune.store.port import Store

ALL_TENANTS = "All tenants there ever were; falls only when run records are deleted from the store by hand."


class StoreMetrics(Collector):
    """Shows the store as it was read last; what was read stays while the store is down."""

    def __init__(self, open_store: Callable[[], Store], clock: Callable[[], datetime]) -> None:
        """Raises ConfigInvalid for a store that can never be opened; one that is down is opened later."""
        self._open_store, self._clock = open_store, clock
        self._store: Store | None = None
        self._read: tuple[Overview, datetime] | None = None
        self._is_up = False
        with suppress(Unavailable):
            self._store = open_store()

    def refresh(self) -> ArgotuneError | None:
        """Read the store; the error when that fails."""
        try:
            self._store = self._store or self._open_store()
            now = self._clock()
            self._read = read_overview(self._store, now), now
        except ArgotuneError as error:
            self._is_up = False
            return error
        self._is_up = True
        return None

    def collect(self) -> Iterator[Metric]:
        """Nothing but `argotune_store_up` before the store has been read: zeros would look like counters that fell."""
        yield _gauge("argotune_store_up", "Whether the store could be read the last time: 1 yes, 0 no", self._is_up)
        if self._read is None:
            return
        overview, at = self._read
        yield _gauge("argotune_store_read_timestamp_seconds", "When the store was last read", at.timestamp())
        yield from families(overview)


def families(overview: Overview) -> Iterator[Metric]:
    """All metrics of an installation whose store could be read."""
    yield from _run_families(overview)
    yield from _spending_families(overview.modules)
    yield from _tenant_families(overview)
    yield CounterMetricFamily("argotune_rounds", "Rounds that were begun", overview.rounds)
    if overview.last_round is not None:
        yield from _round_families(overview.last_round)


def _run_families(overview: Overview) -> Iterator[Metric]:
    modules = overview.modules
    runs = CounterMetricFamily("argotune_runs", f"Runs that ended. {ALL_TENANTS}", labels=("module", "outcome"))
    seconds = SummaryMetricFamily(
        "argotune_run_seconds",
        "From a run's start to its end, reruns after a crash included",
        labels=("module", "outcome"),
    )
    for name, module in modules.items():
        for outcome in VERDICTS:
            runs.add_metric((name, outcome), module.runs.get(outcome, 0))
            seconds.add_metric((name, outcome), module.runs.get(outcome, 0), module.run_ms.get(outcome, 0) / 1000)
    yield from (runs, seconds)
    yield _by_module(
        "argotune_runs_unfinished",
        "Runs of enabled tenants that have begun and not ended, as of the last tally",
        ((name, module.runs.get("unfinished", 0)) for name, module in modules.items()),
    )
    yield _by_module(
        "argotune_unfinished_run_started_timestamp_seconds",
        "When the oldest of the unfinished runs began",
        ((n, m.unfinished_since.timestamp()) for n, m in modules.items() if m.unfinished_since),
    )
    yield _by_module(
        "argotune_contests_open",
        "Contests of enabled tenants that wait for labels or answers, as of the last tally",
        overview.open_contests.items(),
    )
    yield _by_module(
        "argotune_champions_degraded",
        "Champions of enabled tenants whose live quality has fallen beyond doubt, as of the last pass",
        overview.degraded.items(),
    )
    if overview.last_ended_at is not None:
        at = overview.last_ended_at.timestamp()
        yield _gauge("argotune_run_ended_timestamp_seconds", "When the last run ended", at)


_SPENT: tuple[tuple[str, str, Callable[[ModuleTally], int]], ...] = (
    ("argotune_lm_calls", "LM calls that were paid for", lambda tally: tally.lm_calls),
    ("argotune_lm_tokens", "Tokens of these calls", lambda tally: tally.lm_tokens),
    ("argotune_lm_reused", "LM answers that were known already and cost nothing", lambda tally: tally.lm_reused),
)


def _spending_families(modules: dict[str, ModuleTally]) -> Iterator[Metric]:
    for name, what, spent in _SPENT:
        family = CounterMetricFamily(name, f"{what}. {ALL_TENANTS}", labels=("module",))
        for module, tally in modules.items():
            family.add_metric((module,), spent(tally))
        yield family


def _tenant_families(overview: Overview) -> Iterator[Metric]:
    tenants = GaugeMetricFamily("argotune_tenants", "Tenants on the list", labels=("state",))
    tenants.add_metric(("enabled",), overview.enabled)
    tenants.add_metric(("disabled",), overview.disabled)
    damaged = GaugeMetricFamily(
        "argotune_records_unreadable", "Damaged records, which no other metric counts", labels=("collection",)
    )
    for collection, number in overview.unreadable.items():
        damaged.add_metric((collection,), number)
    yield from (tenants, damaged)


def _round_families(last: RoundRecord) -> Iterator[Metric]:
    assert last.ended_at is not None
    took = (last.ended_at - last.started_at).total_seconds()
    for name, what, value in (
        ("started_timestamp_seconds", "When the last round that ended was begun", last.started_at.timestamp()),
        ("duration_seconds", "How long it took to submit that round", took),
        ("tenants", "Tenants that round looked at", last.tenants),
        ("submitted", "Tenants that round submitted a workflow for", last.submitted),
        ("failed", "Tenants whose workflow could not be submitted", last.failed),
        ("complete", "Whether that round came to its end before a limit did: 1 yes, 0 no", last.is_complete),
    ):
        yield _gauge(f"argotune_round_{name}", what, value)
    skipped = GaugeMetricFamily("argotune_round_skipped", "Tenants that round passed over, and why", labels=("reason",))
    for reason, number in sorted(last.skipped.items()):
        skipped.add_metric((reason,), number)
    yield skipped


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(name, what, float(value))


def _by_module(name: str, what: str, values: Iterable[tuple[str, float]]) -> Metric:
    family = GaugeMetricFamily(name, what, labels=("module",))
    for module, value in values:
        family.add_metric((module,), value)
    return family


class ServiceMetrics(Collector):
    """Shows a continuous service in this process. What is being done has a label of its tenant: there are at most as
    many as are visited at the same time."""

    def __init__(self, service: WatchedService) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        """As it stands."""
        found, of_passes = self._service.figures, "by passes of this process"
        tenants = GaugeMetricFamily("argotune_service_tenants", "Tenants by where they stand", labels=("state",))
        for state, number in found.tenants.items():
            tenants.add_metric((state,), number)
        visits = CounterMetricFamily("argotune_service_visits", "Visits that ended, by how", labels=("outcome",))
        for outcome, number in found.visits.items():
            visits.add_metric((outcome,), number)
        late = SummaryMetricFamily(
            "argotune_service_lateness_seconds", "From when a chore was due to its begin", labels=("chore",)
        )
        for chore, lateness in found.lateness.items():
            late.add_metric((chore,), lateness.visits, lateness.total_s)
        waits = GaugeMetricFamily(
            "argotune_service_longest_wait_seconds", "Of the visit that waits longest for a place", labels=("lane",)
        )
        for lane, seconds in found.waits_s.items():
            waits.add_metric((lane,), seconds)
        yield from (tenants, visits, late, waits, *_work_families(found.work))
        yield CounterMetricFamily("argotune_service_spans", f"Spans read {of_passes}", found.passed.spans)
        yield CounterMetricFamily("argotune_service_labels", f"New labels taken in {of_passes}", found.passed.labels)
        yield _gauge("argotune_service_stuck", "Visits without a sign of life", found.stuck)
        yield _gauge("argotune_service_store_up", "Whether the tenants could be looked at last", found.is_store_up)


def _work_families(work: Iterable[WorkNow]) -> Iterator[Metric]:
    names = ("tenant", "what")
    done = GaugeMetricFamily("argotune_service_work_done", "How much of it is done", labels=names)
    total = GaugeMetricFamily("argotune_service_work_total", "How much there is to do; 0: not known", labels=names)
    for each in work:
        done.add_metric((each.tenant_id, each.what), each.done)
        total.add_metric((each.tenant_id, each.what), each.total)
    yield from (done, total)


class _Handler(MetricsHandler):
    service: ClassVar[WatchedService | None] = None
    timeout: ClassVar[float | None] = 10.0  # a client that says nothing gives its thread back

    def do_GET(self) -> None:
        """/metrics, and /healthz, which answers for the process and not for the store."""
        path = self.path.partition("?")[0]
        if path == "/metrics":
            return super().do_GET()
        text, status = self._told_of_health() if path == "/healthz" else (b"there are /metrics and /healthz\n", 404)
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _told_of_health(self) -> tuple[bytes, int]:
        why = self.service.why_unwell if self.service else ""
        return (f"{why}\n".encode(), 503) if why else (b"ok\n", 200)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: str, port: int, handler: type) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        super().__init__((address, port), handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is nobody's concern."""


class MetricsServer:
    """Reads the store in a thread and answers in others. The port is taken at once, and answers while `serve` runs."""

    def __init__(
        self,
        open_store: Callable[[], Store],
        clock: Callable[[], datetime],
        address: str,
        port: int,
        service: WatchedService | None = None,
    ) -> None:
        """Port 0 takes a free one. Raises ConfigInvalid for a port in use and a store that can never be opened."""
        self._metrics = StoreMetrics(open_store, clock)
        registry = CollectorRegistry()
        registry.register(self._metrics)
        handler: type = _Handler.factory(registry)
        if service is not None:
            registry.register(ServiceMetrics(service))
            handler = type("_Handler", (handler,), {"service": service})
        try:
            self._server = _Server(address, port, handler)
        except (OSError, OverflowError) as error:
            raise ConfigInvalid(f"--address, --port: cannot listen at {address!r}, {port}: {error}") from error
        self.port: int = self._server.server_address[1]

    def serve(self, refresh_s: float, stop: threading.Event, tell: Callable[[str], None]) -> bool:
        """Serve until `stop` is set; False when it was not, but reading broke with an error that nobody foresaw.

        `tell` hears when the store goes away and comes back.
        """
        broken = threading.Event()
        # Daemons: a store that does not answer, or a slow client, must not keep the process from ending.
        threading.Thread(target=self._keep_reading, args=(refresh_s, stop, broken, tell), daemon=True).start()
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()
        stop.wait()
        self._server.shutdown()
        self._server.server_close()
        return not broken.is_set()

    def _keep_reading(
        self, refresh_s: float, stop: threading.Event, broken: threading.Event, tell: Callable[[str], None]
    ) -> None:
        known: str | None = None
        with ExitStack() as at_the_end:
            at_the_end.callback(stop.set)
            at_the_end.callback(broken.set)
            while not stop.is_set():
                error = self._metrics.refresh()
                problem = str(error) if error else None
                if problem != known:
                    tell(f"the store cannot be read: {problem}" if problem else "the store can be read again")
                known = problem
                stop.wait(refresh_s)
            at_the_end.pop_all()  # it was asked to stop
