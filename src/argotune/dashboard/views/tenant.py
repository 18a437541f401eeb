"""Tenant: how its champions do, its contests with what they still need, and its queue."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING

from argotune.dashboard.views.fleet import PlotBar
from argotune.dashboard.views.tiles import Tile, figure_of, in_utc
from argotune.pipeline.operations.inspecting import ServedProgram
from argotune.stats.wording import counted, percent, points

if TYPE_CHECKING:
    from argotune.labels.queue import QueueStanding
    from argotune.pipeline.operations.accuracy import HeldOutScore, ProgramAccuracy
    from argotune.promotion.contests import Contest


@dataclass(frozen=True)
class ServedView:
    """What serves for a program, in lines of text; `is_degraded`: it answers worse than it did, `is_idle`: the program
    as written serves and nothing challenges it."""

    program: str
    champion: str | None
    is_degraded: bool
    is_idle: bool
    lines: tuple[str, ...]


@dataclass(frozen=True)
class LivePoint:
    """The mean score of a day's answers (0..1), and what is told of it."""

    at: datetime
    mean: float
    scored_by: str
    told: str


@dataclass(frozen=True)
class ChampionMove:
    """That another version began to serve."""

    at: datetime
    told: str


@dataclass(frozen=True)
class HeldOutPoint:
    """A contest: the gain of its challenger in points of a hundred, and between which it lies."""

    at: datetime
    gain: float
    low: float
    high: float
    state: str
    told: str


@dataclass(frozen=True)
class AccuracyView:
    """A program over time."""

    program: str
    live: tuple[LivePoint, ...]
    moves: tuple[ChampionMove, ...]
    held_out: tuple[HeldOutPoint, ...]


@dataclass(frozen=True)
class WealthPoint:
    """What one coin that was bet on the challenger has become, as a power of ten."""

    at: datetime
    power: float
    told: str


@dataclass(frozen=True)
class ContestView:
    """A contest. `asked` is the power of ten that promotes, `labels` those in hand, `needed` those that it still takes
    (None: nobody knows), `waiting` spans that are in front of people for it."""

    id: str
    program: str
    champion: str
    challenger: str
    is_open: bool
    sentence: str
    asked: float
    curve: tuple[WealthPoint, ...]
    labels: int
    needed: int | None
    waiting: int

    @property
    def share(self) -> float | None:
        """How many of all labels that it takes are in hand, 0..1; None where nobody knows."""
        return None if self.needed is None else self.labels / max(self.labels + self.needed, 1)

    @property
    def told(self) -> str:
        """Of labels, in words."""
        known = "how many it still takes is not known" if self.needed is None else f"about {self.needed:,} still needed"
        return f"{counted(self.labels, 'label')} in hand, {known}, {counted(self.waiting, 'span')} in front of people"


@dataclass(frozen=True)
class QueueView:
    """The queue: numbers, and for what its spans wait."""

    tiles: tuple[Tile, ...]
    by_program: tuple[PlotBar, ...]
    by_contest: tuple[PlotBar, ...]


def served_views(programs: Sequence[ServedProgram]) -> tuple[ServedView, ...]:
    """A card for each program, those that got worse first."""
    return tuple(sorted(map(_view, programs), key=lambda each: not each.is_degraded))


def _view(each: ServedProgram) -> ServedView:
    is_idle = not (each.champion or each.contest or each.is_degraded)
    return ServedView(each.program, each.champion, each.is_degraded, is_idle, tuple(_served(each)))


def _served(each: ServedProgram) -> Iterable[str]:
    pooled = ", from the pool" if each.is_pooled else ""
    yield f"since {in_utc(each.since)}{pooled}" if each.champion else "the program as written serves"
    if each.last_run_at:
        yield f"last run {in_utc(each.last_run_at)}: {each.sentence or each.outcome or '-'}"
    yield from (f"live quality: {sentence}" for sentence in each.live)
    if each.without_lm:
        yield f"without an LM: {each.without_lm}"
    if each.barred:
        yield f"rolled back: {', '.join(each.barred)}"


def accuracy_view(found: ProgramAccuracy) -> AccuracyView:
    """A program's live scores, its champions and its contests, for plots."""
    live = [
        LivePoint(
            at=datetime.combine(score.day, time(), UTC),
            mean=score.mean,
            scored_by=score.scored_by,
            told=f"{score.version}: {percent(score.mean)} of {counted(score.count, 'answer')}, by {score.scored_by}",
        )
        for score in found.live
    ]
    moves = [ChampionMove(each.at, f"{each.version} {each.how} by {each.who}") for each in found.changes]
    return AccuracyView(found.program, tuple(live), tuple(moves), tuple(map(_held_out, found.held_out)))


def _held_out(each: HeldOutScore) -> HeldOutPoint:
    between = f"{points(each.low)} to {points(each.high)}"
    told = f"{each.challenger} against {each.champion}: {points(each.effect)} points ({between})"
    means = (each.champion_mean, each.challenger_mean)
    sealed = [percent(mean) for mean in means if mean is not None]
    told += f", sealed examples {' -> '.join(sealed)}" if len(sealed) == len(means) else ""
    told += f", {counted(each.labels, 'label')}"
    return HeldOutPoint(each.at, 100 * each.effect, 100 * each.low, 100 * each.high, each.state, told)


def contest_view(contest: Contest) -> ContestView:
    """A contest for its plot."""
    curve = [
        WealthPoint(
            at=each.at,
            power=each.log_wealth / math.log(10),
            told=f"{counted(each.labels, 'label')}, {counted(each.answers, 'answer')} of both, {each.differ} differ",
        )
        for each in contest.curve
    ]
    return ContestView(
        id=contest.id,
        program=contest.program,
        champion=contest.champion,
        challenger=contest.challenger,
        is_open=contest.is_open,
        sentence=contest.sentence,
        asked=-math.log10(contest.level),
        curve=tuple(curve),
        labels=len(contest.judged),
        needed=contest.outlook.labels if contest.outlook else None,
        waiting=len(contest.wait),
    )


def queue_view(found: QueueStanding) -> QueueView:
    """The queue for tiles and plots."""
    today = f"{found.queued_today:,} of {found.daily_limit:,} a day"
    oldest = f"the oldest since {in_utc(found.oldest_at)}" if found.oldest_at else ""
    return QueueView(
        tiles=(
            Tile("Wait for a label", figure_of(found.waiting), oldest),
            Tile("Queued today", figure_of(found.queued_today), today),
            Tile("Daily limit", figure_of(found.daily_limit)),
        ),
        by_program=_bars(found.by_program),
        by_contest=_bars(found.by_contest),
    )


def _bars(spans: Mapping[str, int]) -> tuple[PlotBar, ...]:
    return tuple(PlotBar(name, n, counted(n, "span")) for name, n in sorted(spans.items()))
