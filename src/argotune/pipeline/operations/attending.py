"""Attending: the continuous service's look at all tenants, and what one of its visits does for one of them.

No second way through the pipeline: a visit looks as a workflow's trigger step does, and runs what is due.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import datetime

from argotune.data.source import TraceSource
from argotune.errors import ArgotuneError, Conflict, NotFound, ProjectMissing, Unavailable
from argotune.labels.agreement import AnnotatorReport
from argotune.labels.queue import AnnotationQueue
from argotune.pipeline.operations.annotating import label_by_annotator
from argotune.pipeline.operations.asked import Overrides
from argotune.pipeline.operations.running import RunRequest, run_due
from argotune.pipeline.operations.triggering import LookRequest, find_due
from argotune.pipeline.ports import Ports
from argotune.runs.pass_figures import PassFigures
from argotune.runs.tenant_report import TenantReport
from argotune.scheduling.chores import Chore
from argotune.scheduling.next_check import Need, need_of
from argotune.scheduling.timetable import KnownTenant
from argotune.store.leases import Lease, leased
from argotune.store.port import Store
from argotune.tenants.agenda import agendas
from argotune.tenants.attended import Attended, all_attended, keep_attended
from argotune.tenants.catalog import Configs, TenantEntry

LEASE = "service"
"""One for each tenant: replicas share the tenants by it. Passes have their own, which the cron's runs take too."""


@dataclass(frozen=True)
class Fleet:
    """The tenants that want optimization. `trouble`: why it is not known for whom there are new traces; those whose
    period is over are looked at all the same. `gone`: of those that were asked for, who has no config."""

    tenants: tuple[KnownTenant, ...]
    trouble: ArgotuneError | None = None
    gone: tuple[str, ...] = ()


def look_at_all(store: Store, traces: TraceSource, now: datetime, only: Collection[str] = ()) -> Fleet:
    """All tenants, or those of `only`. Its calls grow with the pages of tenants. Raises what the store raises."""
    entries = _entries(store, only)
    wanted = [entry for entry in entries if entry.is_enabled]
    try:
        newest, trouble = _newest(traces, wanted), None
    except ArgotuneError as error:
        newest, trouble = dict[str, datetime](), error
    seen, done = agendas(store), all_attended(store)
    known = (
        KnownTenant(
            tenant_id=entry.tenant_id,
            done_at=done[entry.tenant_id].done_at if entry.tenant_id in done else {},
            has_need=isinstance(need_of(seen.get(entry.tenant_id), newest.get(entry.tenant_id), now), Need),
        )
        for entry in wanted
    )
    gone = set(only) - {entry.tenant_id for entry in entries}
    return Fleet(tuple(known), trouble, tuple(sorted(gone)))


def _entries(store: Store, only: Collection[str]) -> list[TenantEntry]:
    """A tenant that is named is one by its config, whatever became of its line in the list."""
    configs, found = Configs(store), list[TenantEntry]()
    if not only:
        return configs.entries()
    for tenant_id in only:
        with suppress(NotFound):
            found.append(configs.entry(tenant_id))
    return found


def _newest(traces: TraceSource, entries: Collection[TenantEntry]) -> Mapping[str, datetime]:
    return traces.newest({entry.tenant_id: entry.traces for entry in entries if entry.traces}) if entries else {}


@dataclass(frozen=True)
class Visit:
    """What came of a tenant's visit. `report` is of what was run, None where nothing was looked at."""

    tenant_id: str
    report: TenantReport | None = None
    annotators: tuple[AnnotatorReport, ...] = ()

    @property
    def failure(self) -> ArgotuneError | None:
        """The gravest, None where all is well. It is no failure that nothing was ever sent, nor that the cron's run is
        at work."""
        gravest = self.report.gravest if self.report else None
        error = self.report.failures[gravest] if self.report and gravest else None
        return None if isinstance(error, ProjectMissing | Conflict) else error

    @property
    def figures(self) -> PassFigures:
        """Of the passes, with what the annotator labelled beside them."""
        passed = self.report.figures if self.report else PassFigures()
        return passed + PassFigures(lm_labels=sum(report.labelled for report in self.annotators))


@dataclass(frozen=True)
class VisitAsked:
    """Which chores of a tenant are due. `is_forced`: its modules are run, due or not."""

    tenant_id: str
    chores: frozenset[Chore] = field(default_factory=lambda: frozenset(Chore))
    overrides: Overrides = field(default_factory=Overrides)
    is_forced: bool = False

    @property
    def is_of_passes(self) -> bool:
        """Modules are looked at, and those that are due are run."""
        return self.is_forced or bool(self.chores & {Chore.SPANS, Chore.FEEDBACK})

    @property
    def look(self) -> LookRequest:
        return LookRequest(self.tenant_id, is_forced=self.is_forced, overrides=self.overrides)


def attend(ports: Ports, asked: VisitAsked) -> Visit | None:
    """Do a tenant's chores, None where there is nothing to do for them: nobody waits for a label.

    Raises NotFound for an unknown tenant, Conflict while another replica attends it, ConfigInvalid, and what the ports
    raise; what a module raises is in the report.
    """
    if _is_nothing(ports.store, asked):
        return None
    with _held(ports, asked.tenant_id):
        report = _looked(ports, asked) if asked.is_of_passes else None
        done = Visit(asked.tenant_id, report, tuple(_annotated(ports, asked, report)))
        if done.failure is None:
            _keep_done(ports, asked)
        return done


@dataclass(frozen=True)
class FirstLook:
    """Whether a visit has something to do; where not, what came of it, None where nothing was looked at."""

    has_work: bool
    visit: Visit | None = None


def look_first(ports: Ports, asked: VisitAsked) -> FirstLook:
    """The look that a visit begins with, and that is the whole visit where it finds nothing: no pass, no LM.

    Raises as `attend` does.
    """
    if _is_nothing(ports.store, asked):
        return FirstLook(has_work=False)
    if Chore.ANNOTATION in asked.chores and _has_waiting(ports.store, asked.tenant_id):
        return FirstLook(has_work=True)
    with _held(ports, asked.tenant_id):
        found = find_due(ports.store, ports.traces, asked.look, ports.clock()) if asked.is_of_passes else None
        if found and found.steps:
            return FirstLook(has_work=True)
        _keep_done(ports, asked)
        return FirstLook(has_work=False, visit=Visit(asked.tenant_id, found.report if found else None))


def _held(ports: Ports, tenant_id: str) -> AbstractContextManager[Lease]:
    """Raises Conflict while another replica attends the tenant."""
    return leased(ports.store, tenant_id, LEASE, ports.new_id(), ports.lease_s, patience_s=0)


def _keep_done(ports: Ports, asked: VisitAsked) -> None:
    done_at = {chore.value: ports.clock() for chore in asked.chores}
    keep_attended(ports.store, Attended(tenant_id=asked.tenant_id, done_at=done_at))


def _is_nothing(store: Store, asked: VisitAsked) -> bool:
    """All that is asked for goes by labels, and no span waits for one."""
    return Chore.SPANS not in asked.chores and not asked.is_forced and not _has_waiting(store, asked.tenant_id)


def _has_waiting(store: Store, tenant_id: str) -> bool:
    return any(item.is_waiting for item in AnnotationQueue(store, tenant_id).items())


def _looked(ports: Ports, asked: VisitAsked) -> TenantReport:
    """As the trigger step of a workflow and the steps after it."""
    found = find_due(ports.store, ports.traces, asked.look, ports.clock())
    if not found.steps:
        return found.report
    request = RunRequest(asked.tenant_id, is_forced=asked.is_forced, overrides=asked.overrides)
    return run_due(ports, request, found.looks)


def _annotated(ports: Ports, asked: VisitAsked, report: TenantReport | None) -> list[AnnotatorReport]:
    """What waits is labelled by the LM annotator, unless a server was away from the passes."""
    is_away = report is not None and any(isinstance(error, Unavailable) for error in report.failures.values())
    if Chore.ANNOTATION not in asked.chores or is_away or not _has_waiting(ports.store, asked.tenant_id):
        return []
    return label_by_annotator(ports, asked.tenant_id)
