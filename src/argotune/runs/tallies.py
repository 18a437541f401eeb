"""Tallies: what all runs of a tenant came to, what each round did, and the sum of it over all tenants.

Small records under EVERYONE, so that 10,000 tenants are read in a few pages. A tally is recomputed from the tenant's
run records and never added to: what a crash kept from being counted is counted by the next pass.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from pydantic import BaseModel, Field

from argotune.data.live_quality import degraded_programs
from argotune.errors import Corrupt
from argotune.promotion.contest_book import ContestBook
from argotune.runs.run import Run
from argotune.runs.sums import ModuleTally, ProgramSum, latest, sums_of, total
from argotune.store.collections import EVERYONE, Collection
from argotune.store.port import Store
from argotune.store.records import StoredValue, find_renewable, from_text, tag_there, to_record
from argotune.store.turns import in_turn
from argotune.tenants.catalog import TenantEntry
from argotune.tenants.config import MODULES
from argotune.tenants.ids import record_id

KEPT = timedelta(days=30)
"""Rounds that started longer ago are forgotten."""

OWN = "own"
"""What the tenants' own modules are called where tenants are summed: their names are as many as tenants like."""

REMOVED = "removed"
"""The id of the tally of all removed tenants; the others have digests."""


_SHARED = (Collection.TENANTS, Collection.TALLIES, Collection.ROUNDS)

D = TypeVar("D", bound=BaseModel)


class LastVerdict(StoredValue):
    """What the gate said last of a program, and `at` which time."""

    program: str
    outcome: str
    sentence: str
    run_id: str
    at: datetime


class Tally(StoredValue):
    """All runs of a tenant, how many of its contests are open, and how many of its champions answer worse than they
    did, by module; and what was said last of each program on which the gate has spoken, the newest first. `unreadable`
    run records are damaged; they are in none of the other numbers."""

    tenant_id: str
    modules: dict[str, ModuleTally] = Field(default_factory=dict)
    open_contests: dict[str, int] = Field(default_factory=dict)
    degraded: dict[str, int] = Field(default_factory=dict)
    last_ended_at: datetime | None = None
    unreadable: int = 0
    verdicts: tuple[LastVerdict, ...] = ()


class RoundRecord(StoredValue):
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

    Ended runs and what was paid count for all tenants there ever were, so that removing one lowers nothing. Unfinished
    runs, open contests and `degraded` champions count for enabled tenants only: nobody looks at the others.
    `last_round` is the last that ended; `unreadable` counts damaged records by collection.
    """

    modules: dict[str, ModuleTally]
    open_contests: dict[str, int]
    degraded: dict[str, int]
    last_ended_at: datetime | None
    enabled: int
    disabled: int
    rounds: int
    last_round: RoundRecord | None
    unreadable: dict[str, int]


def tally_of(tenant_id: str, sums: Iterable[ProgramSum], now: datetime, unreadable: int = 0) -> Tally:
    """The tally of a tenant whose programs' runs come to these sums. Runs that ended after `now` are not the last."""
    by_module: defaultdict[str, list[ModuleTally]] = defaultdict(list)
    last_ended_at = None
    known = list(sums)
    for found in known:
        by_module[found.module].append(found.tally)
        last_ended_at = latest(last_ended_at, found.last_ended_at, now=now)
    modules = {name: total(own) for name, own in by_module.items()}
    verdicts = sorted(filter(None, map(_last_verdict, known)), key=lambda said: (said.at, said.program), reverse=True)
    return Tally(
        tenant_id=tenant_id,
        modules=modules,
        last_ended_at=last_ended_at,
        unreadable=unreadable,
        verdicts=tuple(verdicts),
    )


def _last_verdict(found: ProgramSum) -> LastVerdict | None:
    run = found.judged or found.latest
    if run is None or not run.is_judged:
        return None
    at = run.ended_at or run.started_at
    return LastVerdict(program=run.program, outcome=run.outcome, sentence=run.sentence, run_id=run.id, at=at)


def keep_tally(store: Store, tenant_id: str, now: datetime) -> Tally:
    """Recompute a tenant's tally from the sums of its runs and store it; doing so again changes nothing.

    Passes over several modules of a tenant can end at the same time: who finds another's tally written meanwhile
    counts again, so no run is lost from it. Raises Conflict when others always were first, and Unavailable.
    """
    id = record_id(tenant_id)

    def keep() -> Tally:
        known = store.read(EVERYONE, Collection.TALLIES, id)  # before the sums are read
        tally = _count(store, tenant_id, known, now)
        store.write(EVERYONE, [to_record(Collection.TALLIES, id, tally)], {(Collection.TALLIES, id): tag_there(known)})
        return tally

    return in_turn(f"tally: that of tenant {tenant_id!r}", keep)


def leave_tally(store: Store, tenant_id: str, now: datetime) -> None:
    """Add a tenant's tally to that of all removed ones, which has no tenant, and forget it: no sum gets lower.

    Raises Conflict when these are changed all the time.
    """

    def leave() -> None:
        (left, left_tag), (own, tag) = (_stored(store, id) for id in (REMOVED, record_id(tenant_id)))
        names = left.modules.keys() | own.modules.keys()
        each = {name: [tally.modules.get(name, ModuleTally()) for tally in (left, own)] for name in names}
        modules = {name: total(both, with_unfinished=False) for name, both in each.items()}
        sum_of = Tally(
            tenant_id="", modules=modules, last_ended_at=latest(left.last_ended_at, own.last_ended_at, now=now)
        )
        emptied = Tally(tenant_id=tenant_id)
        records = [
            to_record(Collection.TALLIES, REMOVED, sum_of),
            to_record(Collection.TALLIES, record_id(tenant_id), emptied),
        ]
        expect = {(Collection.TALLIES, REMOVED): left_tag, (Collection.TALLIES, record_id(tenant_id)): tag}
        store.write(EVERYONE, records, expect)

    in_turn("tally: that of removed tenants", leave)
    store.remove(EVERYONE, Collection.TALLIES, [record_id(tenant_id)])


def _stored(store: Store, id: str) -> tuple[Tally, str | None]:
    """The tally under an id, an empty one in the place of none or a damaged one, and the tag to expect."""
    text = store.read(EVERYONE, Collection.TALLIES, id)
    known = Tally(tenant_id="")
    with suppress(Corrupt):
        known = from_text(Tally, text) if text else known
    return known, tag_there(text)


def _count(store: Store, tenant_id: str, known: str | None, now: datetime) -> Tally:
    """From the sums; from all runs where there is none. Damaged runs are counted when runs are read."""
    reader = _CountingReader()
    sums = list(reader.values(store, tenant_id, Collection.RUN_SUMS, ProgramSum))
    if sums and not reader.damaged:
        found = tally_of(tenant_id, sums, now, _unreadable(known))
    else:
        runs = [run.summary for run in reader.values(store, tenant_id, Collection.RUNS, Run)]
        found = tally_of(tenant_id, sums_of(runs).values(), now, reader.damaged.get(Collection.RUNS, 0))
    contests = Counter(contest.module for contest in ContestBook(store, tenant_id).all_open())
    found_worse = Counter(name.partition(".")[0] for name in degraded_programs(store, tenant_id))
    return found.model_copy(update={"open_contests": dict(contests), "degraded": dict(found_worse)})


def _unreadable(text: str | None) -> int:
    with suppress(Corrupt):
        return 0 if text is None else from_text(Tally, text).unreadable
    return 0


class _CountingReader:
    """Reads past damaged records and counts them: they are told by a metric, and must not end a tenant's runs."""

    def __init__(self) -> None:
        self.damaged: dict[str, int] = {}

    def values(self, store: Store, tenant_id: str, collection: str, kind: type[D]) -> Iterator[D]:
        for record in store.scan(tenant_id, collection):
            try:
                yield from_text(kind, record.text)
            except Corrupt:
                self.damaged[collection] = self.damaged.get(collection, 0) + 1


def read_tally(store: Store, tenant_id: str) -> Tally:
    """The stored tally of a tenant; an empty one before its first pass has ended. Raises Corrupt."""
    text = store.read(EVERYONE, Collection.TALLIES, record_id(tenant_id))
    return Tally(tenant_id=tenant_id) if text is None else from_text(Tally, text)


def tallies(store: Store) -> Iterator[Tally]:
    """All that are kept and not damaged, in no particular order."""
    return _CountingReader().values(store, EVERYONE, Collection.TALLIES, Tally)


class RoundCount(StoredValue):
    """The number of the round that was kept last for the first time."""

    last: int


def keep_round(store: Store, record: RoundRecord) -> RoundRecord:
    """Store what a round did, in place of what was stored under its name, and forget rounds older than KEPT.

    Returns the record with its number, which no other has. `record.started_at` is taken for the present, and nothing is
    forgotten by it alone: where all known rounds are older by it, the next round forgets them. Raises Conflict when
    other rounds are kept all the time.
    """

    def keep() -> tuple[RoundRecord, list[RoundRecord]]:
        count, tag = find_renewable(store, EVERYONE, Collection.ROUND_COUNT, "rounds", RoundCount)
        known = rounds(store)  # after the count: none is missed that has a number up to it
        last = max((there.number for there in known), default=0)
        kept = _numbered(record, known, max(last, count.last if count else 0))
        counted = to_record(Collection.ROUND_COUNT, "rounds", RoundCount(last=max(last, kept.number)))
        expect = {(counted.collection, counted.id): tag}
        store.write(EVERYONE, [to_record(Collection.ROUNDS, kept.name, kept), counted], expect)
        return kept, known

    kept, known = in_turn("rounds: their count", keep)
    _forget_old(store, known, record.started_at)
    return kept


def _numbered(record: RoundRecord, known: Iterable[RoundRecord], last: int) -> RoundRecord:
    same = (there.number for there in known if there.name == record.name)
    return record.model_copy(update={"number": max(same, default=last + 1)})


def _forget_old(store: Store, known: Sequence[RoundRecord], now: datetime) -> None:
    old = [there.name for there in known if there.started_at < now - KEPT]
    if old and known[-1].name not in old:
        store.remove(EVERYONE, Collection.ROUNDS, old)


def rounds(store: Store) -> list[RoundRecord]:
    """All rounds that are kept and not damaged, oldest first, in the order in which they were stored: clocks err."""
    return _in_order(_CountingReader().values(store, EVERYONE, Collection.ROUNDS, RoundRecord))


def _in_order(found: Iterable[RoundRecord]) -> list[RoundRecord]:
    return sorted(found, key=lambda record: (record.number, record.started_at, record.name))


def read_overview(store: Store, now: datetime) -> Overview:
    """The whole installation as of `now`, in one scan each of tenants, tallies and rounds.

    Raises Unavailable or AccessDenied.
    """
    reader = _CountingReader()
    entries = list(reader.values(store, EVERYONE, Collection.TENANTS, TenantEntry))
    enabled = {entry.tenant_id for entry in entries if entry.is_enabled}
    sums: dict[str, ModuleTally] = {name: ModuleTally() for name in (*MODULES, OWN)}
    contests, degraded = dict.fromkeys(sums, 0), dict.fromkeys(sums, 0)
    last_ended_at, damaged_runs = None, 0
    for tally in reader.values(store, EVERYONE, Collection.TALLIES, Tally):
        for name, number in tally.open_contests.items() if tally.tenant_id in enabled else ():
            contests[name if name in MODULES else OWN] += number
        for name, number in tally.degraded.items() if tally.tenant_id in enabled else ():
            degraded[name if name in MODULES else OWN] += number
        for name, module in tally.modules.items():
            shown = name if name in MODULES else OWN
            own = total([module], with_unfinished=tally.tenant_id in enabled)
            sums[shown] = total((sums[shown], own))
        last_ended_at = latest(last_ended_at, tally.last_ended_at, now=now)
        damaged_runs += tally.unreadable
    known = _in_order(reader.values(store, EVERYONE, Collection.ROUNDS, RoundRecord))
    return Overview(
        modules=sums,
        open_contests=contests,
        degraded=degraded,
        last_ended_at=last_ended_at,
        enabled=len(enabled),
        disabled=len(entries) - len(enabled),
        rounds=max((record.number for record in known), default=0),
        last_round=next((record for record in reversed(known) if record.ended_at), None),
        unreadable={**dict.fromkeys(_SHARED, 0), **reader.damaged, Collection.RUNS: damaged_runs},
    )
