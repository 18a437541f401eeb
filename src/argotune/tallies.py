"""Tallies: what all runs of a tenant came to, what each round did, and the sum of it over all tenants.

Small documents under EVERYONE, so that 10,000 tenants are read in a few pages. A tally is recomputed from the tenant's
run records and never added to: what a crash kept from being counted is counted by the next pass.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from pydantic import BaseModel, Field

from argotune.configs import TenantEntry
from argotune.documents import Document, from_text, to_record
from argotune.errors import Conflict, Corrupt
from argotune.ports import ANY, Store
from argotune.records import EVERYONE, Collection, digest, tag_of
from argotune.runs import Run
from argotune.tenants import MODULES

KEPT = timedelta(days=30)
"""Rounds that started longer ago are forgotten."""

OWN = "own"
"""What the tenants' own modules are called where tenants are summed: their names are as many as tenants like."""

VERDICTS = ("promoted", "rejected", "skipped")
"""How a run can end."""

ATTEMPTS = 10
"""A tally gives way to that of another module's pass so often; each of them writes once."""

_SHARED = (Collection.TENANTS, Collection.TALLIES, Collection.ROUNDS)

D = TypeVar("D", bound=BaseModel)


class ModuleTally(Document):
    """Runs by outcome (`Run.outcome`), the milliseconds that those which ended took, and what all of them have spent.

    Milliseconds are whole numbers, so that the sum is the same in whatever order the records come: a counter that
    falls by the last bit of a fraction is a restart to Prometheus. They run from a run's start to its end, so the wait
    of a run that was taken up again is in them.
    """

    runs: dict[str, int] = Field(default_factory=dict)
    run_ms: dict[str, int] = Field(default_factory=dict)
    lm_calls: int = 0
    lm_tokens: int = 0
    lm_reused: int = 0
    unfinished_since: datetime | None = None


class Tally(Document):
    """All runs of a tenant, by module. `unreadable` run records are damaged; they are in none of the other numbers."""

    tenant_id: str
    modules: dict[str, ModuleTally] = Field(default_factory=dict)
    last_ended_at: datetime | None = None
    unreadable: int = 0


class RoundRecord(Document):
    """What a round did. Reasons in `skipped` are words from a short list, as each becomes a series of a metric.

    `is_complete`: every tenant that had to be submitted was, or was refused; False when a limit or the end of the
    pod came first. `ended_at` None: it is under way, or it died. `number` counts all rounds there ever were; keep_round
    sets it.
    """

    name: str
    started_at: datetime
    ended_at: datetime | None = None
    tenants: int = 0
    submitted: int = 0
    skipped: dict[str, int] = Field(default_factory=dict)
    failed: int = 0
    is_complete: bool = False
    number: int = 0


@dataclass(frozen=True)
class Overview:
    """The whole installation: what an exporter shows. `modules` has every shipped module and `own`, zeros included.

    Ended runs and what was paid count for all tenants there ever were, so that removing one lowers nothing.
    Unfinished runs count for enabled tenants only: nobody takes up the others. `last_round` is the last that ended;
    `unreadable` counts damaged records by collection.
    """

    modules: dict[str, ModuleTally]
    last_ended_at: datetime | None
    enabled: int
    disabled: int
    rounds: int
    last_round: RoundRecord | None
    unreadable: dict[str, int]


def tally_of(tenant_id: str, runs: Iterable[Run], unreadable: int = 0) -> Tally:
    """The tally of a tenant with these runs, in any order."""
    sums: defaultdict[str, _Sum] = defaultdict(_Sum)
    last_ended_at = None
    for run in runs:
        sums[run.module].add(_of_one(run))
        last_ended_at = _latest(last_ended_at, run.ended_at)
    modules = {name: found.tally() for name, found in sums.items()}
    return Tally(tenant_id=tenant_id, modules=modules, last_ended_at=last_ended_at, unreadable=unreadable)


def _of_one(run: Run) -> ModuleTally:
    took = {} if run.ended_at is None else {run.outcome: max(run.ended_at - run.started_at, timedelta(0))}
    return ModuleTally(
        runs={run.outcome: 1},
        run_ms={outcome: time // timedelta(milliseconds=1) for outcome, time in took.items()},
        lm_calls=run.lm_calls,
        lm_tokens=run.lm_tokens,
        lm_reused=run.lm_reused,
        unfinished_since=None if run.is_over else run.started_at,
    )


class _Sum:
    """Adds tallies up."""

    def __init__(self) -> None:
        self._runs, self._run_ms = Counter[str](), Counter[str]()
        self._spent = (0, 0, 0)
        self._unfinished_since: datetime | None = None

    def add(self, tally: ModuleTally, *, with_unfinished: bool = True) -> None:
        for outcome, number in tally.runs.items():
            if with_unfinished or outcome in VERDICTS:
                self._runs[outcome] += number
        self._run_ms.update(tally.run_ms)
        calls, tokens, reused = self._spent
        self._spent = (calls + tally.lm_calls, tokens + tally.lm_tokens, reused + tally.lm_reused)
        if with_unfinished and tally.unfinished_since:
            self._unfinished_since = min(self._unfinished_since or tally.unfinished_since, tally.unfinished_since)

    def tally(self) -> ModuleTally:
        calls, tokens, reused = self._spent
        return ModuleTally(
            runs=dict(self._runs),
            run_ms=dict(self._run_ms),
            lm_calls=calls,
            lm_tokens=tokens,
            lm_reused=reused,
            unfinished_since=self._unfinished_since,
        )


def _latest(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(filter(None, (one, other)), default=None)


def keep_tally(store: Store, tenant_id: str) -> Tally:
    """Recompute a tenant's tally from its run records and store it; doing so again changes nothing.

    Passes over several modules of a tenant can end at the same time: who finds another's tally written meanwhile
    counts again, so no run is lost from it. Raises Conflict when that happens ATTEMPTS times, and Unavailable.
    """
    id = digest(tenant_id)
    for _ in range(ATTEMPTS):
        tag = _tag(store.read(EVERYONE, Collection.TALLIES, id))  # before the runs are read
        tally = _count(store, tenant_id)
        with suppress(Conflict):
            store.write(EVERYONE, [to_record(Collection.TALLIES, id, tally)], {(Collection.TALLIES, id): tag})
            return tally
    raise Conflict(f"tally: that of tenant {tenant_id!r} was changed by somebody else {ATTEMPTS} times in a row")


def _tag(document: str | None) -> str | None:
    try:
        return None if document is None else tag_of(document)
    except Corrupt:
        return ANY  # whatever it was: the new one is whole


def _count(store: Store, tenant_id: str) -> Tally:
    reader = _Reader()
    tally = tally_of(tenant_id, reader.values(store, tenant_id, Collection.RUNS, Run))
    return tally.model_copy(update={"unreadable": reader.damaged.get(Collection.RUNS, 0)})


class _Reader:
    """Reads past damaged records and counts them: they are told by a metric, and must not end a tenant's runs."""

    def __init__(self) -> None:
        self.damaged: dict[str, int] = {}

    def values(self, store: Store, tenant_id: str, collection: str, kind: type[D]) -> Iterator[D]:
        for record in store.scan(tenant_id, collection):
            try:
                yield from_text(kind, record.document)
            except Corrupt:
                self.damaged[collection] = self.damaged.get(collection, 0) + 1


def read_tally(store: Store, tenant_id: str) -> Tally:
    """The stored tally of a tenant; an empty one before its first pass has ended. Raises Corrupt."""
    document = store.read(EVERYONE, Collection.TALLIES, digest(tenant_id))
    return Tally(tenant_id=tenant_id) if document is None else from_text(Tally, document)


def keep_round(store: Store, record: RoundRecord) -> RoundRecord:
    """Store what a round did, in place of what was stored under its name, and forget rounds older than KEPT.

    Returns the record with its number. `record.started_at` is taken for the present.
    """
    known = rounds(store)
    same = [there.number for there in known if there.name == record.name]
    number = max(same, default=max((there.number for there in known), default=0) + 1)
    kept = record.model_copy(update={"number": number})
    store.write(EVERYONE, [to_record(Collection.ROUNDS, kept.name, kept)])
    old = [there.name for there in known if there.started_at < record.started_at - KEPT]
    if old:
        store.remove(EVERYONE, Collection.ROUNDS, old)
    return kept


def rounds(store: Store) -> list[RoundRecord]:
    """All rounds that are kept and not damaged, oldest first."""
    return _in_order(_Reader().values(store, EVERYONE, Collection.ROUNDS, RoundRecord))


def _in_order(found: Iterable[RoundRecord]) -> list[RoundRecord]:
    return sorted(found, key=lambda record: (record.started_at, record.name))


def read_overview(store: Store) -> Overview:
    """The whole installation, in one scan each of tenants, tallies and rounds. Raises Unavailable or AccessDenied."""
    reader = _Reader()
    entries = list(reader.values(store, EVERYONE, Collection.TENANTS, TenantEntry))
    enabled = {entry.tenant_id for entry in entries if entry.is_enabled}
    sums, last_ended_at, damaged_runs = {name: _Sum() for name in (*MODULES, OWN)}, None, 0
    for tally in reader.values(store, EVERYONE, Collection.TALLIES, Tally):
        for name, module in tally.modules.items():
            sums[name if name in MODULES else OWN].add(module, with_unfinished=tally.tenant_id in enabled)
        last_ended_at = _latest(last_ended_at, tally.last_ended_at)
        damaged_runs += tally.unreadable
    known = _in_order(reader.values(store, EVERYONE, Collection.ROUNDS, RoundRecord))
    return Overview(
        modules={name: found.tally() for name, found in sums.items()},
        last_ended_at=last_ended_at,
        enabled=len(enabled),
        disabled=len(entries) - len(enabled),
        rounds=max((record.number for record in known), default=0),
        last_round=next((record for record in reversed(known) if record.ended_at), None),
        unreadable={**dict.fromkeys(_SHARED, 0), **reader.damaged, Collection.RUNS: damaged_runs},
    )
