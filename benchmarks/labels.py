"""How many labels of people each way of choosing questions needs until the gate is as certain, and what it gets wrong.

    python benchmarks/labels.py DATA_FOLDER [--answers FILE] [--seeds 100] [--questions 600]

CLINC150's ten domains as ten agents (benchmarks/clinc150.py). Traffic are questions of the train split, the champion is
the program as written, the challenger the same with the nearest of 200 labelled questions of the validation split as
demonstrations; both answer every question once, which FILE remembers. Labels are then given in different orders, and
the gate is asked after every twenty, each time for the first time. Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from clinc150 import AGENTS, _pool, _stratified, _task

from argotune import wiring
from argotune.adapters.sqlite import SQLiteStore
from argotune.data.annotations import LabelSource
from argotune.data.examples import Example
from argotune.data.experiences import Experience
from argotune.data.splitting import Split, Splitter, split_of_key
from argotune.labels.disagreement import doubts_about
from argotune.labels.selection import OpenQuestions, Reason, select
from argotune.lm.kept_answers import KeptAnswers
from argotune.lm.meter import Meter
from argotune.lm.port import LMs
from argotune.optimizers import OPTIMIZERS
from argotune.programs import programs_of
from argotune.programs.evaluation import Scored, score, to_dspy
from argotune.programs.program import Program
from argotune.promotion.gate import judge
from argotune.promotion.verdicts import Comparison, Promoted, Score
from argotune.settings import read_settings
from argotune.stats.paired import bootstrap_interval, wilson_interval
from argotune.store.sealing import digest
from argotune.tenants.config import BudgetLimits, GateRules, LMChoice, RoutingConfigUnified, SplitShares

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STEP, MOST, A_DAY = 20, 400, 50
SHARES = SplitShares()


@dataclass(frozen=True)
class Asked:
    """One question of the traffic. `champion` and `challenger` are 1.0 for a right answer, and so is `useless`: that of
    a challenger which is right as often as the champion, on other questions.
    """

    example: Example
    split: Split
    confidence: float
    answer: str
    other_answer: str
    champion: float
    challenger: float
    useless: float = 0.0


def main() -> None:
    arguments = _arguments()
    started, config = time.perf_counter(), RoutingConfigUnified(tenant_id="clinc", agents=AGENTS)
    (program,) = programs_of(config, "routing")
    lms = _lms(arguments.answers)
    pools = _pools(arguments.folder)
    traffic = _traffic(program, pools, arguments.questions, lms)
    print(
        f"{len(traffic)} questions; LM {read_settings().task_model}; {time.perf_counter() - started:.0f} s for answers"
    )
    _certainty(traffic, arguments.seeds)
    _training(program, traffic, _stratified(pools["test"], 0, arguments.held_out // 10, Split.TEST), lms, arguments)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--answers", type=Path, default=Path("labels-answers.db"))
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--questions", type=int, default=600)
    parser.add_argument("--held-out", type=int, default=100)
    parser.add_argument("--trainings", type=int, default=3, help="seeds for which challengers are trained")
    return parser.parse_args()


def _pools(folder: Path) -> dict[str, dict[str, list[str]]]:
    data = json.loads((folder / "data_full.json").read_text())
    by_domain = json.loads((folder / "domains.json").read_text())
    domains = {intent: domain for domain, intents in by_domain.items() for intent in intents}
    return {name: _pool(data[name], domains) for name in ("train", "val", "test")}


def _lms(answers: Path) -> LMs:
    meter = Meter(BudgetLimits(max_lm_calls=10**9, max_lm_tokens=10**12))
    return wiring.open_lms(read_settings()).open(
        LMChoice(), meter, KeptAnswers(SQLiteStore(answers), "clinc", "benchmark")
    )


def _traffic(program: Program, pools: Mapping[str, dict[str, list[str]]], n: int, lms: LMs) -> list[Asked]:
    examples = _stratified(pools["train"], 0, n // 10, Split.TRAIN)
    splitter = Splitter(SHARES)
    splits = [splitter.place(example.inputs["query"]) for example in examples]
    champion = _answers(program, program.build(), examples, lms)
    demos = _stratified(pools["val"], 0, 20, Split.TRAIN)
    challenger = _answers(program, OPTIMIZERS["nearest"].compile(_task(program, demos, [], lms)), examples, lms)
    return _with_useless(
        [
            Asked(e, s, b.confidence or 0.0, b.answers["agent"], a.answers["agent"], b.score, a.score)
            for e, s, b, a in zip(examples, splits, champion, challenger, strict=True)
            if isinstance(s, Split)
        ]
    )


def _answers(program: Program, module, examples: Sequence[Example], lms: LMs) -> list[Scored]:
    return score(module, program, [to_dspy(e) for e in examples], lms, lambda _done, _total: None)


def _with_useless(traffic: list[Asked]) -> list[Asked]:
    """Half of the champion's errors are put right, and as many of its right answers become wrong."""
    wrong = [i for i, asked in enumerate(traffic) if not asked.champion]
    right = [i for i, asked in enumerate(traffic) if asked.champion]
    n = min(len(wrong), len(right)) // 2
    chance = random.Random(1)
    flipped = {*chance.sample(wrong, n), *chance.sample(right, n)}
    return [
        Asked(**{**vars(asked), "useless": 1.0 - asked.champion if i in flipped else asked.champion})
        for i, asked in enumerate(traffic)
    ]


Way = Callable[[Sequence[Asked], int], list[Asked]]
"""(traffic, seed) -> the questions in the order in which people label them."""


def _random(traffic: Sequence[Asked], seed: int) -> list[Asked]:
    return random.Random(seed).sample(traffic, len(traffic))


def _ours(random_share: float) -> Way:
    """Day by day what labelling.choose chooses, with what both programs answered and the labels so far."""

    def order(traffic: Sequence[Asked], seed: int) -> list[Asked]:
        return _days(traffic, f"clinc {seed}", random_share, neighbours=False)

    return order


def _days(traffic: Sequence[Asked], tenant_id: str, random_share: float, *, neighbours: bool, n: int = MOST):
    by_id = {asked.example.id: asked for asked in traffic}
    experiences = [_experience(asked) for asked in traffic]
    splitter = Splitter(SHARES, ((asked.example.inputs["query"], asked.split) for asked in traffic))
    labelled: list[Asked] = []
    while len(labelled) < n:
        taken = frozenset(asked.example.id for asked in labelled)
        known = [a.example for a in labelled if a.split is Split.TRAIN] if neighbours else []
        chosen = select(
            OpenQuestions(experiences, taken, frozenset(), tenant_id),
            splitter,
            A_DAY,
            random_share,
            0.6,
            lambda pool, known=known: _doubts(pool, by_id, known),
        )
        today = [by_id[choice.experience.span_id] for choice in chosen]
        if not today:
            break
        labelled += random.Random(digest([tenant_id, len(labelled)])).sample(today, len(today))
    return labelled


def _doubts(pool: Sequence[Experience], by_id: Mapping[str, Asked], known: Sequence[Example]):
    found = {
        id: set(reasons) for id, reasons in doubts_about(pool, None, None, known, None, wiring.open_embedder).items()
    }
    for experience in pool:
        asked = by_id[experience.span_id]
        if asked.answer != asked.other_answer:
            found.setdefault(experience.span_id, set()).add(Reason.DIFFER)
    return {id: frozenset(reasons) for id, reasons in found.items()}


def _experience(asked: Asked) -> Experience:
    answers = {"agent": asked.answer}
    return Experience(asked.example.id, "routing", asked.example.inputs, answers, NOW, confidence=asked.confidence)


def _unsure_first(traffic: Sequence[Asked], seed: int) -> list[Asked]:
    """By confidence alone, whatever the split; equally sure ones by chance."""
    return sorted(_random(traffic, seed), key=lambda asked: asked.confidence)


def _failures(traffic: Sequence[Asked], seed: int) -> list[Asked]:
    """Only what the champion got wrong, as reported failures are."""
    return [asked for asked in _random(traffic, seed) if not asked.champion]


WAYS: dict[str, Way] = {
    "random by query": _random,
    "ours, random_share 0.5": _ours(0.5),
    "ours, random_share 0.8": _ours(0.8),
    "low confidence only": _unsure_first,
    "failures only": _failures,
}


def _split_again(traffic: Sequence[Asked], seed: int) -> list[Asked]:
    """The same traffic under another hash, so that seeds do not share one test split."""
    return [
        Asked(**{**vars(asked), "split": split_of_key(f"{seed} {asked.example.inputs['query']}", SHARES)})
        for asked in traffic
    ]


def _certainty(traffic: Sequence[Asked], seeds: int) -> None:
    truth = sum(a.challenger - a.champion for a in traffic) / len(traffic)
    means = [sum(getattr(a, role) for a in traffic) / len(traffic) for role in ("champion", "challenger", "useless")]
    print("champion {:.1%}, challenger {:.1%}, useless challenger {:.1%} of all".format(*means), end="")
    print(f"; the true gain is {100 * truth:+.1f} points. {seeds} orders for each way.\n")
    print(
        "| way | labels until 50 % / 80 % / 95 % of orders promote | test labels among 200 "
        "| estimated gain at 200, mean (its bias, 95 %) | useless challenger promoted at 200 |\n|---|---|---|---|---|"
    )
    for name, way in WAYS.items():
        print(_row(name, way, traffic, seeds, truth), flush=True)


def _row(name: str, way: Way, traffic: Sequence[Asked], seeds: int, truth: float) -> str:
    sizes = range(STEP, MOST + 1, STEP)
    promoted = dict.fromkeys(sizes, 0)
    gains, useless, tests = [], 0, []
    for seed in range(seeds):
        order = way(_split_again(traffic, seed), seed)
        for size in sizes:
            promoted[size] += isinstance(_verdict(order[:size], "challenger"), Promoted)
        verdict = _verdict(order[:200], "challenger")
        gains.append(verdict.numbers.effect)
        tests.append(verdict.numbers.n)
        useless += isinstance(_verdict(order[:200], "useless"), Promoted)
    needed = [next((str(n) for n in sizes if promoted[n] >= share * seeds), f"> {MOST}") for share in (0.5, 0.8, 0.95)]
    mean, interval = sum(gains) / seeds, bootstrap_interval([gain - truth for gain in gains])
    false = wilson_interval(useless, seeds)
    return (
        f"| {name} | {' / '.join(needed)} | {sum(tests) / seeds:.0f} | {100 * mean:+.1f} points "
        f"({100 * interval.low:+.1f} to {100 * interval.high:+.1f}) "
        f"| {useless / seeds:.1%} ({false.low:.1%} to {false.high:.1%}) |"
    )


def _verdict(labelled: Sequence[Asked], role: str):
    rows = [a for a in labelled if a.split is Split.TEST]
    scores = tuple(Score(a.example.id, LabelSource.HUMAN, {}, a.champion, getattr(a, role)) for a in rows)
    return judge(Comparison("routing", "champion", role, 1, scores), GateRules(), seed=0)


def _training(
    program: Program, traffic: Sequence[Asked], held_out: list[Example], lms: LMs, arguments: argparse.Namespace
) -> None:
    """What the training labels among 150 labels are worth: accuracy of a nearest-neighbour challenger made of them."""
    print(
        f"\n| training labels among 150 | accuracy on {len(held_out)} other questions, {arguments.trainings} orders |"
    )
    print("|---|---|")
    shares = {"ours, random_share 0.5": 0.5, "ours, random_share 0.8": 0.8}
    for name in ("random by query", *shares, "low confidence only"):
        found = []
        for seed in range(arguments.trainings):
            again = _split_again(traffic, seed)
            order = (
                _days(again, f"clinc {seed}", shares[name], neighbours=True, n=150)
                if name in shares
                else WAYS[name](again, seed)
            )
            training = [a.example for a in order[:150] if a.split is Split.TRAIN]
            module = OPTIMIZERS["nearest"].compile(_task(program, training, [], lms))
            rows = _answers(program, module, held_out, lms)
            found.append((len(training), sum(row.score for row in rows) / len(rows)))
        told = ", ".join(f"{share:.1%} ({n} labels)" for n, share in found)
        hits, n = round(sum(share for _, share in found) * len(held_out)), len(found) * len(held_out)
        interval = wilson_interval(hits, n)
        print(f"| {name} | {hits / n:.1%} ({interval.low:.1%} to {interval.high:.1%}): {told} |", flush=True)


if __name__ == "__main__":
    main()
