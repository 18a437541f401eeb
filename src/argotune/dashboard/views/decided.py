"""Decided: why a tenant's programs were trained or skipped, run by run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from argotune.dashboard.views.fleet import PlotBar
from argotune.dashboard.views.tiles import Tile, figure_of, in_utc
from argotune.stats.wording import counted, points

if TYPE_CHECKING:
    from argotune.pipeline.operations.decisions import RunDecision

GOES_ON = "a contest goes on"
BY = {
    "floor": "nothing could be chosen",
    "forced": "a person forced it",
    "rules": "the rules",
    "model": "the meta-model",
    "chance": "chance",
}


@dataclass(frozen=True)
class DecidedPoint:
    """A run in the plot of all: when, of what, what was decided and what came of it."""

    run_id: str
    at: datetime
    program: str
    outcome: str
    told: str


@dataclass(frozen=True)
class DecidedView:
    """What the page shows of all runs."""

    tiles: tuple[Tile, ...]
    runs: tuple[DecidedPoint, ...]
    by: tuple[PlotBar, ...]
    reasons: tuple[PlotBar, ...]


@dataclass(frozen=True)
class RunView:
    """One run: facts in pairs of a name and a text, and what each feature added to the expected gain, in points."""

    run_id: str
    headline: str
    facts: tuple[tuple[str, str], ...]
    contributions: tuple[PlotBar, ...]
    challenger: str | None
    was_decided: bool


def decided_view(found: Sequence[RunDecision]) -> DecidedView:
    """Of the runs that were asked for, newest first."""
    trained = sum(each.trains for each in found)
    by = Counter(map(_by, found))
    return DecidedView(
        tiles=(
            Tile("Runs", figure_of(len(found)), "the newest of this tenant"),
            Tile("Trained", figure_of(trained), "decided to train"),
            Tile("Not trained", figure_of(len(found) - trained), "skipped, ended before, or a contest goes on"),
            Tile("Promoted", figure_of(sum(each.outcome == "promoted" for each in found))),
            Tile("LM calls", figure_of(sum(each.spent.lm_calls for each in found))),
        ),
        runs=tuple(map(_point, found)),
        by=tuple(PlotBar(name, n, counted(n, "run")) for name, n in by.most_common()),
        reasons=_reasons(found),
    )


def _by(each: RunDecision) -> str:
    """Who decided; a run that goes on with a contest has nothing to decide."""
    return BY.get(each.by, each.by) if each.by else GOES_ON if each.contest else "it ended before"


def _point(each: RunDecision) -> DecidedPoint:
    return DecidedPoint(each.run_id, each.at, each.program, each.outcome, f"{each.decided or '-'}: {each.reason}")


def _reasons(found: Sequence[RunDecision]) -> tuple[PlotBar, ...]:
    """Why nothing was trained, the commonest first."""
    why = Counter(_why_not(each) for each in found if not each.trains)
    return tuple(PlotBar(reason, n, counted(n, "run")) for reason, n in why.most_common(8))


def _why_not(each: RunDecision) -> str:
    return GOES_ON if each.by is None and each.contest else each.reason or each.sentence


def run_view(each: RunDecision) -> RunView:
    """One of them."""
    gain = "-" if each.expected_gain is None else f"{points(each.expected_gain)} points"
    chance = "-" if each.probability is None else f"{each.probability:.3g}"
    facts = (
        ("decided", each.decided or "-"),
        ("by", _by(each)),
        ("because", each.reason or "-"),
        ("came to", each.sentence),
        ("expected gain", gain),
        ("measured gain", "-" if each.effect is None else f"{points(each.effect)} points"),
        ("drawn with probability", chance),
        ("trained on", each.trained_on),
        ("spent", each.spent.sentence),
        ("from", in_utc(each.at)),
        ("to", in_utc(each.ended_at)),
    )
    bars = [
        PlotBar(c.feature, 100 * c.gain, "unknown" if c.value is None else f"{c.value:g}") for c in each.contributions
    ]
    headline = f"{each.program}: {each.decided or _by(each)}, {each.outcome}"
    return RunView(each.run_id, headline, facts, tuple(bars), each.challenger, each.by is not None)
