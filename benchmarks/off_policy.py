"""Off-policy: what a biased logger's decisions tell of another policy, and how good a policy is that learns from them.

    python benchmarks/off_policy.py DATA_FOLDER [--embedder NAME] [--sizes 1000,5000] [--labels 200] [--seeds 5]
    python benchmarks/off_policy.py DATA_FOLDER --growth 10000,100000 [--epochs 5]

CLINC150's ten domains are ten agents. The logger knows half of them and mistakes each of the others for one that it
knows; it draws three in ten decisions by lot, and logs the propensity. An agent succeeds in 95 % of the queries of its
own and in 10 % of others, so what a policy is truly worth is known: it is computed on queries that no log holds.
`--growth` learns from so many experiences, each in a fresh process, with a buffer that holds all of them and with the
default one, and prints CPU and peak memory. DATA_FOLDER holds data_full.json and domains.json of
https://github.com/clinc/oos-eval (CC BY 3.0).
"""

from __future__ import annotations

import argparse
import json
import math
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from statistics import fmean, stdev
from typing import get_args

import numpy as np
from clinc150 import AGENTS, domain_of
from collecting import peak_mb
from scipy.stats import t as student_t

from argotune import wiring
from argotune.adapters.memory.embedder import HashedEmbedder
from argotune.data.experiences import Experience
from argotune.optimizers.policy import learn_policy
from argotune.optimizers.policy_material import PolicyTask, imitating
from argotune.programs import programs_of
from argotune.programs.embedder import SentenceEmbedder, Vectors
from argotune.programs.policy import Policy
from argotune.programs.program import dspy_example
from argotune.settings import read_settings
from argotune.stats.off_policy import NoSupport, checked, policy_value
from argotune.tenants.config import RoutingConfigUnified
from argotune.tenants.policy_settings import Estimator, PolicySettings

NAMES = tuple(AGENTS)
PROGRAM = programs_of(RoutingConfigUnified(tenant_id="benchmark", agents=AGENTS), "routing")[0]
KNOWN = NAMES[::2]
BY_LOT = 0.3
SUCCESS, OTHERWISE = 0.95, 0.10
START = datetime(2026, 1, 1, tzinfo=UTC)
Query = tuple[str, str]
"""A text and the agent that is right for it."""


class Remembered:
    """A sentence embedder that embeds each text once: seeds and methods share their texts."""

    def __init__(self, sentences: SentenceEmbedder) -> None:
        self.name, self.digest, self._sentences = sentences.name, sentences.digest, sentences
        self._known: dict[str, Vectors] = {}

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """As the embedder's."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        for start in range(0, len(new), 256):
            batch = new[start : start + 256]
            self._known.update(zip(batch, self._sentences.vectors(batch), strict=True))
        return np.array([self._known[text] for text in texts], np.float32)


@dataclass(frozen=True)
class Bandit:
    """Queries to decide on, queries to measure on, and the rewards of deciding."""

    asked: Sequence[Query]
    test: Sequence[Query]

    def logged(self, n: int, seed: int) -> list[Experience]:
        """Decisions of the logger, a minute apart."""
        rng = random.Random(seed)
        queries = rng.sample(self.asked, n) if n <= len(self.asked) else rng.choices(self.asked, k=n)
        return [_decided(query, k, rng) for k, query in enumerate(queries)]

    def true_value(self, said: Sequence[str]) -> float:
        """Of these answers to the test queries."""
        return fmean(
            SUCCESS if answer == right else OTHERWISE for answer, (_, right) in zip(said, self.test, strict=True)
        )

    @cached_property
    def logger_value(self) -> float:
        return fmean(
            sum(
                chance * (SUCCESS if name == right else OTHERWISE)
                for name, chance in zip(NAMES, _logger(right), strict=True)
            )
            for _, right in self.test
        )


def _logger(right: str) -> list[float]:
    """How likely the logger chooses each agent where this one is right."""
    preferred = right if right in KNOWN else KNOWN[NAMES.index(right) // 2]
    return [BY_LOT / len(NAMES) + (1 - BY_LOT) * (name == preferred) for name in NAMES]


def _decided(query: Query, number: int, rng: random.Random) -> Experience:
    text, right = query
    chances = _logger(right)
    (agent,) = rng.choices(NAMES, chances)
    return Experience(
        span_id=f"s{number}",
        program="routing",
        inputs=_inputs(text),
        answers={"agent": agent},
        at=START + timedelta(minutes=number),
        confidence=rng.uniform(0.5, 1.0),
        agent_success=rng.random() < (SUCCESS if agent == right else OTHERWISE),
        propensity=chances[NAMES.index(agent)],
    )


def _inputs(query: str) -> dict[str, str]:
    return {"query": query, "entities": "", "relationships": "", "enhanced_query": ""}


def main() -> None:
    """Print the tables of estimates and of policies, or how learning grows."""
    asked = _arguments()
    bandit = _bandit(asked.folder, asked.test)
    if asked.once:
        return print(json.dumps(_grown(bandit, asked.once, asked.buffer, asked.epochs)))
    if asked.growth:
        return _say_growth(asked)
    sentences = Remembered(_embedder(asked.embedder))
    print(f"embedder {sentences.name}; {len(bandit.test)} test queries; {asked.seeds} seeds\n")
    sizes = [int(size) for size in asked.sizes.split(",")]
    _say_estimates(bandit, sentences, sizes, asked)
    _say_policies(bandit, sentences, sizes, asked)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--embedder", default="")
    parser.add_argument("--sizes", default="1000,5000")
    parser.add_argument("--labels", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--test", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--growth", default="")
    parser.add_argument("--once", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--buffer", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


def _bandit(folder: Path, n_test: int) -> Bandit:
    data = json.loads((folder / "data_full.json").read_text())
    right = domain_of(folder)
    asked, test = ([(text, right[intent]) for text, intent in data[part]] for part in ("train", "test"))
    return Bandit(asked, random.Random(0).sample(test, min(n_test, len(test))))


def _embedder(name: str) -> SentenceEmbedder:
    return HashedEmbedder() if name == "hashed" else wiring.open_embedders(read_settings()).sentences(name or None)


def _said(policy: Policy, queries: Sequence[Query]) -> list[str]:
    codes = policy.chances(policy.reader.rows([_inputs(text) for text, _ in queries])).argmax(axis=1)
    return [policy.answers.choices[code][0] for code in codes]


# Estimates


def _say_estimates(bandit: Bandit, sentences: Remembered, sizes: Sequence[int], asked: argparse.Namespace) -> None:
    """Of two policies that are not the logger's: one learned from labels, and one that knows the other half."""
    print("| policy | decisions | true value | mean where both agree | unclipped | self-normalised | in the interval |")
    print("|---|---|---|---|---|---|---|")
    queries = {text: right for text, right in (*bandit.asked, *bandit.test)}
    labelled = _from_labels(bandit, sentences, asked.labels, 0)
    answers = dict(zip(queries, _said(labelled, list(queries.items())), strict=True))
    policies: dict[str, Callable[[str], str]] = {
        "label-trained": lambda text: answers[text],
        "knows the other half": lambda text: queries[text] if queries[text] not in KNOWN else NAMES[1],
    }
    for name, policy in policies.items():
        truth = bandit.true_value([policy(text) for text, _ in bandit.test])
        for size in sizes:
            found = [_estimated(bandit.logged(size, 100 + seed), policy, truth) for seed in range(asked.seeds)]
            print(f"| {name} | {size:,} | {truth:.3f} | {' | '.join(_columns(found))} |", flush=True)


def _estimated(log: Sequence[Experience], policy: Callable[[str], str], truth: float) -> tuple[float, ...]:
    agrees = [policy(x.query) == x.answers["agent"] for x in log]
    rewards, propensities = [float(bool(x.agent_success)) for x in log], [x.propensity or 1.0 for x in log]
    without = fmean([r for r, same in zip(rewards, agrees, strict=True) if same] or [0.0])
    found = policy_value(checked(rewards, propensities, [float(same) for same in agrees]), math.inf)
    if isinstance(found, NoSupport):
        return without, float("nan"), float("nan"), float(found.interval.contains(truth))
    return without, found.inverse_propensity, found.self_normalised, float(found.interval.contains(truth))


def _columns(found: Sequence[tuple[float, ...]]) -> list[str]:
    *estimates, covered = zip(*found, strict=True)
    return [*(_mean(estimate) for estimate in estimates), f"{sum(covered):.0f} of {len(covered)}"]


def _mean(values: Sequence[float]) -> str:
    """With half of the 95 % interval of the mean over seeds."""
    known = [value for value in values if value == value]
    if len(known) < 2:
        return f"{known[0]:.3f}" if known else "no support"
    reach = float(student_t.ppf(0.975, len(known) - 1)) * stdev(known) / len(known) ** 0.5
    return f"{fmean(known):.3f} ± {reach:.3f}"


# Policies


def _say_policies(bandit: Bandit, sentences: Remembered, sizes: Sequence[int], asked: argparse.Namespace) -> None:
    print("\n| learned from | decisions | true value | accuracy | CPU s |\n|---|---|---|---|---|")
    print(f"| (the logger) | | {bandit.logger_value:.3f} | | |\n| (always right) | | {SUCCESS:.3f} | | |", flush=True)
    for size in sizes:
        for name, way in _ways(bandit, sentences, size, asked.labels).items():
            made = [_made(bandit, way, size, seed) for seed in range(asked.seeds)]
            print(f"| {name} | {size:,} | {_means(made)} |", flush=True)
    made = [_measured(bandit, partial(_from_labels, bandit, sentences, asked.labels, n)) for n in range(asked.seeds)]
    print(f"| {asked.labels} labels | | {_means(made)} |")


Way = Callable[[list[Experience]], PolicyTask]


def _ways(bandit: Bandit, sentences: Remembered, size: int, labels: int) -> dict[str, Way]:
    estimators = {f"propensities, {how}": _off_policy(how, sentences, size) for how in get_args(Estimator)}
    return {
        "outcomes without propensities": lambda log: imitating(_task(_without_propensities(log), sentences, size)),
        **estimators,
        f"propensities and {labels} labels": lambda log: _labelled(_task(log, sentences, size), bandit, labels),
    }


def _means(made: Sequence[tuple[float, ...]]) -> str:
    return " | ".join(_mean(column) for column in zip(*made, strict=True))


def _off_policy(how: Estimator, sentences: Remembered, size: int) -> Way:
    def way(log: list[Experience]) -> PolicyTask:
        task = _task(log, sentences, size)
        return replace(task, settings=task.settings.model_copy(update={"estimator": how}))

    return way


def _task(log: list[Experience], sentences: Remembered, size: int, epochs: int = 50) -> PolicyTask:
    settings = PolicySettings(experience_buffer_size=size, max_repeats=1000, max_answer_share=1.0, num_epochs=epochs)
    return PolicyTask(PROGRAM, log, [], [], [], sentences, settings, seed=1)


def _labelled(task: PolicyTask, bandit: Bandit, n: int, seed: int = 0) -> PolicyTask:
    """With labels of other queries, half as many of them to choose by."""
    drawn = random.Random(1000 + seed).sample(bandit.asked, n + n // 2)
    examples = [dspy_example({**_inputs(text), "agent": right}, _inputs(text)) for text, right in drawn]
    return replace(task, examples=examples[:n], weights=[1.0] * n, dev=examples[n:])


def _from_labels(bandit: Bandit, sentences: Remembered, n: int, seed: int) -> Policy:
    return learn_policy(_labelled(_task([], sentences, 1000), bandit, n, seed))


def _without_propensities(log: Sequence[Experience]) -> list[Experience]:
    return [replace(x, propensity=None) for x in log]


def _made(bandit: Bandit, way: Way, size: int, seed: int) -> tuple[float, ...]:
    log = bandit.logged(size, seed)
    return _measured(bandit, lambda: learn_policy(way(log)))


def _measured(bandit: Bandit, learn: Callable[[], Policy]) -> tuple[float, ...]:
    began = time.process_time()
    policy = learn()
    took, said = time.process_time() - began, _said(policy, bandit.test)
    right = fmean(answer == right for answer, (_, right) in zip(said, bandit.test, strict=True))
    return bandit.true_value(said), right, took


# Growth


def _say_growth(asked: argparse.Namespace) -> None:
    print(f"{asked.epochs} epochs\n\n| experiences | buffer | CPU s | peak MB above start | learned from |")
    print("|---|---|---|---|---|")
    for size in map(int, asked.growth.split(",")):
        for buffer in (size, 1000):
            flags = ["--once", str(size), "--buffer", str(buffer), "--epochs", str(asked.epochs)]
            command = [sys.executable, __file__, str(asked.folder), *flags]
            told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            print(f"| {size:,} | {buffer:,} | {told['cpu_s']:.1f} | {told['mb']:.0f} | {told['learned']} |", flush=True)


def _grown(bandit: Bandit, size: int, buffer: int, epochs: int) -> dict[str, float | str]:
    """What learning takes beside the experiences themselves, which are there before; texts are made to differ."""
    rng = random.Random(1)
    words = sorted({word for text, _ in bandit.asked for word in text.split()})
    log = [
        replace(x, inputs=_inputs(f"{x.query} {' '.join(rng.sample(words, 6))}")) for x in bandit.logged(size, seed=1)
    ]
    task = _task(log, Remembered(HashedEmbedder()), min(buffer, size), epochs)
    before, began = peak_mb(), time.process_time()
    policy = learn_policy(task)
    return {"cpu_s": time.process_time() - began, "mb": peak_mb() - before, "learned": policy.notes[0]}


if __name__ == "__main__":
    main()
