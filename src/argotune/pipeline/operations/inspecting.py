"""Inspecting: what serves a tenant's programs, and how its runs went. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from argotune.pipeline.operations.asked import tenant_ids_of
from argotune.promotion.registry import Registry
from argotune.runs.book import RunBook
from argotune.runs.run import Run
from argotune.store.documents import Unreadable, unreadable
from argotune.store.port import Store
from argotune.tenants.catalog import Configs


@dataclass(frozen=True)
class ServedProgram:
    """What serves for a program and since when (None: the program as written), versions that were rolled back, and the
    latest run (None: there was none)."""

    tenant_id: str
    program: str
    champion: str | None
    since: datetime | None
    barred: tuple[str, ...]
    last_run_at: datetime | None
    outcome: str | None
    sentence: str | None


@dataclass(frozen=True)
class Status:
    """Programs of the asked tenants that a champion serves or that were run, and records that were left out."""

    programs: tuple[ServedProgram, ...]
    left_out: tuple[Unreadable, ...]


def status_of(store: Store, tenant_id: str | None = None) -> Status:
    """Of one tenant or of all. No run is read, however many there are. Raises NotFound for an unknown tenant."""
    found = [status for id in tenant_ids_of(store, tenant_id) for status in _statuses(store, id)]
    return Status(tuple(found), unreadable())


def _statuses(store: Store, tenant_id: str) -> Iterator[ServedProgram]:
    registry, book = Registry(store, tenant_id), RunBook(store, tenant_id)
    champions = {champion.program: champion for champion in registry.champions()}
    latest = {found.program: found.latest for found in book.sums() if found.latest}
    bars = registry.bars()
    for program in sorted(champions | latest):
        champion, run = champions.get(program), latest.get(program)
        yield ServedProgram(
            tenant_id=tenant_id,
            program=program,
            champion=champion.version if champion else None,
            since=champion.since if champion else None,
            barred=tuple(bar.version for bar in bars if bar.program == program),
            last_run_at=run.started_at if run else None,
            outcome=run.outcome if run else None,
            sentence=run.sentence if run else None,
        )


def runs_of(store: Store, tenant_id: str, group: str | None = None) -> list[Run]:
    """Runs of a tenant, all or those of a group, oldest first. Raises NotFound for an unknown tenant."""
    Configs(store).get(tenant_id)
    return RunBook(store, tenant_id).runs(group=group)
