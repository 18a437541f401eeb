"""Drops: has the mean of a stream of scores fallen below what it was? Looked at after every score, for years.

A test asks once and ends; what serves is watched as long as it serves, and a drop may come at any time. So at each
score somebody begins to play against "the mean is still what it was" with a small stake, in the way of betting.py, and
all who ever began go on. Their wealth together is an e-detector of Shiryaev-Roberts form: Shin, Ramdas and Rinaldo,
"E-detectors: a nonparametric framework for sequential change detection", New England J. Stat. Data Sci. (2023).

Where they give each newcomer 1 and raise an alarm at 1/a, here each gets a part of what is `allotted` to the time that
has passed, and the alarm is at 1: W(t) = (W(t-1) + w(t)) e(t), where the e(t) are bets of which none is expected to
gain while the mean is what it was, and w(t) is known before the score. Then W(t) less all that was allotted is a
supermartingale. An alarm takes 1 out of it; so the alarms that are expected while nothing has fallen are at most what
was allotted, however many scores a year has. With w = a throughout it is their bound: 1/a scores on average until a
false alarm.

What the mean was is not known, but at least `low`: the highest lower end so far of the confidence sequence of all
scores before (`share_interval`), which a later drop cannot lower. It is above the mean with a chance of at most
BASELINE_LEVEL, ever. What it asks: that each score is expected, given those before it, to be at least the mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from argotune.errors import ConfigInvalid
from argotune.stats.betting import STAKES, share_interval

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
    """What is known of a stream of scores in 0..1: some forty numbers, however long it is.

    `count` scores with the sum `total` are its baseline, of which the mean is at least `low`, as was last measured at
    `measured` scores. `drop` stands from when it is found until the mean is back.
    """

    count: int = 0
    total: float = 0.0
    low: float = 0.0
    measured: int = 0
    lines: tuple[StakeLine, ...] = _FRESH
    drop: Drop | None = None

    @property
    def mean(self) -> float | None:
        """Of the baseline, None where there are no scores."""
        return self.total / self.count if self.count else None

    def can_tell(self, threshold: float) -> bool:
        """Whether a drop of `threshold` would lie below what the mean is known to have been."""
        return self.count > 0 and self.total / self.count - self.low < threshold

    def wanted(self, threshold: float) -> int:
        """About how many scores of this mean it takes until such a drop can be told."""
        mean, n = self.mean if self.mean is not None else 0.5, 8
        while mean - share_interval(mean * n, n, BASELINE_LEVEL).low >= threshold:
            n = math.ceil(n * 1.1)
        return n

    def after(self, scores: Sequence[float], allotted: float, threshold: float) -> DropDetector:
        """The detector after more scores, in their order, for which so many false alarms are `allotted`.

        A drop is found where the mean is below `low` beyond doubt and may well have fallen by `threshold`; smaller ones
        are left alone. One that was found is over where the mean is, with the same certainty, less than `threshold`
        below what it was. Raises ConfigInvalid for a score outside 0..1.
        """
        import numpy as np

        values = np.asarray(scores, dtype=float)
        if not values.size:
            return self
        if not bool(((values >= 0) & (values <= 1)).all()):
            raise ConfigInvalid(f"scores: {values[~((values >= 0) & (values <= 1))][0]} is not within 0..1")
        return self._fallen(values, allotted, threshold) if self.drop else self._watched(values, allotted, threshold)

    def _watched(self, values: np.ndarray, allotted: float, threshold: float) -> DropDetector:
        lines = _played(self.lines, values, self.low, allotted)
        count, total = self.count + values.size, self.total + float(values.sum())
        low, measured = self.low, self.measured
        if count >= measured * MEASURED_AGAIN:
            low, measured = max(low, share_interval(min(total, count), count, BASELINE_LEVEL).low), count
        found = DropDetector(count=count, total=total, low=low, measured=measured, lines=lines)
        drop = found._told(threshold)
        return found.model_copy(update={"drop": drop, "lines": _FRESH}) if drop else found

    def _told(self, threshold: float) -> Drop | None:
        """The drop since whoever has won most began, None where it is not beyond doubt or too small."""
        if math.fsum(line.won for line in self.lines) < 1:
            return None
        since = max(self.lines, key=lambda line: line.won)
        if not since.count:
            return None
        rest = self.count - since.count
        before = min(max((self.total - since.total) / rest, 0.0), 1.0) if rest else self.low
        after = since.total / since.count
        variance = after * (1 - after) / since.count + (before * (1 - before) / rest if rest else 0.0)
        if before - after + TOLD_WITH * math.sqrt(max(variance, 0.0)) < threshold:
            return None
        return Drop(before=before, after=after, count=since.count)

    def _fallen(self, values: np.ndarray, allotted: float, threshold: float) -> DropDetector:
        assert self.drop is not None
        risen = 1 - max(self.drop.before - threshold, 0.0)
        lines = _played(self.lines, 1 - values, min(risen, 1 - 1e-6), allotted)
        if math.fsum(line.won for line in lines) >= 1:
            return self.model_copy(update={"drop": None, "lines": _FRESH})
        count, total = self.drop.count + values.size, self.drop.after * self.drop.count + float(values.sum())
        drop = Drop(before=self.drop.before, after=min(total / count, 1.0), count=count)
        return self.model_copy(update={"lines": lines, "drop": drop})


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
