"""Contests: how they stand, stopped by a person, and the significance of a year set back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from argotune.decisions.lessons import Lessons
from argotune.errors import ConfigInvalid, Corrupt, NotFound
from argotune.labels.queue import AnnotationQueue, keep_waiting
from argotune.pipeline.operations.asked import Deed, tenant_ids_of
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.contests import Contest, Shares
from argotune.promotion.verdicts import Numbers
from argotune.runs.book import RunBook
from argotune.runs.module_book import ModuleBook
from argotune.runs.tallies import keep_tally
from argotune.store.port import Store
from argotune.store.records import Unreadable, unreadable
from argotune.store.turns import in_turn
from argotune.tenants.agenda import forget_agenda
from argotune.tenants.catalog import Configs

RECENT = timedelta(days=30)
"""Contests that ended longer ago are not listed; each can be shown as long as it is kept."""

LEFT_OUT = "contest: "
"""How the counts of a run begin that say which evidence did not count."""


@dataclass(frozen=True)
class TenantContest:
    """A contest, and whose."""

    tenant_id: str
    contest: Contest


@dataclass(frozen=True)
class YearOfTenant:
    """What the contests of a tenant may spend in a year, what they hold and have spent of it, and what the next one may
    spend. `shares` tell when a person set it back, if ever."""

    tenant_id: str
    significance: float
    used: float
    next_level: float
    shares: Shares


@dataclass(frozen=True)
class FoundContests:
    """Open and recently ended contests, what is left of each tenant's year, and records that were left out."""

    contests: tuple[TenantContest, ...]
    years: tuple[YearOfTenant, ...]
    left_out: tuple[Unreadable, ...]


def list_contests(store: Store, now: datetime, tenant_id: str | None = None) -> FoundContests:
    """All that are open or ended within RECENT, oldest first, of one tenant or of all. Raises NotFound."""
    contests, years = list[TenantContest](), list[YearOfTenant]()
    for id in tenant_ids_of(store, tenant_id):
        found = [each for each in ContestBook(store, id).contests() if _is_shown(each, now)]
        contests += [TenantContest(id, contest) for contest in found]
        years += [_year_of(store, id, now)] if found or tenant_id else []
    return FoundContests(tuple(contests), tuple(years), unreadable())


def _is_shown(contest: Contest, now: datetime) -> bool:
    return contest.ended_at is None or contest.ended_at > now - RECENT


def _year_of(store: Store, tenant_id: str, now: datetime) -> YearOfTenant:
    shares, significance = ContestBook(store, tenant_id).shares(), Configs(store).get(tenant_id).gate.significance
    used = sum(shares.of_year(now))
    return YearOfTenant(tenant_id, significance, used, shares.next_level(significance, now), shares)


@dataclass(frozen=True)
class ContestStory:
    """A contest with the numbers of the run that judged it last (None: none did, or it was forgotten), and how much of
    its evidence did not count, by reason."""

    tenant_id: str
    contest: Contest
    numbers: Numbers | None
    left_out: Mapping[str, int] = field(default_factory=dict)


def show_contest(store: Store, id: str, tenant_id: str | None = None) -> ContestStory:
    """The story of a contest; without a tenant it is looked for in all of them. Raises NotFound and ConfigInvalid."""
    found = _find(store, id, tenant_id)
    try:
        run = RunBook(store, found.tenant_id).run(found.contest.judged_by)
    except (NotFound, Corrupt):
        return ContestStory(found.tenant_id, found.contest, None)
    left_out = {why.removeprefix(LEFT_OUT): n for why, n in run.counts.items() if why.startswith(LEFT_OUT)}
    return ContestStory(found.tenant_id, found.contest, run.verdict.numbers if run.verdict else None, left_out)


def stop_contest(store: Store, id: str, deed: Deed, now: datetime, tenant_id: str | None = None) -> TenantContest:
    """End an open contest; a pass that works on it meets that and ends, and nobody is asked for it any more. Raises
    NotFound, ConfigInvalid, and Conflict for a contest that has ended. What a crash leaves, the next pass does."""
    found = _find(store, id, tenant_id)
    stopped = ContestBook(store, found.tenant_id).stop(id, who=deed.who, reason=deed.reason, now=now)
    AnnotationQueue(store, found.tenant_id).withdraw(id, now)
    _wait_no_more(store, found.tenant_id, stopped)
    keep_tally(store, found.tenant_id, now)
    keep_waiting(store, found.tenant_id)
    forget_agenda(store, found.tenant_id)
    return TenantContest(found.tenant_id, stopped)


def _wait_no_more(store: Store, tenant_id: str, contest: Contest) -> None:
    """Nothing is due any more for what it waited for."""
    book = ModuleBook(store, tenant_id, contest.module)

    def work() -> None:
        waiting = book.read(Lessons).waiting
        if contest.program in waiting:
            book.change(Lessons, waiting={name: each for name, each in waiting.items() if name != contest.program})

    in_turn(f"what contests of {contest.module} wait for", work)


def reset_significance(store: Store, tenant_id: str, deed: Deed, now: datetime) -> YearOfTenant:
    """Let a new year begin for what a tenant's contests may spend; who did it and why is kept. Raises NotFound."""
    Configs(store).get(tenant_id)
    ContestBook(store, tenant_id).set_back(who=deed.who, reason=deed.reason, now=now)
    forget_agenda(store, tenant_id)
    return _year_of(store, tenant_id, now)


def _find(store: Store, id: str, tenant_id: str | None) -> TenantContest:
    found = [
        TenantContest(name, each) for name in tenant_ids_of(store, tenant_id) if (each := _contest(store, name, id))
    ]
    if not found:
        whose = "no tenant has a" if tenant_id is None else f"tenant {tenant_id!r} has no"
        raise NotFound(f"contest: {whose} contest {id[:80]!r}")
    if len(found) > 1:
        raise ConfigInvalid(f"{len(found)} tenants have a contest {id[:80]!r}: say whose", argument="tenant_id")
    return found[0]


def _contest(store: Store, tenant_id: str, id: str) -> Contest | None:
    try:
        return ContestBook(store, tenant_id).contest(id)
    except NotFound:
        return None
