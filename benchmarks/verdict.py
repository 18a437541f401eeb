"""How long the verdict of a contest takes, in seconds and, of a cheaper challenger, in labels.

    python benchmarks/verdict.py [--pairs 10000] [--repeat 5]
    python benchmarks/verdict.py --cheaper [--orders 300] [--labels 1000]

"hits" are labelled answers of which 15 % differ; "all differ" are as many labelled disagreements, "scores" the same
with a metric that gives any number in 0..1, so that no two differences are equal. Three slices each. Prints a Markdown
table. With --cheaper: after how many labels of people the bets show that a challenger of that true gain is worse by
less than the margin, a look after every 20, at the level of a year's first contest.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from argotune.data.annotations import LabelSource
from argotune.data.examples import Example
from argotune.data.splitting import Split
from argotune.promotion.bets import not_worse
from argotune.promotion.evidence import Scoring, Standing, weigh
from argotune.promotion.gate import judge
from argotune.promotion.measuring import Terms
from argotune.promotion.pairs import Answer, Pair
from argotune.promotion.verdicts import Comparison, Score
from argotune.tenants.config import RoutingConfigUnified

NOW, LEVEL = datetime(2026, 1, 1, tzinfo=UTC), 0.01
CONFIG = RoutingConfigUnified(tenant_id="verdict", agents={"a": "an agent", "b": "another"})
LABELLED = Example("routing", {}, {"agent": "b"}, LabelSource.HUMAN, 1.0, Split.TRAIN)


def pairs_of(n: int, differing: float) -> list[Pair]:
    """Answers of which a share differs, in the order in which they were drawn."""
    rng, same = random.Random(1), Answer({"agent": "a"})
    return [
        Pair(f"q{i}", f"s{i}", "lot", same, Answer({"agent": "b"}) if rng.random() < differing else same, _slices(rng))
        for i in range(n)
    ]


def _slices(rng: random.Random) -> dict[str, str]:
    return {"language": rng.choice(["en", "fr", "de"])}


def hits(pair: Pair, _example: Example) -> tuple[float, float]:
    """Half of the disagreements are won."""
    won = float(hash(pair.question) % 2)
    return 1 - won, won


def scores(pair: Pair, _example: Example) -> tuple[float, float]:
    """Two numbers of their own for each question."""
    rng = random.Random(pair.question)
    return rng.random(), rng.random()


CASES: dict[str, tuple[float, Scoring]] = {"hits": (0.15, hits), "all differ": (1.0, hits), "scores": (1.0, scores)}


def seconds(pairs: Sequence[Pair], scored: Scoring) -> tuple[float, float, int]:
    """To weigh, to judge, and how many labels counted."""
    standing = Standing({pair.question: LABELLED for pair in pairs}, frozenset(), {})
    started = time.perf_counter()
    found = weigh(("routing", "champion", "challenger"), pairs, standing, scored, NOW, timedelta(days=3))
    weighed = time.perf_counter()
    judge(found.comparison, Terms(LEVEL, NOW, NOW, CONFIG))
    return weighed - started, time.perf_counter() - weighed, len(found.comparison.scores)


MARGIN, FIRST_LEVEL, EVERY = 0.01, 0.0125, 20


def labels_until_shown(gain: float, share: float, most: int, seed: int) -> int | None:
    """In one order of requests that differ on this share; None where so many labels do not show it."""
    rng, scores, equal = random.Random(seed), list[Score](), 0
    while len(scores) < most:
        if rng.random() >= share:
            equal += 1
            continue
        won = float(rng.random() < (1 + gain / share) / 2)
        scores.append(Score(f"q{len(scores)}", LabelSource.HUMAN, {}, 1 - won, won, "lot"))
        if len(scores) % EVERY == 0:
            found = Comparison("r", "a", "b", tuple(scores), equal=equal, equal_questions=equal)
            if not_worse(found, MARGIN, FIRST_LEVEL).p_value <= FIRST_LEVEL:
                return len(scores)
    return None


def tell_labels(orders: int, most: int) -> None:
    """A row for each share that differs and each true gain."""
    print(f"margin {100 * MARGIN:g} point, level {FIRST_LEVEL}, {orders} orders of at most {most} labels\n")
    print("| answers that differ | true gain | shown in | labels, 50 % | 80 % of orders |\n|---|---|---|---|---|")
    for share in (0.02, 0.04, 0.1):
        for gain in (0.005, 0.0, -0.005, -MARGIN):
            found = [labels_until_shown(gain, share, most, seed) or most + 1 for seed in range(orders)]
            ends = [sorted(found)[math.ceil(part * orders) - 1] for part in (0.5, 0.8)]
            told = " | ".join(str(end) if end <= most else f"more than {most}" for end in ends)
            shown = sum(labels <= most for labels in found) / orders
            print(f"| {100 * share:g} % | {100 * gain:+g} points | {100 * shown:.1f} % | {told} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--cheaper", action="store_true")
    parser.add_argument("--orders", type=int, default=300)
    parser.add_argument("--labels", type=int, default=1000)
    args = parser.parse_args()
    if args.cheaper:
        return tell_labels(args.orders, args.labels)
    print(f"{args.pairs} answers of both, slowest of {args.repeat}\n")
    print("| | labels that count | weigh | judge | both |\n|---|---|---|---|---|")
    for name, (differing, scored) in CASES.items():
        pairs = pairs_of(args.pairs, differing)
        found = [seconds(pairs, scored) for _ in range(args.repeat)]
        weighed, judged = (max(row[i] for row in found) for i in (0, 1))
        both = max(a + b for a, b, _ in found)
        print(f"| {name} | {found[0][2]} | {weighed:.3f} s | {judged:.3f} s | {both:.3f} s |")


if __name__ == "__main__":
    main()
