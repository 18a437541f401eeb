"""The loop of the continuous service: begins the visits that are due, hears how they ended, and tells people.

One thread decides. Looks and visits are threads of their own, so that none that hangs delays another one; what they
find comes back through a queue. A visit begins with a look, which has places of its own: what is short waits
for nothing long.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from argotune.errors import ArgotuneError, Conflict, Unavailable
from argotune.logs import about
from argotune.pipeline.operations.asked import Overrides
from argotune.pipeline.operations.attending import (
    FirstLook,
    Fleet,
    Visit,
    VisitAsked,
    attend,
    look_at_all,
    look_first,
)
from argotune.pipeline.operations.rounds import learn_and_forget
from argotune.pipeline.ports import Ports
from argotune.runs.pass_figures import PassFigures
from argotune.runs.service_figures import Lateness, ServiceFigures, WorkNow
from argotune.scheduling.chores import Lane, ServiceRules
from argotune.scheduling.timetable import DueVisit, Timetable, lateness_s
from argotune.stats.wording import counted
from argotune.store.stopping import UntilStopped

TICK_S = 0.5
TIDY_EVERY = timedelta(hours=1)
ALIVE_S = 60.0
"""The loop that has not turned for so long is not well."""

_SERVER = "\0"
"""Before what is no tenant's id."""


def _is_server(whose: str) -> bool:
    return whose.startswith(_SERVER)


UNFORESEEN = "an error that nobody foresaw; its traceback is in the log"


@dataclass(frozen=True)
class _VisitEnded:
    tenant_id: str
    visit: Visit | None = None
    error: ArgotuneError | None = None


@dataclass(frozen=True)
class _WorkFound:
    tenant_id: str


@dataclass(frozen=True)
class _Looked:
    fleet: Fleet | None = None
    error: ArgotuneError | None = None


@dataclass(frozen=True)
class _Tidied:
    error: ArgotuneError | None = None


_Ended = _VisitEnded | _WorkFound | _Looked | _Tidied


@dataclass
class _Told:
    """What is wrong, so that each thing is said once however long it lasts, and a server that is away for many tenants
    once for all of them."""

    problems: dict[str, str] = field(default_factory=dict)

    def is_new(self, whose: str, problem: str, *, is_shared: bool) -> bool:
        known = set(self.problems.values()) if is_shared else {self.problems.get(whose)}
        self.problems[whose] = problem
        return problem not in known

    def keep(self, tenants: Collection[str]) -> None:
        """Forget what was wrong with tenants that are gone."""
        self.problems = {whose: what for whose, what in self.problems.items() if whose in tenants or _is_server(whose)}

    def is_over(self, whose: str) -> bool:
        return self.problems.pop(whose, None) is not None


class Service:
    """Attends tenants until it is told to stop. `figures` and `why_unwell` may be asked from any thread."""

    def __init__(
        self,
        ports: Ports,
        rules: ServiceRules,
        tell: Callable[[str], None],
        only: Sequence[str] = (),
        overrides: Overrides | None = None,
        on_visit: Callable[[Visit], None] = lambda _: None,
    ) -> None:
        """`only`: these tenants alone. `tell` hears lines for people, `on_visit` each visit that came to its end."""
        self._given, self._rules, self._tell = ports, rules, tell
        self._only, self._overrides, self._on_visit = tuple(only), overrides or Overrides(), on_visit
        self._table = Timetable(rules.periods, rules.backoff)
        self._ended: queue.SimpleQueue[_Ended] = queue.SimpleQueue()
        self._threads: dict[str, threading.Thread] = {}
        self._stuck: dict[Lane, list[str]] = {}
        self._alive: dict[str, datetime] = {}
        self._told, self._is_up, self._is_looking, self._is_tidying = _Told(), False, False, False
        self._look_at: datetime | None = None
        self._metrics_at: datetime | None = None
        self._tidy_at: datetime | None = None
        self._visits, self._late, self._passed = Counter[str](), dict[str, Lateness](), PassFigures()
        self._work: dict[str, WorkNow] = {}
        self._beat: float | None = None
        self._figures = ServiceFigures()

    @property
    def figures(self) -> ServiceFigures:
        """As of the last turn of the loop, what is being done as of now."""
        return replace(self._figures, work=tuple(sorted(list(self._work.values()), key=lambda w: w.tenant_id)))

    @property
    def why_unwell(self) -> str:
        """Why the process should be started again, "" where it need not: servers that are away are no reason."""
        if self._beat is not None and time.monotonic() - self._beat > ALIVE_S:
            return "the loop stands still"
        for lane, stuck in tuple(self._stuck.items()):
            if len(stuck) >= self._rules.places[lane]:
                return f"{counted(len(stuck), 'visit')} without a sign of life, and no places are left for {lane}"
        return ""

    def run(self, stop: threading.Event) -> tuple[str, ...]:
        """Attend tenants until `stop` is set; those whose visits did not end in time, and go on where they stood."""
        self._stop, self._ports = stop, replace(self._given, store=UntilStopped(self._given.store, stop))
        while not stop.is_set():
            self._turn(self._ports.clock())
            self._hear()
        return self._stopped()

    def _stopped(self) -> tuple[str, ...]:
        deadline = time.monotonic() + self._rules.stop_s
        for thread in self._threads.values():
            thread.join(max(0.0, deadline - time.monotonic()))
        return tuple(sorted(id for id, thread in self._threads.items() if thread.is_alive()))

    def _turn(self, now: datetime) -> None:
        self._beat = time.monotonic()
        if not self._is_looking and (self._look_at is None or self._look_at <= now):
            self._is_looking, self._look_at = True, now + self._rules.look_every
            self._start("look", self._look, lambda error: _Looked(error=error))
        if self._is_up:
            for due in self._table.begin(now, self._places(Lane.LOOKS, now)):
                self._note_late(due, now)
                self._visit("look at", due, self._look_first)
            for due in self._table.go_on(now, self._places(Lane.PASSES, now)):
                self._visit("visit of", due, self._attend)
            self._tidy_sometimes(now)
        self._figures = self._figures_at(now)
        self._report(now)

    def _places(self, lane: Lane, now: datetime) -> int:
        """One that hangs keeps none, but no more than there are may be given away so: threads would have no bound."""
        at_work, places = self._table.at_work(lane), self._rules.places[lane]
        alive = {id: max(begun_at, self._alive.get(id, begun_at)) for id, begun_at in at_work.items()}
        silent = sorted((at, id) for id, at in alive.items() if now - at > self._rules.patience)
        self._stuck[lane] = sorted(id for _, id in silent[:places])
        for tenant_id in self._stuck[lane]:
            told = f"its visit has shown no sign of life for {self._rules.patience}, and gives its place away"
            self._complain(tenant_id, told)
        return places - (len(at_work) - len(self._stuck[lane]))

    def _note_late(self, due: DueVisit, now: datetime) -> None:
        for chore, late_s in lateness_s(due, now).items():
            self._late[chore.value] = self._late.get(chore.value, Lateness()).with_visit(late_s)

    def _visit(self, what: str, due: DueVisit, work: Callable[[Ports, VisitAsked], _Ended]) -> None:
        tenant_id = due.tenant_id
        asked = VisitAsked(tenant_id, frozenset(due.due_at), self._overrides)

        def visited() -> _Ended:
            with about(tenant=tenant_id):
                return work(self._ports_of(tenant_id), asked)

        ended = partial(_VisitEnded, tenant_id, None)
        self._threads[tenant_id] = self._start(f"{what} {tenant_id}", visited, ended)

    def _ports_of(self, tenant_id: str) -> Ports:
        """Whatever a visit asks of its store and says of its progress shows that it does not hang."""
        store = UntilStopped(self._given.store, self._stop, partial(self._note_alive, tenant_id))
        return replace(self._ports, store=store, progress=partial(self._progress, tenant_id))

    def _note_alive(self, tenant_id: str) -> None:
        self._alive[tenant_id] = self._ports.clock()

    def _start(
        self, name: str, work: Callable[[], _Ended], failed: Callable[[ArgotuneError], _Ended]
    ) -> threading.Thread:
        """What the work comes to, or `failed` makes of its error, is heard, whatever happens."""

        def run() -> None:
            ended = failed(ArgotuneError(UNFORESEEN))
            try:
                ended = work()
            except ArgotuneError as error:
                ended = failed(error)
            finally:
                self._ended.put(ended)

        # A daemon: one that hangs must not keep the process from ending.
        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()
        return thread

    def _look_first(self, ports: Ports, asked: VisitAsked) -> _Ended:
        found: FirstLook = look_first(ports, asked)
        return _WorkFound(asked.tenant_id) if found.has_work else _VisitEnded(asked.tenant_id, found.visit)

    def _attend(self, ports: Ports, asked: VisitAsked) -> _Ended:
        done = attend(ports, asked)
        return _VisitEnded(asked.tenant_id, done, done.failure if done else None)

    def _progress(self, tenant_id: str, what: str, done: int, total: int) -> None:
        self._note_alive(tenant_id)
        known = self._work.get(tenant_id)
        since = known.since if known and known.what == what else self._ports.clock()
        self._work[tenant_id] = WorkNow(tenant_id, what, done, total, since)

    def _look(self) -> _Looked:
        return _Looked(look_at_all(self._ports.store, self._ports.traces, self._ports.clock(), self._only))

    def _tidy_sometimes(self, now: datetime) -> None:
        """What the cron's rounds do when they have submitted theirs."""
        if self._is_tidying or (self._tidy_at is not None and now < self._tidy_at):
            return
        self._is_tidying, self._tidy_at = True, now + TIDY_EVERY
        self._start("tidying", self._tidy, _Tidied)

    def _tidy(self) -> _Tidied:
        learn_and_forget(self._ports.store, self._ports.clock())
        return _Tidied()

    def _hear(self) -> None:
        """What came back, after a tick at most."""
        with suppress(queue.Empty):
            ended = self._ended.get(timeout=TICK_S)
            while True:
                self._settle(ended, self._ports.clock())
                ended = self._ended.get_nowait()

    def _settle(self, ended: _Ended, now: datetime) -> None:
        if isinstance(ended, _VisitEnded):
            self._settle_visit(ended, now)
        elif isinstance(ended, _WorkFound):
            self._table.found_work(ended.tenant_id, now)
        elif isinstance(ended, _Looked):
            self._settle_look(ended, now)
        else:
            self._is_tidying = False
            self._note_problem("tidying", ended.error)

    def _settle_visit(self, ended: _VisitEnded, now: datetime) -> None:
        tenant_id, error = ended.tenant_id, ended.error
        self._threads.pop(tenant_id, None)
        self._work.pop(tenant_id, None)
        self._alive.pop(tenant_id, None)
        if ended.visit:
            self._passed += ended.visit.figures
            self._on_visit(ended.visit)
            self._say_runs(ended.visit)
        if error is None:
            self._visits["done" if ended.visit else "nothing to do"] += 1
            self._table.done(tenant_id, now)
            self._told.is_over(tenant_id)
        elif isinstance(error, Conflict):
            self._visits["elsewhere"] += 1
            self._table.put_off(tenant_id, now + timedelta(seconds=self._ports.lease_s))
        else:
            self._visits["failed"] += 1
            again_at = self._table.failed(tenant_id, now)
            is_away = isinstance(error, Unavailable)
            told = f"{type(error).__name__}: {error}"
            self._complain(tenant_id, told, f"; tried again at {again_at:%H:%M:%S}", is_shared=is_away)
            self._look_at = now if is_away else self._look_at  # is the server away from all?

    def _say_runs(self, done: Visit) -> None:
        if done.report and done.report.runs:
            with about(tenant=done.tenant_id):
                self._tell(f"{done.tenant_id}: {done.report.outcome}")

    def _settle_look(self, looked: _Looked, now: datetime) -> None:
        self._is_looking = False
        self._is_up = looked.error is None
        trouble = looked.fleet.trouble if looked.fleet else None
        is_back = [self._note_problem("store", looked.error), self._note_problem("traces", trouble)]
        if looked.fleet:
            self._table.know(looked.fleet.tenants, now)
            self._told.keep({*looked.fleet.gone, *(tenant.tenant_id for tenant in looked.fleet.tenants)})
            for tenant_id in looked.fleet.gone:
                self._complain(tenant_id, "it has no routing config any more")
        if any(is_back):
            self._table.forgive(now)

    def _note_problem(self, whose: str, error: ArgotuneError | None) -> bool:
        """Say once that something is wrong, and once that it is well again; whether that is so now."""
        if error is not None:
            kind = type(error).__name__
            known_as = "away" if isinstance(error, Unavailable) else kind  # words change while a server goes away
            self._complain(_SERVER + whose, f"{whose}: {kind}: {error}", known_as=known_as)
            return False
        is_over = self._told.is_over(_SERVER + whose)
        if is_over:
            self._tell(f"{whose}: well again")
        return is_over

    def _complain(
        self, whose: str, problem: str, more: str = "", *, is_shared: bool = False, known_as: str = ""
    ) -> None:
        if not self._told.is_new(whose, known_as or problem, is_shared=is_shared):
            return
        tenant = None if _is_server(whose) else whose
        with about(tenant=tenant):
            self._tell(f"{tenant}: {problem}{more}" if tenant else f"{problem}{more}")

    def _figures_at(self, now: datetime) -> ServiceFigures:
        return ServiceFigures(
            tenants=self._table.counts(now),
            visits=dict(self._visits),
            lateness=dict(self._late),
            passed=self._passed,
            waits_s={lane.value: seconds for lane, seconds in self._table.waits_s(now).items()},
            stuck=sum(map(len, self._stuck.values())),
            is_store_up=self._is_up,
        )

    def _report(self, now: datetime) -> None:
        if self._metrics_at is None:
            self._metrics_at = now + self._rules.periods.metrics
        if now < self._metrics_at:
            return
        self._metrics_at = now + self._rules.periods.metrics
        self._tell(self._figures.sentence)
        for work in self.figures.work:
            with about(tenant=work.tenant_id):
                self._tell(work.told(now))
