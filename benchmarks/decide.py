"""Time of one decision for a tenant with 2,000 examples: by the rules, and by a meta-model, loading it included.

    python benchmarks/decide.py [--runs 50]

Also what importing xgboost costs a process, which only a decision with an active model pays. Medians of one run.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from argotune.data.annotations import LabelSource
from argotune.data.dataset import Dataset
from argotune.data.examples import Example
from argotune.data.splitting import Split
from argotune.decisions.context import context_of
from argotune.decisions.values import Action, ModelingContext, Strategy, TrainingHistory
from argotune.pipeline.stages.decide import DecisionInputs, decide
from argotune.tenants.config import RoutingConfigUnified

NOW = datetime(2026, 1, 5, tzinfo=UTC)
CONFIG = RoutingConfigUnified(tenant_id="acme", use_synthetic_data=False)
LEVEL = 0.01
HISTORY = TrainingHistory(trainings=3, compared=900, disagreed=200, last_at=NOW - timedelta(days=2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50)
    runs = parser.parse_args().runs
    data = _data(2000)
    print("| decision | median | largest |")
    print("|---|---|---|")
    _say("rules, context included", runs, lambda: _decide(data, None))
    started = time.perf_counter()
    from argotune.decisions.gain_model import Advisor

    model = _model()
    print(
        f"| importing xgboost and fitting 1,000 trainings, once | {1000 * (time.perf_counter() - started):.0f} ms | |"
    )
    _say("meta-model, loading included", runs, lambda: _decide(data, Advisor(model)))


def _say(what: str, runs: int, call: Callable[[], object]) -> None:
    times_ms = []
    for _ in range(runs):
        started = time.perf_counter()
        call()
        times_ms.append(1000 * (time.perf_counter() - started))
    print(f"| {what} | {statistics.median(times_ms):.1f} ms | {max(times_ms):.1f} ms |")


def _decide(data: Dataset, model) -> object:
    context = context_of(CONFIG, data, HISTORY, LEVEL, NOW)
    question = DecisionInputs(
        CONFIG, data, context, HISTORY, seed=1, chance=0.5, has_writer=False, level=LEVEL, model=model
    )
    return decide(question)


def _data(n: int) -> Dataset:
    agents = list(CONFIG.agents)
    splits = (Split.TRAIN, Split.TEST, Split.TRAIN, Split.DEV)
    examples = tuple(
        Example(
            "routing",
            {"query": f"question number {number}", "entities": "", "relationships": "", "enhanced_query": ""},
            {"agent": agents[number % len(agents)]},
            LabelSource.HUMAN,
            1.0,
            splits[number % 4],
        )
        for number in range(n)
    )
    return Dataset.of("routing", examples, {"experiences": 3 * n}, 0.7)


def _model():
    from argotune.decisions.gain_model import Training, fit

    rng = random.Random(1)
    action = Action(strategy=Strategy.PURE_REAL, optimizer="nearest")
    trainings = []
    for number in range(1000):
        growth = rng.random()
        context = ModelingContext(growth=growth, test_count=rng.randrange(500))
        trainings.append(Training(f"t{number % 50}", context, action, 0.2 * (growth > 0.7), 100))
    return fit(trainings, seed=1)


if __name__ == "__main__":
    main()
