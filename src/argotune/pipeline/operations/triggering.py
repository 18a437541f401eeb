"""Triggering: is a module of a tenant due? For people to see, and for the steps of a workflow to go by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from argotune.data.source import TraceSource
from argotune.errors import NotFound, ProjectMissing
from argotune.pipeline.operations.asked import Overrides, modules_of
from argotune.pipeline.stages.trigger import note_first_look, trigger, without_traces
from argotune.runs.module_book import ModuleBook
from argotune.runs.step_outcomes import ModuleCheck, outcome_of_looks
from argotune.runs.tenant_report import TenantReport
from argotune.scheduling.next_check import agenda_of
from argotune.store.port import Store
from argotune.store.records import unreadable
from argotune.tenants.agenda import keep_agenda, seen_agenda
from argotune.tenants.catalog import Configs
from argotune.tenants.config import MODULES, RoutingConfigUnified


@dataclass(frozen=True)
class LookRequest:
    """Whom to look at, and at which modules (as `modules_of` has it). A dry look is not remembered. `overrides`: what
    is another way than the tenant's config says."""

    tenant_id: str
    module: str = "all"
    is_forced: bool = False
    is_dry: bool = False
    overrides: Overrides | None = None


def look_at(store: Store, traces: TraceSource, asked: LookRequest, now: datetime) -> list[ModuleCheck]:
    """The conditions of each module that is asked for.

    Raises NotFound, ConfigInvalid, what the trace source raises, and ProjectMissing where nothing was ever sent for any
    of the modules.
    """
    found = _looks(store, traces, Configs(store).get(asked.tenant_id), asked, now)
    if found and all(look.missing for look in found):
        raise ProjectMissing(found[0].missing)
    return found


@dataclass(frozen=True)
class Due:
    """What the trigger's step found, and the one line that it says of that."""

    looks: tuple[ModuleCheck, ...]
    outcome: str
    report: TenantReport

    @property
    def steps(self) -> frozenset[str]:
        """The steps of a workflow that have something to do: shipped modules, and `own` for all programs of its own."""
        modules = [look.conditions.module for look in self.looks if look.has_step]
        return frozenset(module if module in MODULES else "own" for module in modules)


def find_due(store: Store, traces: TraceSource, asked: LookRequest, now: datetime) -> Due:
    """Look, and keep when the tenant can be due next, so that rounds need not look before.

    A tenant that was removed after a round had found it is nothing to do; a forced run names a tenant that must exist.
    """
    place = seen_agenda(store, asked.tenant_id)  # before the config and all that the look is about
    try:
        config = Configs(store).get(asked.tenant_id)
    except NotFound:
        if asked.is_forced:
            raise
        return _due(asked, now, (), f"tenant {asked.tenant_id!r} has no routing config any more")
    looks = _looks(store, traces, config, asked, now)
    if asked.module == "all":
        keep_agenda(store, agenda_of(config.tenant_id, [look.conditions for look in looks], now), place)
    return _due(asked, now, looks, outcome_of_looks(looks, unreadable(config.tenant_id)))


def _due(asked: LookRequest, now: datetime, looks: Sequence[ModuleCheck], outcome: str) -> Due:
    return Due(tuple(looks), outcome, TenantReport.of_looks(asked.tenant_id, now, looks))


def _looks(
    store: Store, traces: TraceSource, config: RoutingConfigUnified, asked: LookRequest, now: datetime
) -> list[ModuleCheck]:
    config = asked.overrides.over(config) if asked.overrides else config
    modules = modules_of(config, asked.module)
    return [_look(ModuleBook(store, config.tenant_id, name), traces, config, name, asked, now) for name in modules]


def _look(
    book: ModuleBook,
    traces: TraceSource,
    config: RoutingConfigUnified,
    module: str,
    asked: LookRequest,
    now: datetime,
) -> ModuleCheck:
    if not asked.is_dry:
        note_first_look(book, now)
    state = book.state
    try:
        return ModuleCheck(trigger(state, traces, config, module, forced=asked.is_forced, now=now))
    except ProjectMissing as error:
        conditions = without_traces(state, config, module, forced=asked.is_forced, now=now)
        return ModuleCheck(conditions, missing=str(error))
