"""Inspecting: what serves a tenant's programs, and how its runs went. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from argotune.decisions.degradation import Degradations
from argotune.errors import Corrupt, NotFound
from argotune.pipeline.operations.asked import tenant_ids_of
from argotune.promotion.pool import POOLED
from argotune.promotion.registry import Registry
from argotune.runs.book import RunBook
from argotune.runs.module_book import ModuleBook
from argotune.runs.run import Run
from argotune.store.port import Store
from argotune.store.records import Unreadable, unreadable
from argotune.tenants.catalog import Configs

if TYPE_CHECKING:
    from argotune.promotion.contest_book import ContestBook


@dataclass(frozen=True)
class ServedProgram:
    """What serves for a program and since when (None: the program as written), whether that was pooled, versions that
    were rolled back, the latest run (None: there was none), how its open contest stands (None: there is none), and how
    many answers what serves gave without an LM in its contest (None: it asks one every time, or had none). `live` tells
    how its answers to live requests do, as of the last look, and `is_degraded` that they have become worse."""

    tenant_id: str
    program: str
    champion: str | None
    is_pooled: bool
    since: datetime | None
    barred: tuple[str, ...]
    last_run_at: datetime | None
    outcome: str | None
    sentence: str | None
    contest: str | None
    without_lm: str | None = None
    live: tuple[str, ...] = ()
    is_degraded: bool = False


@dataclass(frozen=True)
class Status:
    """Programs of the asked tenants that a champion serves, that were run or have a contest, and records that were left
    out."""

    programs: tuple[ServedProgram, ...]
    left_out: tuple[Unreadable, ...]


def status_of(store: Store, tenant_id: str | None = None) -> Status:
    """Of one tenant or of all. No run is read, however many there are. Raises NotFound for an unknown tenant."""
    found = [status for id in tenant_ids_of(store, tenant_id) for status in _statuses(store, id)]
    return Status(tuple(found), unreadable())


def _statuses(store: Store, tenant_id: str) -> Iterator[ServedProgram]:
    from argotune.promotion.contest_book import ContestBook  # brings NumPy

    registry, book = Registry(store, tenant_id), RunBook(store, tenant_id)
    book_of_contests = ContestBook(store, tenant_id)
    champions = {champion.program: champion for champion in registry.champions()}
    latest = {found.program: found.latest for found in book.sums() if found.latest}
    views = {
        name: view
        for module in Configs(store).get(tenant_id).modules
        for name, view in ModuleBook(store, tenant_id, module).read(Degradations).programs.items()
        if name not in champions or champions[name].version == view.version
    }
    bars, contests = registry.bars(), {each.program: each for each in book_of_contests.all_open()}
    for program in sorted(champions.keys() | latest.keys() | contests.keys()):
        champion, run = champions.get(program), latest.get(program)
        yield ServedProgram(
            tenant_id=tenant_id,
            program=program,
            champion=champion.version if champion else None,
            is_pooled=champion is not None and _is_pooled(registry, champion.version),
            since=champion.since if champion else None,
            barred=tuple(bar.version for bar in bars if bar.program == program),
            last_run_at=run.started_at if run else None,
            outcome=run.outcome if run else None,
            sentence=run.sentence if run else None,
            contest=contests[program].sentence if program in contests else None,
            without_lm=_without_lm(registry, book_of_contests, champion.version) if champion else None,
            live=views[program].sentences if program in views else (),
            is_degraded=program in views and bool(views[program].drops),
        )


def _without_lm(registry: Registry, contests: ContestBook, version: str) -> str | None:
    """As the contest tells that has the id of the run that made the version."""
    try:
        run = registry.version(version).lineage.run_id
        return contests.contest(run).without_lm or None if run else None
    except (NotFound, Corrupt):
        return None


def _is_pooled(registry: Registry, version: str) -> bool:
    try:
        return registry.version(version).lineage.optimizer == POOLED
    except (NotFound, Corrupt):
        return False


def runs_of(store: Store, tenant_id: str, group: str | None = None) -> list[Run]:
    """Runs of a tenant, all or those of a group, oldest first. Raises NotFound for an unknown tenant."""
    Configs(store).get(tenant_id)
    return RunBook(store, tenant_id).runs(group=group)
