"""Labels of people that a judge LM saves in a contest, by how often it says what people say.

    python benchmarks/judge.py [--orders 2000] [--seed 1] [--most 1500]

A challenger gains +5 points: it wins 10 % of requests and loses 5 %. Both differ on a stream of questions; the judge
says of each who is right, and errs by chance; people say it of a share drawn by lot, which promotion/judges.py chooses.
The bets are those of the gate. Ends at the wealth that the first contest of a year needs. The last column is how often
a challenger without a gain (7.5 % won, 7.5 % lost) is promoted within `--most` disagreements: at most the level. Prints
a Markdown table.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

import numpy as np
from wealth_paths import log_wealth_path

from argotune.promotion.judges import judge_that_saves
from argotune.stats.betting import DIFFERENCES, corrected_differences
from argotune.stats.significance import next_level

GAIN, DISAGREEMENT, SIGNIFICANCE, CHANCE = 0.05, 0.15, 0.05, 0.8
MOST_ANSWERS = 5000
ACCURACIES = (0.75, 0.8, 0.85, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Orders:
    """Disagreements in many orders: the number of people's labels after each, and the wealth."""

    labels: np.ndarray
    log_wealth: np.ndarray

    def until(self, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Labels of people, and disagreements, until the wealth suffices; infinite where it never does."""
        reached = self.log_wealth >= -math.log(level)
        first = np.where(reached.any(axis=1), reached.argmax(axis=1), -1)
        labels = np.take_along_axis(self.labels, first[:, None], axis=1)[:, 0]
        return np.where(first >= 0, labels, np.inf), np.where(first >= 0, first + 1.0, np.inf)


def drawn(rng: np.random.Generator, shape: tuple[int, int], wins: float, accuracy: float, share: float) -> Orders:
    """With a share of 1 people decide alone."""
    truth = np.where(rng.random(shape) < wins, 1.0, -1.0)
    judged = np.where(rng.random(shape) < accuracy, truth, -truth)
    asked = rng.random(shape) < share
    if share == 1:
        return Orders(asked.cumsum(axis=1), log_wealth_path(truth, 0.0, DIFFERENCES))
    people = [d if is_asked else None for d, is_asked in zip(truth.flat, asked.flat, strict=True)]
    corrected, within = corrected_differences(judged.ravel().tolist(), people, share)
    return Orders(asked.cumsum(axis=1), log_wealth_path(np.reshape(corrected, shape), 0.0, within))


def row(rng: np.random.Generator, shape: tuple[int, int], accuracy: float, level: float, alone: np.ndarray) -> str:
    judge = judge_that_saves("judge", accuracy, GAIN, DISAGREEMENT, level, CHANCE, MOST_ANSWERS)
    share = judge.asked_share if judge else 1.0
    better = drawn(rng, shape, (1 + GAIN / DISAGREEMENT) / 2, accuracy, share)
    labels, differing = better.until(level)
    half, most = np.quantile(labels, [0.5, 0.8], method="lower")
    answers = np.quantile(differing, 0.8, method="lower") / DISAGREEMENT
    saved = f"{1 - most / alone[1]:.0%}" if judge and math.isfinite(most) else "people alone" if judge is None else "-"
    false = np.isfinite(drawn(rng, shape, 0.5, accuracy, share).until(level)[0]).mean()
    return f"| {accuracy:.0%} | {share:.0%} | {half:.0f} / {most:.0f} | {saved} | {answers:,.0f} | {false:.4f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--most", type=int, default=1500)
    args = parser.parse_args()
    rng, shape, level = np.random.default_rng(args.seed), (args.orders, args.most), next_level(SIGNIFICANCE, [])
    by_people, _ = drawn(rng, shape, (1 + GAIN / DISAGREEMENT) / 2, 1.0, 1.0).until(level)
    alone = np.quantile(by_people, [0.5, 0.8], method="lower")
    print(f"{args.orders} orders, level {level:.4f}, seed {args.seed}")
    print(f"people alone: {alone[0]:.0f} / {alone[1]:.0f} labels in 50 / 80 % of orders\n")
    print("| judge right | people asked | labels of people, 50 / 80 % | saved at 80 % | shadow answers | false |")
    print("|---|---|---|---|---|---|")
    for accuracy in ACCURACIES:
        print(row(rng, shape, accuracy, level, alone))


if __name__ == "__main__":
    main()
