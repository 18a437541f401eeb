"""Fleet: the tenants that a dashboard was started for; what runs, what waits for people, what was spent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from argotune.dashboard.views.tiles import Tile, figure_of, in_utc
from argotune.stats.wording import counted, each_counted

if TYPE_CHECKING:
    from argotune.pipeline.operations.fleet import FleetStanding, FleetTenant
    from argotune.runs.at_work import PassAtWork
    from argotune.runs.tallies import RoundRecord

SHOWN = 12
"""Bars of a plot and lines of a list; the table has every tenant."""

OUTCOMES = ("promoted", "rejected", "undecided", "skipped", "unfinished")


@dataclass(frozen=True)
class PlotBar:
    """A bar of a plot: whose it is, how long, and what is told of it."""

    name: str
    length: float
    told: str = ""


@dataclass(frozen=True)
class NewestVerdict:
    """How the last run of a program ended, and whose it is."""

    tenant_id: str
    program: str
    outcome: str
    sentence: str
    at: datetime
    run_id: str


@dataclass(frozen=True)
class PassShown:
    """A pass that runs: how far it is (0..1, None: nobody knows), and in words."""

    tenant_id: str
    share: float | None
    told: str


@dataclass(frozen=True)
class TenantRow:
    """A tenant in the table of all."""

    tenant: str
    enabled: bool
    last_run: datetime | None
    last_verdict: str
    contests: int
    waiting: int
    degraded: int
    lm_calls: int
    usd: float | None


@dataclass(frozen=True)
class FleetView:
    """What the page shows. `spent_in` is what money is told in, `unknown` are tenants that the dashboard was started
    for and that nobody has added."""

    tiles: tuple[Tile, ...]
    outcomes: tuple[PlotBar, ...]
    newest: tuple[NewestVerdict, ...]
    at_work: tuple[PassShown, ...]
    waiting: tuple[PlotBar, ...]
    spent: tuple[PlotBar, ...]
    spent_in: str
    degraded: tuple[str, ...]
    rows: tuple[TenantRow, ...]
    unknown: tuple[str, ...]
    left_out: tuple[str, ...]
    last_round: str


def fleet_view(standing: FleetStanding, asked: Sequence[str] | None, now: datetime) -> FleetView:
    """Of these tenants, None: of all. Figures are sums over the tenants that are shown."""
    shown = [each for each in standing.tenants if asked is None or each.tenant_id in asked]
    work = [each for each in standing.at_work if asked is None or each.tenant_id in asked]
    spent_in, spent = _spent(shown)
    return FleetView(
        tiles=_tiles(shown, len(work)),
        outcomes=_outcomes(shown),
        newest=_newest(shown)[:SHOWN],
        at_work=tuple(_work(each, now) for each in work),
        waiting=_longest(shown, lambda tenant: tenant.waiting, lambda tenant: _waits(tenant)),
        spent=spent,
        spent_in=spent_in,
        degraded=tuple(each.tenant_id for each in shown if each.degraded),
        rows=tuple(map(_row, shown)),
        unknown=tuple(sorted(set(asked or ()) - {each.tenant_id for each in standing.tenants})),
        left_out=tuple(each.sentence for each in standing.left_out),
        last_round=_round(standing.last_round),
    )


def _tiles(shown: Sequence[FleetTenant], at_work: int) -> tuple[Tile, ...]:
    enabled = sum(each.is_enabled for each in shown)
    usd = [each.spent.usd for each in shown if each.spent.usd is not None]
    unpriced = sum(each.spent.unpriced_calls for each in shown)
    priced = f"of {counted(unpriced, 'call')} the price is not known" if unpriced else "all calls have a price"
    return (
        Tile("Tenants", figure_of(len(shown)), f"{enabled:,} want optimization"),
        Tile("Running", figure_of(at_work), "passes that hold their lease"),
        Tile("Labels to give", figure_of(sum(each.waiting for each in shown)), "spans in front of people"),
        Tile("Open contests", figure_of(sum(each.open_contests for each in shown))),
        Tile("Degraded", figure_of(sum(each.degraded for each in shown)), "champions that answer worse than they did"),
        Tile("LM calls", figure_of(sum(each.spent.lm_calls for each in shown)), "of all runs that are counted"),
        Tile("US dollars", figure_of(sum(usd) if usd else None), priced),
    )


def _outcomes(shown: Iterable[FleetTenant]) -> tuple[PlotBar, ...]:
    found: Counter[str] = Counter()
    for each in shown:
        found.update(each.runs)
    return tuple(PlotBar(name, found[name], counted(found[name], "run")) for name in OUTCOMES)


def _newest(shown: Iterable[FleetTenant]) -> tuple[NewestVerdict, ...]:
    found = [
        NewestVerdict(each.tenant_id, last.program, last.outcome, last.sentence, last.at, last.run_id)
        for each in shown
        for last in each.last_verdicts
    ]
    return tuple(sorted(found, key=lambda each: each.at, reverse=True))


def _work(each: PassAtWork, now: datetime) -> PassShown:
    share = min(each.done / each.total, 1.0) if each.total else None
    return PassShown(each.tenant_id, share, f"{each.module}: {each.told(now)}, since {in_utc(each.since)}")


def _longest(
    shown: Iterable[FleetTenant], length: Callable[[FleetTenant], float], told: Callable[[FleetTenant], str]
) -> tuple[PlotBar, ...]:
    bars = [PlotBar(each.tenant_id, length(each), told(each)) for each in shown if length(each)]
    return tuple(sorted(bars, key=lambda bar: -bar.length)[:SHOWN])


def _waits(tenant: FleetTenant) -> str:
    return f"{counted(tenant.waiting, 'span')}, the oldest since {in_utc(tenant.waiting_since)}"


def _spent(shown: Sequence[FleetTenant]) -> tuple[str, tuple[PlotBar, ...]]:
    """In US dollars where any price is known, else in calls."""
    if any(each.spent.usd for each in shown):
        return "US dollars", _longest(shown, lambda each: each.spent.usd or 0.0, lambda each: each.spent.sentence)
    return "LM calls", _longest(shown, lambda each: each.spent.lm_calls, lambda each: each.spent.sentence)


def _row(each: FleetTenant) -> TenantRow:
    return TenantRow(
        tenant=each.tenant_id,
        enabled=each.is_enabled,
        last_run=each.last_ended_at,
        last_verdict="; ".join(f"{last.program} {last.outcome}" for last in each.last_verdicts) or "-",
        contests=each.open_contests,
        waiting=each.waiting,
        degraded=each.degraded,
        lm_calls=each.spent.lm_calls,
        usd=each.spent.usd,
    )


def _round(last: RoundRecord | None) -> str:
    if last is None:
        return ""
    skipped = f", passed over: {each_counted(last.skipped)}" if last.skipped else ""
    whole = "" if last.is_complete else ", not complete"
    told = f"{counted(last.tenants, 'tenant')}, {last.submitted:,} submitted, {last.failed:,} failed{skipped}{whole}"
    return f"Last round, {in_utc(last.started_at)}: {told}"
