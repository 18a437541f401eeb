"""Ways of spending a year's significance over contests, on simulated tenant-years with the real bets.

    python benchmarks/significance.py [--years 1000] [--seed 1] [--labels 7300] [--gains 0.3] [--same-questions]

A tenant has 7 programs and so many labels a year. Seven contests open at a time; a share `--gains` of the challengers
is better (+5, +10, +3 or +19 points), the others are equal or worse. A contest ends when its wealth and its estimate
promote it, when its upper end falls below +2 points, or after 400 labels. With --same-questions the seven contests of a
round have the very same outcomes. Prints a Markdown table of the ways: e-LOND is that of Xu and Ramdas, "Online
multiple testing with e-values" (2024).
"""

from __future__ import annotations

import argparse
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
from wealth_paths import log_wealth_path

from argotune.stats.significance import next_level, spent_by

SIGNIFICANCE, NO_BETTER_LEVEL, MIN_EFFECT = 0.05, 0.05, 0.02
PROGRAMS, MOST_LABELS = 7, 400
NO_GAINS = ((0.075, 0.075), (0.05, 0.10), (0.15, 0.15))
GAINS = ((0.10, 0.05), (0.20, 0.10), (0.06, 0.03), (0.30, 0.11))
"""Shares of requests that the challenger wins and loses; the first gain is +5 points."""


class Way(ABC):
    """One tenant's way of spending its significance."""

    @abstractmethod
    def take(self) -> float:
        """The level of the contest that opens."""

    def end(self, level: float, log_wealth: float, is_promoted: bool) -> None:  # noqa: B027 (most ways forget)
        """A contest of this level has ended."""


class Always(Way):
    def take(self) -> float:
        return SIGNIFICANCE


@dataclass
class Series(Way):
    """Shares c / ((k + c - 1)(k + c)) of the significance; with c = 0 shares 6 / (pi k)^2."""

    c: int
    k: int = 0

    def take(self) -> float:
        self.k += 1
        share = self.c / ((self.k + self.c - 1) * (self.k + self.c)) if self.c else 6 / (math.pi * self.k) ** 2
        return SIGNIFICANCE * share


@dataclass
class ELond(Series):
    """The series times one more than the promotions so far: bounds the false share of promotions, not their number."""

    promotions: int = 0

    def take(self) -> float:
        return min(1.0, super().take() * (1 + self.promotions))

    def end(self, _level: float, _log_wealth: float, is_promoted: bool) -> None:
        self.promotions += is_promoted


@dataclass
class Ours(Way):
    """What significance.py does."""

    spent: list[float] = field(default_factory=list)

    def take(self) -> float:
        level = next_level(SIGNIFICANCE, self.spent)
        self.spent.append(level)
        return level

    def end(self, level: float, log_wealth: float, is_promoted: bool) -> None:
        self.spent.remove(level)
        self.spent.append(spent_by(level, log_wealth, is_promoted=is_promoted))


@dataclass
class Evenly(Ours):
    """What `next_level` gives to the contests of a round together, in equal parts."""

    opened: int = 0

    def take(self) -> float:
        first, others = sum(self.spent), list(self.spent)
        for _ in range(PROGRAMS - self.opened):
            others.append(next_level(SIGNIFICANCE, others))
        level = (sum(others) - first) / (PROGRAMS - self.opened)
        self.opened += 1
        self.spent.append(level)
        return level

    def end(self, level: float, log_wealth: float, is_promoted: bool) -> None:
        self.opened = 0
        super().end(level, log_wealth, is_promoted)


@dataclass
class Tenth(Ours):
    """A tenth of what is left, whatever that is."""

    def take(self) -> float:
        level = (SIGNIFICANCE - sum(self.spent)) / 10
        self.spent.append(level)
        return level


WAYS = {
    "a fixed level of 0.05": Always,
    "6 / (pi k)^2": lambda: Series(0),
    "4 / ((k + 3)(k + 4))": lambda: Series(4),
    "10 / ((k + 9)(k + 10))": lambda: Series(10),
    "e-LOND on the first series": lambda: ELond(0),
    "e-LOND on the third": lambda: ELond(10),
    "**next_level, spent_by**": Ours,
    "the same, evenly in a round": Evenly,
    "a tenth of what is left, spent_by": Tenth,
}


@dataclass(frozen=True)
class Contests:
    """One contest of every tenant: the wealth after each label, and when it ends unless promoted before."""

    is_gain: np.ndarray
    is_plus_five: np.ndarray
    wealth: np.ndarray
    is_useful: np.ndarray
    ends_at: np.ndarray


def drawn(years: int, gains: float, rng: np.random.Generator) -> Contests:
    shares = np.array(NO_GAINS + GAINS)
    is_gain = rng.random(years) < gains
    kind = np.where(is_gain, rng.integers(len(NO_GAINS), len(shares), years), rng.integers(0, len(NO_GAINS), years))
    disagree = shares[kind].sum(axis=1)
    wins = rng.random((years, MOST_LABELS)) < (shares[kind, 0] / disagree)[:, None]
    signs = np.where(wins, 1.0, -1.0)
    against = np.empty(signs.shape)
    for share in np.unique(disagree):
        at = disagree == share
        against[at] = log_wealth_path(-signs[at], -MIN_EFFECT / share)
    estimates = signs.cumsum(axis=1) / np.arange(1, MOST_LABELS + 1) * disagree[:, None]
    ends_at = _first(against >= -math.log(NO_BETTER_LEVEL), MOST_LABELS - 1)
    is_useful = estimates >= MIN_EFFECT - 1e-12
    return Contests(is_gain, kind == len(NO_GAINS), log_wealth_path(signs), is_useful, ends_at)


def _first(where: np.ndarray, otherwise: int) -> np.ndarray:
    return np.where(where.any(axis=1), where.argmax(axis=1), otherwise)


@dataclass
class Tally:
    """What one way came to, over all tenant-years."""

    ways: list[Way]
    labels_left: np.ndarray
    false: np.ndarray
    true: np.ndarray
    contests: int = 0
    labels_for_plus_five: list[float] = field(default_factory=list)

    def round(self, batch: list[Contests]) -> None:
        """Seven contests a tenant open together; who has labels left carries them out."""
        alive = self.labels_left > 0
        levels = [np.array([way.take() if a else 1.0 for way, a in zip(self.ways, alive, strict=True)]) for _ in batch]
        for level, contests in zip(levels, batch, strict=True):
            self._carry_out(level, contests, alive)

    def _carry_out(self, level: np.ndarray, contests: Contests, alive: np.ndarray) -> None:
        reached = _first((contests.wealth >= -np.log(level)[:, None]) & contests.is_useful, MOST_LABELS + 1)
        is_promoted, last = reached <= contests.ends_at, np.minimum(reached, contests.ends_at)
        self.contests += int(alive.sum())
        self.labels_left -= (last + 1) * alive
        self.false += is_promoted & ~contests.is_gain & alive
        self.true += is_promoted & contests.is_gain & alive
        for i in np.flatnonzero(alive):
            self.ways[i].end(float(level[i]), float(contests.wealth[i, last[i]]), bool(is_promoted[i]))
        at = contests.is_plus_five & alive
        self.labels_for_plus_five += np.where(is_promoted[at], last[at] + 1.0, np.inf).tolist()

    def row(self, name: str) -> str:
        years = len(self.ways)
        quantiles = np.quantile(self.labels_for_plus_five or [np.nan], [0.5, 0.8], method="lower")
        error = 1.96 * self.false.std() / math.sqrt(years)
        return (
            f"| {name} | {self.contests / years:.1f} | {(self.false > 0).mean():.4f} | {self.false.mean():.4f} "
            f"± {error:.4f} | {self.true.mean():.2f} | {quantiles[0]:.0f} / {quantiles[1]:.0f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--years", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--labels", type=int, default=7300)
    parser.add_argument("--gains", type=float, default=0.3)
    parser.add_argument("--same-questions", action="store_true")
    args = parser.parse_args()
    rng, n = np.random.default_rng(args.seed), args.years
    tallies = {
        name: Tally([way() for _ in range(n)], np.full(n, float(args.labels)), np.zeros(n), np.zeros(n))
        for name, way in WAYS.items()
    }
    while any((tally.labels_left > 0).any() for tally in tallies.values()):
        batch = [drawn(n, args.gains, rng) for _ in range(1 if args.same_questions else PROGRAMS)]
        for tally in tallies.values():
            tally.round(batch * (PROGRAMS // len(batch)))
    print(f"{n} tenant-years, {args.labels} labels each, {args.gains:.0%} of challengers better, seed {args.seed}\n")
    print("| way | contests | years with a false promotion | false a year | true a year | labels for +5, 50 / 80 % |")
    print("|---|---|---|---|---|---|")
    for name, tally in tallies.items():
        print(tally.row(name))


if __name__ == "__main__":
    main()
