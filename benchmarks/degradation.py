"""How soon a drop is found and how often one that is none, on simulated streams with the real detector.

    python benchmarks/degradation.py [--streams 48] [--lives 100] [--hourly 100] [--days 365] [--seed 1]
        [--kind KIND ...] [--mean MEAN ...]

A tenant has 16 streams (8 programs, labels and outcomes), each of so many scores an hour, hits with a mean of 0.6, 0.8
or 0.95 that swings as its kind says; each has its 16th of half a false alarm a year, and a drop counts from 10 points.
Prints Markdown tables: how long a drop takes until it is found, by its size and by how long the champion had served
before; and what is found in a year in which nothing fell. `--lives 0` and `--streams 0` leave one out.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from argotune.stats.drops import HOURS_A_YEAR, DropDetector, DropRule

STREAMS_OF_A_TENANT = 16
RULE = DropRule(threshold=0.1, swing=0.1, drift=0.005, alarms_a_year=0.5 / STREAMS_OF_A_TENANT)
LONGEST = 240

Swing = Callable[[int], float]
"""By how much the mean of an hour lies beside what it is on average."""


def never(_: int) -> float:
    """Even."""
    return 0.0


def on_weekends(hour: int) -> float:
    """Two days of seven are 5 points harder."""
    return -0.05 * (hour // 24 % 7 >= 5)


def by_day(hour: int) -> float:
    """5 points up at noon and down at midnight."""
    return -0.05 * math.cos(hour * math.tau / 24)


def both(hour: int) -> float:
    """The night of a weekend is 10 points harder."""
    return on_weekends(hour) + by_day(hour)


def by_season(hour: int) -> float:
    """5 points up in the first month and down half a year later."""
    return 0.05 * math.cos(hour * math.tau / HOURS_A_YEAR)


def all_of_it(hour: int) -> float:
    """Weekends, nights, seasons."""
    return both(hour) + by_season(hour)


KINDS: Mapping[str, Swing] = {
    "even": never,
    "weekends 5 points harder": on_weekends,
    "day and night, 5 points up and down": by_day,
    "both": both,
    "5 points up and down with the season": by_season,
    "weekends, nights and seasons": all_of_it,
    "bursts": both,
    "weekends 10 points harder": lambda hour: 2 * on_weekends(hour),
    "days of their own (2 points)": never,
}


@dataclass(frozen=True)
class Traffic:
    """So many scores an hour of a kind, drawn from `rng`. In bursts one hour of fifty has 20 times as many."""

    kind: str
    mean: float
    hourly: int
    rng: np.random.Generator
    begun: int = 0
    days: np.ndarray | None = None

    def hour(self, detector: DropDetector, at: int, drop: float = 0.0) -> DropDetector:
        """The detector after an hour, as many after the first."""
        swing = KINDS[self.kind](at + self.begun) + (self.days[at // 24] if self.days is not None else 0.0)
        count = self.hourly * (20 if self.kind == "bursts" and self.rng.random() < 0.02 else 1)
        mean = min(max(self.mean + swing - drop, 0.0), 1.0)
        scores = self.rng.binomial(1, mean, count).astype(float)
        hours = np.full(count, at + self.begun)
        return detector.after(scores, hours, RULE.alarms_a_year / HOURS_A_YEAR, RULE)


def hours_until_found(traffic: Traffic, hours_before: int, drop: float) -> float:
    """From the drop on; infinity where it was not found in ten days."""
    detector = DropDetector()
    for hour in range(hours_before):
        detector = traffic.hour(detector, hour)
        if detector.drop:
            return -1
    for hour in range(LONGEST):
        detector = traffic.hour(detector, hours_before + hour, drop)
        if detector.drop:
            return hour + 1
    return math.inf


def found_in(traffic: Traffic, days: int) -> int:
    """Drops that are found in a stream in which nothing fell."""
    detector, found = DropDetector(), 0
    for hour in range(24 * days):
        was = detector.drop
        detector = traffic.hour(detector, hour)
        found += detector.drop is not None and was is None
    return found


def traffic_of(kind: str, mean: float, hourly: int, rng: np.random.Generator) -> Traffic:
    """That begins at any hour of a week; or of a year, where the season matters."""
    begun = int(rng.integers(0, 8766 if "season" in kind else 168))
    days = rng.normal(0, 0.02, 400) if kind.startswith("days") else None
    return Traffic(kind, mean, hourly, rng, begun, days)


DROPS = ((1, 0.2), (3, 0.1), (3, 0.2), (8, 0.1), (8, 0.2), (14, 0.05), (14, 0.1), (14, 0.2), (42, 0.1))


def say_delays(asked: argparse.Namespace, rng: np.random.Generator) -> None:
    """The table of drops."""
    print("| kind | mean before | drop | served before | median hours | 95 of 100 within | found before it fell |")
    print("|---|---|---|---|---|---|---|")
    for kind in asked.kind:
        for mean in asked.mean:
            for days, drop in DROPS:
                of = [traffic_of(kind, mean, asked.hourly, rng) for _ in range(asked.lives)]
                took = [hours_until_found(each, 24 * days + int(rng.integers(24)), drop) for each in of]
                late = [hours for hours in took if hours > 0]
                told = " | ".join(f"{x:.0f} h" for x in np.quantile(late, (0.5, 0.95), method="higher"))
                row = f"| {kind} | {mean} | {100 * drop:.0f} | {days} d | {told} | {len(took) - len(late)} |"
                print(row.replace("inf h", "never"), flush=True)


def say_false_alarms(asked: argparse.Namespace, rng: np.random.Generator) -> None:
    """The table of years in which nothing fell; the interval of a Poisson mean (Garwood 1936)."""
    print("\n| kind | mean | tenant-years | found | a tenant-year, 95 % interval |\n|---|---|---|---|---|")
    years = asked.streams / STREAMS_OF_A_TENANT * asked.days / 365
    for kind in asked.kind:
        for mean in asked.mean:
            began = time.monotonic()
            found = sum(found_in(traffic_of(kind, mean, asked.hourly, rng), asked.days) for _ in range(asked.streams))
            low = chi2.ppf(0.025, 2 * found) / 2 if found else 0.0
            high = chi2.ppf(0.975, 2 * found + 2) / 2
            told = f"{found / years:.2f} ({low / years:.2f} to {high / years:.2f})"
            print(f"| {kind} | {mean} | {years:g} | {found} | {told} |", flush=True)
            print(f"{time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--streams", type=int, default=48)
    parser.add_argument("--lives", type=int, default=100)
    parser.add_argument("--hourly", type=int, default=100)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--mean", nargs="+", type=float, default=[0.6, 0.8, 0.95])
    asked = parser.parse_args()
    rng = np.random.default_rng(asked.seed)
    if asked.lives:
        say_delays(asked, rng)
    if asked.streams:
        say_false_alarms(asked, rng)


if __name__ == "__main__":
    main()
