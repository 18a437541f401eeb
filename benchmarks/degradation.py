"""How soon a drop is found and how often one that is none, on simulated streams with the real detector.

    python benchmarks/degradation.py [--streams 96] [--lives 100] [--hourly 100] [--days 365] [--seed 1]

A tenant has 16 streams (8 programs, labels and outcomes), each of so many scores an hour, hits with a mean of 0.6, 0.8
or 0.95; each has its 16th of half a false alarm a year, and a drop counts from 10 points. Prints Markdown tables: how
long a drop takes until it is found, by its size and by how long the champion had served before; and what is found in a
year in which nothing fell, in even traffic, on weekends that are harder, and in nights that are.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from argotune.stats.drops import DropDetector

HOURS_A_YEAR = 8766
STREAMS_OF_A_TENANT = 16
PART = 0.5 / STREAMS_OF_A_TENANT
THRESHOLD = 0.1
LONGEST = 240


@dataclass(frozen=True)
class Traffic:
    """So many scores an hour, drawn from `rng`."""

    hourly: int
    rng: np.random.Generator

    def hour(self, detector: DropDetector, mean: float) -> DropDetector:
        """The detector after an hour of this mean."""
        scores = self.rng.binomial(1, mean, self.hourly).astype(float).tolist()
        return detector.after(scores, PART / HOURS_A_YEAR, THRESHOLD)


def hours_until_found(traffic: Traffic, mean: float, days_before: int, drop: float) -> float:
    """From the drop on; infinity where it was not found in ten days."""
    detector = DropDetector()
    for _ in range(24 * days_before):
        detector = traffic.hour(detector, mean)
    for hour in range(LONGEST):
        detector = traffic.hour(detector, mean - drop)
        if detector.drop:
            return hour + 1
    return math.inf


def found_in(traffic: Traffic, days: int, mean: Callable[[int], float]) -> int:
    """Drops that are found in a stream whose mean is `mean` of the hour."""
    detector, found = DropDetector(), 0
    for hour in range(24 * days):
        was = detector.drop
        detector = traffic.hour(detector, mean(hour))
        found += detector.drop is not None and was is None
    return found


def on_weekends(mean: float, harder: float) -> Callable[[int], float]:
    """A mean that is lower on two days of seven."""
    return lambda hour: mean - harder * (hour // 24 % 7 >= 5)


def at_night(mean: float, harder: float) -> Callable[[int], float]:
    """A mean that swings by as much around itself every day."""
    return lambda hour: mean + harder * math.sin(hour * math.tau / 24)


KINDS: tuple[tuple[str, Callable[[float], Callable[[int], float]]], ...] = (
    ("even", lambda mean: on_weekends(mean, 0.0)),
    ("weekends 3 points harder", lambda mean: on_weekends(mean, 0.03)),
    ("weekends 5 points harder", lambda mean: on_weekends(mean, 0.05)),
    ("weekends 10 points harder", lambda mean: on_weekends(mean, 0.10)),
    ("5 points up at noon, down at midnight", lambda mean: at_night(mean, 0.05)),
)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--streams", type=int, default=96)
    parser.add_argument("--lives", type=int, default=100)
    parser.add_argument("--hourly", type=int, default=100)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    traffic = Traffic(asked.hourly, np.random.default_rng(asked.seed))
    print("| mean before | drop | served before | median hours | 95 of 100 within |\n|---|---|---|---|---|")
    for mean in (0.6, 0.8, 0.95):
        for days, drop in ((1, 0.1), (2, 0.1), (7, 0.1), (2, 0.2), (7, 0.05)):
            took = [hours_until_found(traffic, mean, days, drop) for _ in range(asked.lives)]
            middle, late = np.quantile(took, (0.5, 0.95), method="higher")
            print(f"| {mean} | {100 * drop:.0f} | {days} d | {middle:.0f} h | {late:.0f} h |".replace("inf h", "never"))
    print(f"\n| what it is like, mean 0.8 | found in {asked.streams} streams | a tenant-year |\n|---|---|---|")
    for told, mean_of in KINDS:
        found = sum(found_in(traffic, asked.days, mean_of(0.8)) for _ in range(asked.streams))
        years = asked.streams / STREAMS_OF_A_TENANT * asked.days / 365
        print(f"| {told} | {found} | {found / years:.2f} |", flush=True)


if __name__ == "__main__":
    main()
