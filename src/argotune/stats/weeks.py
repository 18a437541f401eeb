"""Weeks: does what is scored in an hour of the week score less than in the same hour of the weeks before?

A mean that swings by day and week lies below its own average again and again. So what came in an hour is compared with
what came in the same hour of the week before: the null is that in no hour the mean lies more than `drift` below that of
all weeks before in that hour of the week, however it swings between hours.

From one hour of the week with n scores of mean x and m older ones of mean y comes h (y - x - drift), h = nm / (n + m).
If the null holds, exp(s h (y - x - drift) - s^2 h / 8) is expected to be at most 1 for each s > 0: a score in 0..1 is
sub-Gaussian with variance 1/4 (Hoeffding, J. Am. Stat. Assoc. 58, 1963). In a window of at most one week every hour of
the week occurs once, so its scores and those they are compared with are others each time, and all older ones are older
than the window. Their products over the hours since a start, mixed over s by a half normal density (Robbins 1970;
Howard, Ramdas, McAuliffe, Sekhon, "Time-uniform Chernoff bounds via nonnegative supermartingales", Probability Surveys
17, 2020), are the wealth since that start: ever above 1/a with a chance of at most a (Ville).

Somebody starts in every hour, as in the e-detectors of Shin, Ramdas and Rinaldo (2023); an alarm is the first whose
wealth reaches 1/a. So there are at most a false ones an hour, whatever comes in it. (Their sum would ask that older
scores are not seen before they are compared with, and they are.) What it asks: scores that, given the means, do not
depend on one another. While scores are still coming in for an hour its term is not a martingale, but has independent
increments in h for normal scores (Jennison and Turnbull, Group Sequential Methods, 2000, ch. 11).

Where few scores come in a week, the same is asked of whole weeks: those since one against all before, each hour of the
week being in each alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import numpy as np

HOURS_A_WEEK = 168

LAST_WEEKS = 12
"""So many whole weeks are compared with all before them: 840 scores a week of them tell a drop of ten points."""

_VARIANCE = 0.25
_MIXED = 14.0
"""The precision of the density of s: best where the variance that was seen is about 25 times that, as of a day of 100
scores an hour (V* / (2 log(1/a)), Howard et al. 2020, section 3.5)."""


@dataclass(frozen=True)
class Lower:
    """The mean of `count` scores since a start is `after` and was `before` in the same hours; the comparison is worth
    that of `worth` scores with a known mean. `since` is the hour of the start."""

    log_wealth: float
    before: float
    after: float
    count: int
    worth: float
    since: int


class Weeks(BaseModel):
    """Counts and sums of scores by hour of the week: of the last 168 hours, of all before them, and of the last whole
    weeks since an hour that they are `aligned` to. About 700 numbers however long; hours are counted since 1970."""

    model_config = ConfigDict(frozen=True)

    begun: int | None = None
    newest: int | None = None
    aligned: int | None = None
    counts: tuple[int, ...] = ()
    totals: tuple[float, ...] = ()
    past_counts: tuple[int, ...] = ()
    past_totals: tuple[float, ...] = ()
    week_counts: tuple[int, ...] = ()
    week_totals: tuple[float, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether every hour of a week lies behind."""
        return self.begun is not None and self.newest is not None and self.newest - self.begun >= HOURS_A_WEEK

    def after(self, hours: np.ndarray, scores: np.ndarray) -> Weeks:
        """With more scores, each of such an hour. What is older than the last week only says what the mean was."""
        import numpy as np

        begun = int(hours.min()) if self.begun is None else self.begun
        aligned = int(hours.min()) if self.aligned is None else self.aligned
        newest = int(hours.max()) if self.newest is None else max(int(hours.max()), self.newest)
        last, past = self._tables(newest)
        is_late = hours <= newest - HOURS_A_WEEK
        for table, chosen in ((last, ~is_late), (past, is_late)):
            phases = hours[chosen] % HOURS_A_WEEK
            table[0] += np.bincount(phases, minlength=HOURS_A_WEEK)
            table[1] += np.bincount(phases, scores[chosen], minlength=HOURS_A_WEEK)
        weeks = self._whole_weeks(aligned, newest, hours, scores)
        return _kept((begun, newest, aligned), (last, past, weeks))

    def _tables(self, newest: int) -> tuple[np.ndarray, np.ndarray]:
        """Counts and sums of the week that ends with an hour and of all before: what leaves one goes to the other."""
        import numpy as np

        last, past = _table(self.counts, self.totals), _table(self.past_counts, self.past_totals)
        passed = newest - (newest if self.newest is None else self.newest)
        leaving = (newest - np.arange(min(passed, HOURS_A_WEEK))) % HOURS_A_WEEK
        past[:, leaving] += last[:, leaving]
        last[:, leaving] = 0
        return last, past

    def _whole_weeks(self, aligned: int, newest: int, hours: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Counts and sums by week: all that are older than LAST_WEEKS, those, the present one."""
        import numpy as np

        old = newest if self.newest is None else self.newest
        was = 0 if self.aligned is None else (old - aligned) // HOURS_A_WEEK
        now = (newest - aligned) // HOURS_A_WEEK
        weeks = _table(self.week_counts, self.week_totals, LAST_WEEKS + 2)
        passed = min(now - was, LAST_WEEKS + 1)
        weeks[:, 0] += weeks[:, 1 : passed + 1].sum(axis=1)
        weeks[:, 1:] = np.concatenate([weeks[:, passed + 1 :], np.zeros((2, passed))], axis=1)
        places = np.clip((hours - aligned) // HOURS_A_WEEK - now + LAST_WEEKS + 1, 0, LAST_WEEKS + 1)
        weeks[0] += np.bincount(places, minlength=LAST_WEEKS + 2)
        weeks[1] += np.bincount(places, scores, minlength=LAST_WEEKS + 2)
        return weeks

    def lacks_past(self, hours: np.ndarray) -> np.ndarray:
        """Which of these hours cannot be compared: before the last week came less than a quarter of what came in it."""
        last, past = _table(self.counts, self.totals), _table(self.past_counts, self.past_totals)
        lacks: np.ndarray = (4 * past[0] < last[0])[hours % HOURS_A_WEEK]
        return lacks

    def until(self, hour: int) -> Weeks:
        """Without what came from an hour on, which is no part of what the mean was. The hours of the last week before
        it are; the whole weeks begin anew, with what came before them as what the mean was."""
        import numpy as np

        if self.newest is None or self.begun is None:
            return self
        last, past = _table(self.counts, self.totals), _table(self.past_counts, self.past_totals)
        stays = (self.newest - np.arange(max(0, min(self.newest - hour + 1, HOURS_A_WEEK)))) % HOURS_A_WEEK
        last[:, stays] = 0
        past += last
        weeks = _table((), (), LAST_WEEKS + 2)
        weeks[:, 0] = past.sum(axis=1)
        return _kept((self.begun, self.newest, None), (_table((), ()), past, weeks))

    def hour_of_last(self, count: int) -> int:
        """The hour since which the last so many scores have come, as far as the last week goes."""
        import numpy as np

        newest = self.newest or 0
        order = (newest - np.arange(HOURS_A_WEEK)) % HOURS_A_WEEK
        came = np.cumsum(_table(self.counts, self.totals)[0, order])
        return newest - min(int(np.searchsorted(came, count)), HOURS_A_WEEK - 1)

    def lower_in_hours(self, drift: float) -> Lower | None:
        """Since the start in the last week that has won most; None where nothing can be compared."""
        import numpy as np

        if self.newest is None or not self.past_counts:
            return None
        order = (self.newest - np.arange(HOURS_A_WEEK)) % HOURS_A_WEEK
        (n, x), (m, y) = (
            _table(self.counts, self.totals)[:, order],
            _table(self.past_counts, self.past_totals)[:, order],
        )
        worth = _worth(n, m)
        before, after = worth * y / np.maximum(m, 1), worth * x / np.maximum(n, 1)
        sums = np.cumsum([worth, before, after, np.where(worth > 0, n, 0)], axis=1)
        return _best(sums, drift, self.newest - np.arange(HOURS_A_WEEK))

    def lower_in_weeks(self, drift: float) -> Lower | None:
        """Since the start of the last whole weeks that has won most; None where nothing can be compared."""
        import numpy as np

        if self.newest is None or self.aligned is None:
            return None
        counts, totals = _table(self.week_counts, self.week_totals, LAST_WEEKS + 2)
        n, x = np.cumsum(counts[-2:0:-1]), np.cumsum(totals[-2:0:-1])
        m, y = counts[:-1].sum() - n, totals[:-1].sum() - x
        worth = _worth(n, m)
        before, after = worth * y / np.maximum(m, 1), worth * x / np.maximum(n, 1)
        present = self.newest - (self.newest - self.aligned) % HOURS_A_WEEK
        starts = present - HOURS_A_WEEK * np.arange(1, LAST_WEEKS + 1)
        return _best(np.array([worth, before, after, n]), drift, starts)


def log_won(gain: float, worth: float) -> float:
    """Of a start since which the sum of h (y - x - drift) is `gain`, which is above 0, and that of h is `worth`.

    The density of s is 2 N(s; 0, 1 / _MIXED), so the wealth is 2 sqrt(_MIXED / seen) exp(z^2 / 2) P(Z <= z) with z^2 =
    gain^2 / seen; P is bounded from below by 1 - exp(-z^2 / 2) / 2."""
    import numpy as np

    return float(_log_won(np.array([gain]), np.array([worth]))[0])


def _log_won(gains: np.ndarray, worth: np.ndarray) -> np.ndarray:
    import numpy as np

    seen = _VARIANCE * worth + _MIXED
    half = np.maximum(gains, 0) ** 2 / (2 * seen)
    won: np.ndarray = half + np.log(_MIXED / seen) / 2 + np.log(2 - np.exp(-half))
    return won


def wanted(size: float, log_asked: float) -> int:
    """How many scores with a known mean before, or twice as many on both sides, it takes until a drop of `size` beyond
    what is allowed has won so much."""
    worth = 1.0
    while log_won(worth * size, worth) < log_asked:
        worth *= 1.05
    return math.ceil(worth)


def _worth(n: np.ndarray, m: np.ndarray) -> np.ndarray:
    import numpy as np

    worth: np.ndarray = n * m / np.maximum(n + m, 1)
    return worth


def _best(sums: np.ndarray, drift: float, starts: np.ndarray) -> Lower | None:
    """Of `sums` by start: worth, what was, what is (both times worth), scores."""
    gains = sums[1] - sums[2] - drift * sums[0]
    won = _log_won(gains, sums[0])
    at = int(won.argmax())
    worth, before, after, count = sums[:, at].tolist()
    if gains[at] <= 0 or worth <= 0:
        return None
    mean = min(max(after / worth, 0.0), 1.0)
    return Lower(float(won[at]), min(max(before / worth, 0.0), 1.0), mean, round(count), worth, int(starts[at]))


def _table(counts: Sequence[int], totals: Sequence[float], width: int = HOURS_A_WEEK) -> np.ndarray:
    import numpy as np

    return np.array([counts, totals], dtype=float) if len(counts) == width == len(totals) else np.zeros((2, width))


def _kept(hours: tuple[int, int, int | None], tables: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Weeks:
    last, past, weeks = ((tuple(table[0].astype(int).tolist()), tuple(table[1].tolist())) for table in tables)
    return Weeks(
        begun=hours[0],
        newest=hours[1],
        aligned=hours[2],
        counts=last[0],
        totals=last[1],
        past_counts=past[0],
        past_totals=past[1],
        week_counts=weeks[0],
        week_totals=weeks[1],
    )
