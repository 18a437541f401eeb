"""Tenant-years of contests by the code that judges them: how often something is promoted that is no better.

    python benchmarks/tenant_years.py [--years 225] [--orders 1000] [--seed 1] [--processes 2] [--plot FILE.svg]

A tenant has 7 programs, an open contest in each whenever the year's significance leaves a level, and 25 labels a day
(half of annotation.daily_limit): every second day 50 for one of the programs, in turn. Questions are drawn and labelled
at random here; weighing, verdict, level and what an ended contest has spent are argotune's own. A pass follows on the
labels, not every hour; except where people stop at will: there they look after every label, and stop every contest that
is behind.

--years are those of each scenario. Beside it, on 30 % of the labels and a challenger a week, what others would promote:
whatever scores higher, a fixed 5 % test at each look, and the gate of the release before (exact McNemar test at
6 / (pi k)^2 of the significance, on sealed examples that every attempt opens again; its bootstrap interval left out).
Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from multiprocessing import Pool
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np
from chart import Line, chart
from scipy.stats import binomtest
from simulated_year import (
    CONFIG,
    DAYS,
    MEASURED,
    PLUS_FIVE,
    PROGRAMS,
    SCENARIOS,
    SIGNIFICANCE,
    Scenario,
    order_of_plus_five,
    year,
)

from argotune.stats.significance import level_in_series

MIN_TEST_EXAMPLES = 20


def mcnemar(wins: int, losses: int) -> float:
    """The two-sided p-value of the exact test, after McNemar, Psychometrika 12 (1947)."""
    return float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


Rule = Callable[[int, int, int, int], bool]
"""(wins, losses, test examples, attempt) -> whether the challenger is promoted."""


def naive(wins: int, losses: int, _n: int, _attempt: int) -> bool:
    return wins > losses


def fixed(wins: int, losses: int, _n: int, _attempt: int) -> bool:
    return wins > losses and mcnemar(wins, losses) <= 0.05


def release_before(wins: int, losses: int, n: int, attempt: int) -> bool:
    is_useful = n >= MIN_TEST_EXAMPLES and wins - losses >= CONFIG.gate.min_effect * n
    return is_useful and mcnemar(wins, losses) <= level_in_series(SIGNIFICANCE, attempt)


RULES: dict[str, Rule] = {
    "score > baseline": naive,
    "a fixed 5 % test at each look": fixed,
    "the release before": release_before,
}
LABELS_A_WEEK, TEST_SHARE = 50, 0.3


def year_of_rules(scenario: Scenario, seed: int) -> dict[str, tuple[int, int]]:
    """False and true promotions of each rule in a tenant's year: a challenger a week and program."""
    rng, found = np.random.default_rng(seed), {name: [0, 0] for name in RULES}
    for _program in range(PROGRAMS):
        attempts = dict.fromkeys(RULES, 0)
        for week in range(1, DAYS // 7 + 1):
            kind = scenario.kinds[rng.integers(len(scenario.kinds))]
            n = int(week * LABELS_A_WEEK * TEST_SHARE)
            wins, losses, _ = rng.multinomial(n, [kind.wins, kind.losses, 1 - kind.wins - kind.losses])
            for name, rule in RULES.items():
                attempts[name] += n >= MIN_TEST_EXAMPLES
                if rule(int(wins), int(losses), n, max(attempts[name], 1)):
                    found[name][int(kind.gain(0) > 0)] += 1
    return {name: (false, true) for name, (false, true) in found.items()}


def order_of_release_before(step: int, seed: int) -> float:
    """Labels until it promotes a true +5, looked at after every `step` of them."""
    rng, wins, losses, n, attempt = np.random.default_rng(seed), 0, 0, 0, 0
    shares = [PLUS_FIVE.wins, PLUS_FIVE.losses, 1 - PLUS_FIVE.wins - PLUS_FIVE.losses]
    for labels in range(step, MEASURED + 1, step):
        found = rng.multinomial(rng.binomial(step, TEST_SHARE), shares)
        wins, losses, n = wins + int(found[0]), losses + int(found[1]), n + int(found.sum())
        attempt += n >= MIN_TEST_EXAMPLES
        if release_before(wins, losses, n, max(attempt, 1)):
            return labels
    return math.inf


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--years", type=int, default=225)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--orders", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args()
    started = time.perf_counter()
    seeds = [int(x) for x in np.random.SeedSequence(args.seed).generate_state(max(args.years, args.orders))]
    # One process is this one: a fork of a process with threads, as a test is, may never come to its work.
    with Pool(args.processes) if args.processes > 1 else ThreadPool(1) as pool:
        levels = _say_years(pool, args.years, args.days, seeds)
        _say_rules(pool, args.years, seeds)
        _say_orders(pool, levels, seeds[: args.orders], args.plot)
    print(f"\n{len(SCENARIOS) * args.years} tenant-years in {time.perf_counter() - started:.0f} s, seed {args.seed}")


def _say_years(pool, years: int, days: int, seeds: list[int]) -> list[float]:
    """Prints the table; the levels at which contests opened."""
    print(
        "| scenario | contests a year | false promotions a year | true promotions a year | labels for +5, 50 / 80 % |"
    )
    print("|---|---|---|---|---|", flush=True)
    levels: list[float] = []
    for scenario in SCENARIOS:
        tallies = pool.map(partial(year, scenario, days), seeds[:years], chunksize=1)
        levels += [level for tally in tallies for level in tally.levels]
        lost = sum(tally.later_no_better for tally in tallies)
        told = f"; on a gain that was over by then {lost / years:.2f}" if lost else ""
        print(
            f"| {scenario.name} | {_mean(t.contests for t in tallies):.1f} | {_rate([t.false for t in tallies])}{told} "
            f"| {_mean(t.true for t in tallies):.2f} "
            f"| {_quantiles([x for t in tallies for x in t.labels_for_plus_five], 0.5, 0.8)} |",
            flush=True,
        )
    return levels


def _say_rules(pool, years: int, seeds: list[int]) -> None:
    scenarios = SCENARIOS[:3]
    print("\n| false / true promotions a year |", " | ".join(s.name for s in scenarios), "|")
    print("|---|", "---|" * len(scenarios))
    found = [pool.map(partial(year_of_rules, scenario), seeds[:years]) for scenario in scenarios]
    for name in RULES:
        cells = [f"{_rate([f[name][0] for f in years_])} / {_mean(f[name][1] for f in years_):.2f}" for years_ in found]
        print(f"| {name} |", " | ".join(cells), "|")


def _say_orders(pool, levels: list[float], seeds: list[int], plot: Path | None) -> None:
    first, usual = max(levels), float(np.median(levels))
    found = {
        f"a contest, the year's first (level {first:.4f})": pool.map(partial(order_of_plus_five, first), seeds),
        f"a contest at the median level of these years ({usual:.4f})": pool.map(
            partial(order_of_plus_five, usual), seeds
        ),
        "the release before, looked at every 20 labels": pool.map(partial(order_of_release_before, 20), seeds),
    }
    print("\n| labels until a true +5 is promoted | 50 % of orders | 80 % | 95 % |\n|---|---|---|---|")
    for name, labels in found.items():
        print(f"| {name} | {_quantiles(labels, 0.5, 0.8, 0.95).replace(' / ', ' | ')} |")
    if plot:
        lines = [
            Line(name, [(x, float(np.mean(np.array(labels) <= x))) for x in range(0, 601, 5)])
            for name, labels in found.items()
        ]
        plot.write_text(chart("Labels until a true +5 is promoted", "labels", "share of orders", lines))


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _rate(counts: Sequence[int]) -> str:
    """With two standard errors."""
    return f"{np.mean(counts):.3f} ± {2 * np.std(counts) / math.sqrt(len(counts)):.3f}"


def _quantiles(values: Sequence[float], *shares: float) -> str:
    if not values:
        return "none"
    found = np.quantile(values, shares, method="higher")
    return " / ".join("more" if math.isinf(x) else f"{x:.0f}" for x in found)


if __name__ == "__main__":
    main()
