"""How long the verdict of a contest takes: weighing all answers by the labels that stand, and judging.

    python benchmarks/verdict.py [--pairs 10000] [--repeat 5]

"hits" are labelled answers of which 15 % differ; "all differ" are as many labelled disagreements, "scores" the same
with a metric that gives any number in 0..1, so that no two differences are equal. Three slices each. Prints a Markdown
table.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from argotune.data.annotations import LabelSource
from argotune.data.examples import Example
from argotune.data.splitting import Split
from argotune.promotion.evidence import Answer, Pair, Scoring, Standing, weigh
from argotune.promotion.gate import Terms, judge
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
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
