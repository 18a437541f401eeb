"""Accuracy: how a tenant's champions did over time: by day on live requests, and contest by contest on what was held
out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime

from argotune.data.live_quality import DayScores, live_qualities
from argotune.data.spans import Json
from argotune.errors import ConfigInvalid
from argotune.pipeline.operations.asked import tenant_ids_of
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.contests import Contest
from argotune.promotion.registry import Registry
from argotune.promotion.verdicts import Numbers
from argotune.promotion.versions import Champion, Change
from argotune.runs.book import RunBook
from argotune.store.port import Store


@dataclass(frozen=True)
class DayAccuracy:
    """The `mean` score, in 0..1, of `count` answers that a version gave on a day (UTC), by what `scored_by` says:
    people or outcomes."""

    day: date
    version: str
    scored_by: str
    count: int
    mean: float


@dataclass(frozen=True)
class HeldOutScore:
    """A contest as it was judged last, `at` its end or its last pass: the means of both versions over sealed examples
    (None: there were none), and the gain, `low` to `high` at any time; all in score. `labels` judged."""

    contest: str
    champion: str
    challenger: str
    at: datetime
    state: str
    champion_mean: float | None
    challenger_mean: float | None
    effect: float
    low: float
    high: float
    labels: int


@dataclass(frozen=True)
class ProgramAccuracy:
    """One program: what serves (None: as written), its live answers by day, what contests measured, and when another
    version began to serve; each oldest first."""

    tenant_id: str
    program: str
    champion: str | None
    live: tuple[DayAccuracy, ...]
    held_out: tuple[HeldOutScore, ...]
    changes: tuple[Change, ...]

    def as_json(self) -> Mapping[str, Json]:
        """For programs."""
        return {
            "tenant_id": self.tenant_id,
            "program": self.program,
            "champion": self.champion,
            "live": [{**asdict(each), "day": each.day.isoformat()} for each in self.live],
            "held_out": [{**asdict(each), "at": each.at.isoformat()} for each in self.held_out],
            "changes": [change.model_dump(mode="json") for change in self.changes],
        }


def accuracy_over_time(store: Store, tenant_id: str, program: str | None = None) -> tuple[ProgramAccuracy, ...]:
    """Of the programs of which something is known, by name, or of one. Raises NotFound for an unknown tenant and
    ConfigInvalid for a program of which nothing is known."""
    tenant_ids_of(store, tenant_id)
    registry, contests = Registry(store, tenant_id), ContestBook(store, tenant_id).contests()
    champions = {champion.program: champion for champion in registry.champions()}
    live = {each.program: _days(each.days) for each in live_qualities(store, tenant_id)}
    held_out = _held_out(RunBook(store, tenant_id), contests)
    names = sorted(champions.keys() | live.keys() | held_out.keys())
    if program is not None and program not in names:
        known = ", ".join(names) or "none"
        raise ConfigInvalid(f"{program[:60]!r} is no program of which something is known: {known}", argument="program")
    return tuple(
        ProgramAccuracy(
            tenant_id=tenant_id,
            program=name,
            champion=_serving(champions.get(name)),
            live=live.get(name, ()),
            held_out=held_out.get(name, ()),
            changes=tuple(registry.history(name)),
        )
        for name in names
        if program in (None, name)
    )


def _serving(champion: Champion | None) -> str | None:
    return champion.version if champion else None


def _days(days: Iterable[DayScores]) -> tuple[DayAccuracy, ...]:
    return tuple(
        DayAccuracy(each.day, each.version, each.scored_by.name.lower(), each.count, each.mean) for each in days
    )


def _held_out(book: RunBook, contests: Iterable[Contest]) -> Mapping[str, tuple[HeldOutScore, ...]]:
    """By program, of contests whose last judging run is kept."""
    judged = [contest for contest in contests if contest.judged_by]
    verdicts = {run.id: run.verdict for run in book.runs_named(contest.judged_by for contest in judged)}
    found: dict[str, tuple[HeldOutScore, ...]] = {}
    for contest in judged:
        if verdict := verdicts.get(contest.judged_by):
            found[contest.program] = (*found.get(contest.program, ()), _score(contest, verdict.numbers))
    return found


def _score(contest: Contest, numbers: Numbers) -> HeldOutScore:
    last = contest.curve[-1].at if contest.curve else contest.opened_at
    return HeldOutScore(
        contest=contest.id,
        champion=contest.champion,
        challenger=contest.challenger,
        at=contest.ended_at or last,
        state=contest.state.value,
        champion_mean=numbers.champion_mean,
        challenger_mean=numbers.challenger_mean,
        effect=numbers.effect,
        low=numbers.interval.low,
        high=numbers.interval.high,
        labels=numbers.labels,
    )
