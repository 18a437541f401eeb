"""Fleet: how all tenants stand, from the small records that they share: no run is read, however many there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime

from argotune.data.spans import Json
from argotune.labels.queue import WaitingCount, all_waiting
from argotune.runs.at_work import PassAtWork, passes_at_work
from argotune.runs.sums import Money, total
from argotune.runs.tallies import LastVerdict, RoundRecord, Tally, rounds, tallies
from argotune.store.port import Store
from argotune.store.records import Unreadable, unreadable
from argotune.tenants.catalog import Configs, TenantEntry


@dataclass(frozen=True)
class FleetTenant:
    """A tenant that is listed, as of its last pass: what was said last of each program, newest first, its `runs` by
    outcome, spans that wait for a person's label and since when the oldest does, champions that answer worse than they
    did (`degraded`), and what its runs have `spent`."""

    tenant_id: str
    is_enabled: bool
    last_verdicts: tuple[LastVerdict, ...] = ()
    runs: Mapping[str, int] = field(default_factory=dict)
    last_ended_at: datetime | None = None
    open_contests: int = 0
    waiting: int = 0
    waiting_since: datetime | None = None
    degraded: int = 0
    spent: Money = field(default_factory=Money)

    def as_json(self) -> Mapping[str, Json]:
        """For programs."""
        return {
            **asdict(self),
            "last_verdicts": [said.model_dump(mode="json") for said in self.last_verdicts],
            "last_ended_at": _moment(self.last_ended_at),
            "waiting_since": _moment(self.waiting_since),
        }


@dataclass(frozen=True)
class FleetTotals:
    """The sums over all listed tenants, and how many passes are at work. Tenants that were removed have left what they
    spent."""

    enabled: int
    disabled: int
    runs: Mapping[str, int]
    open_contests: int
    waiting: int
    degraded: int
    at_work: int
    spent: Money
    spent_by_removed: Money


@dataclass(frozen=True)
class FleetStanding:
    """All listed tenants by id, their sums, the passes that are at work now, the round that began last (None: none was
    kept), and records that were left out."""

    tenants: tuple[FleetTenant, ...]
    totals: FleetTotals
    at_work: tuple[PassAtWork, ...]
    last_round: RoundRecord | None
    left_out: tuple[Unreadable, ...]

    def as_json(self) -> Mapping[str, Json]:
        """For programs."""
        return {
            "totals": asdict(self.totals),
            "tenants": [tenant.as_json() for tenant in self.tenants],
            "at_work": [each.model_dump(mode="json", exclude={"lease", "holder"}) for each in self.at_work],
            "last_round": self.last_round.model_dump(mode="json") if self.last_round else None,
            "left_out": [each.sentence for each in self.left_out],
        }


def fleet_standing(store: Store, now: datetime) -> FleetStanding:
    """In five scans of shared collections, and a call for each pass that is at work. Raises what the store raises."""
    known = {tally.tenant_id: tally for tally in tallies(store)}
    waiting, at_work = all_waiting(store), tuple(passes_at_work(store, now))
    tenants = tuple(_tenant(entry, known, waiting) for entry in Configs(store).entries())
    removed = _spent([tally for id, tally in known.items() if not id])
    last_round = next(reversed(rounds(store)), None)
    return FleetStanding(tenants, _totals(tenants, known, len(at_work), removed), at_work, last_round, unreadable())


def _tenant(entry: TenantEntry, tallies: Mapping[str, Tally], waiting: Mapping[str, WaitingCount]) -> FleetTenant:
    id = entry.tenant_id
    tally, queued = tallies.get(id, Tally(tenant_id=id)), waiting.get(id, WaitingCount(tenant_id=id))
    return FleetTenant(
        tenant_id=id,
        is_enabled=entry.is_enabled,
        last_verdicts=tally.verdicts,
        runs=total(tally.modules.values()).runs,
        last_ended_at=tally.last_ended_at,
        open_contests=sum(tally.open_contests.values()),
        waiting=sum(queued.programs.values()),
        waiting_since=queued.since,
        degraded=sum(tally.degraded.values()),
        spent=_spent([tally]),
    )


def _spent(tallies: Iterable[Tally]) -> Money:
    return total(module for tally in tallies for module in tally.modules.values()).money


def _totals(tenants: Iterable[FleetTenant], tallies: Mapping[str, Tally], at_work: int, removed: Money) -> FleetTotals:
    listed = list(tenants)
    runs = Counter[str]()
    for tenant in listed:
        runs.update(tenant.runs)
    enabled = sum(tenant.is_enabled for tenant in listed)
    return FleetTotals(
        enabled=enabled,
        disabled=len(listed) - enabled,
        runs=dict(runs),
        open_contests=sum(tenant.open_contests for tenant in listed),
        waiting=sum(tenant.waiting for tenant in listed),
        degraded=sum(tenant.degraded for tenant in listed),
        at_work=at_work,
        spent=_spent(tallies[tenant.tenant_id] for tenant in listed if tenant.tenant_id in tallies),
        spent_by_removed=removed,
    )


def _moment(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
