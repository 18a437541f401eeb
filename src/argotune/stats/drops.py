"""Drops: has the mean of a stream of scores fallen below what it was? Looked at after every score, for years.

Means swing by day and week, and what is no drop must not be told as one. Three detectors look on; what false alarms a
year allots is shared among them. An alarm is told where its mean may well have fallen by the `threshold`.

1. Hours (half of what is allotted; weeks.py): the scores since some hour of the last week against those of the same
   hours of the weeks before. Null: in no hour of the week the mean is more than `drift` below that of its past.
2. Whole weeks (a quarter; weeks.py), where an hour has few scores. Same null, of the mean of a week.
3. A floor (a quarter), for hours with so few older scores that nothing can be compared: all of the first week, or a
   silence before. Null: no score in them is expected, given those before it, to lie more than `swing` below the mean of
   all before, at any time. At each such score somebody begins to play against that with a small stake, in the way of
   betting.py, and all who ever began go on; their wealth together is an e-detector of Shiryaev-Roberts form: Shin,
   Ramdas and Rinaldo, "E-detectors: a nonparametric framework for sequential change detection", New England J. Stat.
   Data Sci. (2023). Where they give each newcomer 1 and raise an alarm at 1/a, here each gets a part of what is
   `allotted` to the time that has passed, and the alarm is at 1: W(t) = (W(t-1) + w(t)) e(t), with bets e(t) of which
   none is expected to gain under the null, and w(t) known before the score. Then W(t) less all that was allotted is a
   supermartingale, and an alarm takes 1 out of it. The mean of all before is at least `low`: the highest lower end so
   far of its confidence sequence (`share_interval`), which a later drop cannot lower; wrong with a chance of at most
   BASELINE_LEVEL, ever. (For hits whose mean changes the tails of their sum are no heavier than at one mean: Hoeffding,
   Ann. Math. Stat. 27, 1956.)

So while the nulls hold the false alarms that are expected are at most what was allotted, however many scores come, and
beside them what BASELINE_LEVEL grants each champion. What lies between `drift` and `threshold` is no null and mostly
silent, as it is not told. What moves one hour of the week after the other by about the threshold for most of a day is
told, whatever moved it: no detector can tell a hard day from a drop while it lasts. A decline over five weeks or more
is told from a season by none, as what it is compared with declines as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from argotune.errors import ConfigInvalid
from argotune.stats import weeks
from argotune.stats.betting import STAKES, share_interval
from argotune.stats.weeks import HOURS_A_WEEK, Lower, Weeks

if TYPE_CHECKING:
    import numpy as np

BASELINE_LEVEL = 0.01
"""The chance that a baseline's lower end is ever above the mean."""

MEASURED_AGAIN = 1.02
"""A lower end is computed anew when the scores before it grew by so much: any choice that looks at no score will do."""

MOST_WON = 10.0
"""Wealth is cut here, which takes and never gives: who has won more would go on winning for long after a return."""

TOLD_WITH = 1.645
"""Standard errors: a drop is told where 95 of 100 such estimates would not lie below."""

HOURS_A_YEAR = 8766.0

_PARTS = {"hours": 0.5, "weeks": 0.25, "floor": 0.25}
"""Of what is allotted."""


@dataclass(frozen=True)
class DropRule:
    """From which `threshold` a fall is a drop; how far the mean may `swing` below what it is on average, and how far
    the same hours of a week may `drift` below those before, all in 0..1; and so many false `alarms_a_year`."""

    threshold: float
    swing: float
    drift: float
    alarms_a_year: float

    @property
    def allowed(self) -> float:
        """What may drift: half of what counts as a drop at most, or none could be told."""
        return min(self.drift, self.threshold / 2)

    @property
    def log_asked_of_hours(self) -> float:
        """The logarithm of what must be won since an hour, where one starts in every hour."""
        return math.log(HOURS_A_YEAR / (self.alarms_a_year * _PARTS["hours"]))

    @property
    def log_asked_of_weeks(self) -> float:
        """The same where one starts in every week."""
        return math.log(HOURS_A_YEAR / HOURS_A_WEEK / (self.alarms_a_year * _PARTS["weeks"]))


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True)


class StakeLine(_Kept):
    """What those have won who play with one stake. `gain` is that of whoever began at the best moment (CUSUM), and
    `count` scores with the sum `total` are those since then."""

    won: float = 0.0
    gain: float = 1.0
    count: int = 0
    total: float = 0.0


class Drop(_Kept):
    """The mean fell from `before` to `after`, the mean of `count` scores since it fell, as far as one can tell."""

    before: float
    after: float
    count: int


_FRESH = (StakeLine(),) * len(STAKES)


class DropDetector(_Kept):
    """What is known of a stream of scores in 0..1: some 750 numbers, however long it is.

    `count` scores with the sum `total` are its baseline, of which the mean is at least `low`, as was last measured at
    `measured` scores; `weeks` has them by hour of the week. `drop` stands from when it is found until the mean is back.
    """

    count: int = 0
    total: float = 0.0
    low: float = 0.0
    measured: int = 0
    lines: tuple[StakeLine, ...] = _FRESH
    weeks: Weeks = Weeks()
    drop: Drop | None = None

    @property
    def mean(self) -> float | None:
        """Of the baseline, None where there are no scores."""
        return self.total / self.count if self.count else None

    def can_tell(self, rule: DropRule) -> bool:
        """Whether a drop of the threshold can be told: a week is known, and there are enough scores to compare with."""
        return self.weeks.is_known and self.count >= self.wanted(rule)

    def wanted(self, rule: DropRule) -> int:
        """About how many scores before it, and as many after, it takes until such a drop can be told."""
        return 2 * weeks.wanted(rule.threshold - rule.allowed, rule.log_asked_of_hours)

    def least_told(self, rule: DropRule) -> float:
        """How large a drop must at least be that is told at once, whatever the mean's swing."""
        below = (self.mean or 0.0) - max(self.low - rule.swing, 0.0)
        return max(below, rule.threshold)

    def after(self, scores: Sequence[float], hours: Sequence[int], allotted: float, rule: DropRule) -> DropDetector:
        """The detector after more scores, each of an hour since 1970, for which `allotted` false alarms are the part of
        a year's that the time since the last ones brings.

        A drop that was found is over where the mean is, as surely, less than half of the threshold below what it was: a
        swing that reaches up to the fallen mean's edge ends no drop. Raises ConfigInvalid for a score outside 0..1.
        """
        import numpy as np

        values = np.asarray(scores, dtype=float)
        if not values.size:
            return self
        if not bool(((values >= 0) & (values <= 1)).all()):
            raise ConfigInvalid(f"scores: {values[~((values >= 0) & (values <= 1))][0]} is not within 0..1")
        if self.drop:
            return self._fallen(self.drop, values, allotted, rule)
        return self._watched(values, np.asarray(hours, dtype=int), allotted, rule)

    def _watched(self, values: np.ndarray, hours: np.ndarray, allotted: float, rule: DropRule) -> DropDetector:
        floor = max(self.low - rule.swing, 0.0)
        count, total = self.count + values.size, self.total + float(values.sum())
        low, measured = self.low, self.measured
        known = self.weeks.after(hours, values)
        alone = values[known.lacks_past(hours)]
        if count >= measured * MEASURED_AGAIN:
            low, measured = max(low, share_interval(min(total, count), count, BASELINE_LEVEL).low), count
        found = DropDetector(
            count=count,
            total=total,
            low=low,
            measured=measured,
            lines=_played(self.lines, alone, floor, allotted * _PARTS["floor"]) if alone.size else self.lines,
            weeks=known,
        )
        return found._told(rule, is_floor_played=alone.size > 0)

    def _told(self, rule: DropRule, *, is_floor_played: bool) -> DropDetector:
        """With the first drop of those that are beyond doubt that is large enough to be told."""
        asked = (rule.log_asked_of_hours, rule.log_asked_of_weeks)
        lower = (self.weeks.lower_in_hours(rule.allowed), self.weeks.lower_in_weeks(rule.allowed))
        for found, log_asked in zip(lower, asked, strict=True):
            if found and found.log_wealth >= log_asked and _may_be(found, rule.threshold):
                return self._with(Drop(before=found.before, after=found.after, count=found.count), found.since)
        if not is_floor_played or math.fsum(line.won for line in self.lines) < 1:
            return self
        since = self._below_floor()
        if since is None or not _may_be(since, rule.threshold):
            return self
        return self._with(Drop(before=since.before, after=since.after, count=since.count), since.since)

    def _with(self, drop: Drop, since: int) -> DropDetector:
        """What came since it fell is no part of the baseline."""
        count = max(self.count - drop.count, 0)
        total = min(max(self.total - drop.after * drop.count, 0.0), float(count))
        kept = {"count": count, "total": total, "measured": min(self.measured, count)}
        return self.model_copy(update={**kept, "lines": _FRESH, "weeks": self.weeks.until(since), "drop": drop})

    def _below_floor(self) -> Lower | None:
        """Since whoever has won most against the floor began, None where nobody has."""
        best = max(self.lines, key=lambda line: line.won)
        if not best.count:
            return None
        rest = self.count - best.count
        before = min(max((self.total - best.total) / rest, 0.0), 1.0) if rest else self.low
        after = min(max(best.total / best.count, 0.0), 1.0)
        worth = best.count * rest / self.count if rest else float(best.count)
        return Lower(math.log(best.won), before, after, best.count, worth, self.weeks.hour_of_last(best.count))

    def _fallen(self, drop: Drop, values: np.ndarray, allotted: float, rule: DropRule) -> DropDetector:
        risen = 1 - max(drop.before - rule.threshold / 2, 0.0)
        lines = _played(self.lines, 1 - values, min(risen, 1 - 1e-6), allotted)
        if math.fsum(line.won for line in lines) >= 1:
            return self.model_copy(update={"drop": None, "lines": _FRESH})
        count, total = drop.count + values.size, drop.after * drop.count + float(values.sum())
        fallen = Drop(before=drop.before, after=min(total / count, 1.0), count=count)
        return self.model_copy(update={"lines": lines, "drop": fallen})


def _may_be(found: Lower, size: float) -> bool:
    """Whether it may well have fallen by so much."""
    error = math.sqrt(max(found.after * (1 - found.after), 0.0) / found.worth)
    return found.before - found.after + TOLD_WITH * error >= size


def _played(lines: Sequence[StakeLine], values: np.ndarray, low: float, allotted: float) -> tuple[StakeLine, ...]:
    """Each stake's players after some scores, bet against "the mean is at least `low`" with what each score's part of
    `allotted` lets begin: e = 1 + stake (low - x) / (1 - low), of which the mean is at most 1 where that holds.

    What began at the i-th of n scores is multiplied by all bets from it on, so the products from the end are summed.
    """
    import numpy as np

    bets = 1 + np.outer((low - values) / (1 - low), list(STAKES))
    products = np.cumprod(bets[::-1], axis=0)
    whole, begun = products[-1], products.sum(axis=0) * allotted / values.size
    count, total = values.size, float(values.sum())
    return tuple(
        _line(line, float(gained), share * float(new), count, total)
        for line, share, gained, new in zip(lines, STAKES.values(), whole, begun, strict=True)
    )


def _line(line: StakeLine, gained: float, begun: float, count: int, total: float) -> StakeLine:
    won, gain = min(line.won * gained + begun, MOST_WON), min(max(line.gain, 1.0) * gained, 1e100)
    if gain <= 1:
        return StakeLine(won=won, gain=1.0)
    return StakeLine(won=won, gain=gain, count=line.count + count, total=line.total + total)
