"""What a cascade leaves to its LM as unfamiliar, on CLINC150: queries out of scope, those of a label that training did
not have, and how many others go with them.

    python benchmarks/unfamiliar.py DATA_FOLDER [--part test] [--draws 3] [--set domains,intents]

No LM is asked. A score tells familiar queries from others: by the student's confidence, by the cosine with the nearest
training example, and by both, which is what a cascade goes by. For each its AUROC, and the share of out-of-scope
queries below the value that 5, 10 and 20 % of the in-scope ones are below. Then the rule as it is built: of in-scope
queries, of out-of-scope ones, and of those of a label taken out of training, the share that is unfamiliar; and for
scale, CPU time of a question. What is built was chosen on `--part val`. DATA_FOLDER holds data_full.json and
domains.json of https://github.com/clinc/oos-eval (CC BY 3.0). Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from clinc150 import domain_of
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from argotune import wiring
from argotune.data.fields import Fields
from argotune.lm.kept_answers import NothingKept
from argotune.lm.meter import Meter
from argotune.optimizers import TrainingTask
from argotune.optimizers.familiar import familiar_of
from argotune.optimizers.student import FittedStudent, fitted_student
from argotune.programs.cascade import Familiar
from argotune.programs.closed_set import ClosedSet, ClosedSetAnswers, share_right, signature_of
from argotune.programs.embedder import Embedders, SentenceEmbedder, Vectors
from argotune.programs.program import Program, dspy_example
from argotune.settings import read_settings
from argotune.tenants.config import BudgetLimits, LMChoice
from argotune.tenants.optimizer_settings import CascadeSettings

SIZES = (("domains", 50), ("domains", 200), ("domains", 1000), ("intents", 1000))
LOST = (0.05, 0.1, 0.2)
SCORED = ("set", "examples", "score", "AUROC", *(f"out of scope, at {lost:.0%} of in scope" for lost in LOST))
RULED = ("set", "examples", "`unfamiliar_share`", "in scope", "out of scope", "label without examples", "CPU p99 ms")
Query = tuple[str, str]
Scores = NDArray[np.float64]


class _Kept:
    """The shipped sentence embedder, each text embedded once."""

    def __init__(self) -> None:
        self._of = wiring.open_embedders(read_settings()).sentences()
        self.name, self.digest = self._of.name, self._of.digest
        self._rows: dict[str, Vectors] = {}

    def vectors(self, texts: Sequence[str]) -> Vectors:
        new = [text for text in dict.fromkeys(texts) if text not in self._rows]
        for start in range(0, len(new), 256):
            some = new[start : start + 256]
            self._rows |= zip(some, self._of.vectors(some), strict=True)
        return np.stack([self._rows[text] for text in texts])


@dataclass(frozen=True)
class Data:
    """Queries with their labels, and those that are of none."""

    train: Sequence[Query]
    asked: Sequence[Query]
    strangers: Sequence[str]


def main() -> None:
    given = _arguments()
    sets = {kind: _data(given.folder, kind, given.part) for kind in given.sets}
    kept = _Kept()
    print(f"| {' | '.join(SCORED)} |\n{'|---' * len(SCORED)}|")
    sizes = [(kind, n) for kind, n in SIZES if kind in sets]
    found = {(kind, n): [_draw(sets[kind], n, seed, kept) for seed in range(given.draws)] for kind, n in sizes}
    for (kind, n), draws in found.items():
        for score in draws[0].told:
            cells = np.mean([draw.told[score] for draw in draws], axis=0)
            print(f"| {kind} | {n} | {score} | {cells[0]:.3f} | {' | '.join(f'{cell:.0%}' for cell in cells[1:])} |")
    print(f"\n| {' | '.join(RULED)} |\n{'|---' * len(RULED)}|")
    for (kind, n), draws in found.items():
        for share in LOST:
            cells = np.mean([draw.rule[share] for draw in draws], axis=0)
            ms = np.mean([draw.cpu_ms for draw in draws])
            print(f"| {kind} | {n} | {share:g} | {cells[0]:.1%} | {cells[1]:.0%} | {cells[2]:.0%} | {ms:.1f} |")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--part", choices=("val", "test"), default="test")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--sets", type=lambda text: text.split(","), default=["domains", "intents"])
    return parser.parse_args()


def _data(folder: Path, kind: str, part: str) -> Data:
    data, domain = json.loads((folder / "data_full.json").read_text("utf-8")), domain_of(folder)
    label = domain.__getitem__ if kind == "domains" else str
    rows = {name: [(text, label(intent)) for text, intent in data[name]] for name in ("train", part)}
    return Data(rows["train"], rows[part], [text for text, _ in data[f"oos_{part}"]])


@dataclass(frozen=True)
class Draw:
    """AUROC and shares by the name of a score; shares that are unfamiliar by `unfamiliar_share`."""

    told: Mapping[str, Sequence[float]]
    rule: Mapping[float, Sequence[float]]
    cpu_ms: float


def _draw(data: Data, n: int, seed: int, kept: SentenceEmbedder) -> Draw:
    pools: dict[str, list[Query]] = {label: [] for label in sorted({label for _, label in data.train})}
    for query in random.Random(seed).sample(data.train, len(data.train)):
        pools[query[1]].append(query)
    train = [query for pool in pools.values() for query in pool[: max(n // len(pools), 1)]]
    out = set(random.Random(seed).sample(sorted(pools), max(len(pools) // 10, 1)))
    whole = _fitted(train, kept, seed)
    familiar = familiar_of(whole, CascadeSettings(), seed)
    inside = _scores(whole, familiar, [text for text, _ in data.asked])
    outside = _scores(whole, familiar, data.strangers)
    less = _fitted([query for query in train if query[1] not in out], kept, seed)
    unknown = [text for text, label in data.asked if label in out]
    rule = {}
    for share in LOST:
        settings = CascadeSettings(unfamiliar_share=share)
        of_whole, of_less = (familiar_of(of, settings, seed) for of in (whole, less))
        inside_texts = [text for text, _ in data.asked]
        shares = [_unfamiliar(whole, of_whole, texts) for texts in (inside_texts, data.strangers)]
        rule[share] = [*shares, _unfamiliar(less, of_less, unknown)]
    told = {name: _told(inside[name], outside[name]) for name in inside}
    return Draw(told, rule, _cpu_ms(whole, familiar, data.strangers[:100]))


def _fitted(train: Sequence[Query], kept: SentenceEmbedder, seed: int) -> FittedStudent:
    labels = sorted({label for _, label in train})
    signature = signature_of(
        "Choose.", {"query": "What is asked"}, {"agent": ClosedSet("The agent", dict.fromkeys(labels, ""))}
    )
    fields = Fields("routing", ("query",), {"agent": tuple(labels)})
    program = Program("routing", "routing", fields, partial(ClosedSetAnswers, signature), share_right("agent"))
    examples = [dspy_example({"query": text, "agent": label}, ("query",)) for text, label in train]
    lms = wiring.open_lms(read_settings()).open(LMChoice(), Meter(BudgetLimits()), NothingKept())
    embedders = Embedders({}, {kept.name: lambda _name: kept}, kept.name)
    return fitted_student(TrainingTask(program, program.build(), examples, [], lms, embedders, seed, 1), [])


def _scores(of: FittedStudent, familiar: Familiar, texts: Sequence[str]) -> dict[str, Scores]:
    rows = of.student.reader.rows([{"query": text} for text in texts])
    sure = np.array([of.student.said_of(row)["confidence"] for row in rows])
    nearest = np.array([familiar.likeness(row, 1.0) for row in rows])
    both = np.array([familiar.likeness(row, confidence) for row, confidence in zip(rows, sure, strict=True)])
    return {"confidence": sure, "nearest example": nearest, "both": both}


def _told(inside: Scores, outside: Scores) -> list[float]:
    is_inside = np.r_[np.ones(len(inside)), np.zeros(len(outside))]
    below = [float((outside < np.quantile(inside, lost)).mean()) for lost in LOST]
    return [float(roc_auc_score(is_inside, np.r_[inside, outside])), *below]


def _unfamiliar(of: FittedStudent, familiar: Familiar, texts: Sequence[str]) -> float:
    rows = of.student.reader.rows([{"query": text} for text in texts])
    return float(np.mean([not familiar.has(row, of.student.said_of(row)["confidence"]) for row in rows]))


def _cpu_ms(of: FittedStudent, familiar: Familiar, texts: Sequence[str]) -> float:
    """The 99th percentile of a question with its embedding."""
    embedder, spent = wiring.open_embedders(read_settings()).sentences(), list[float]()
    for text in ["a first one that loads what is loaded late", *texts]:
        started = time.process_time()
        row = embedder.vectors([text])[0]
        familiar.has(row, of.student.said_of(row)["confidence"])
        spent.append(time.process_time() - started)
    return 1000 * float(np.quantile(spent[1:], 0.99))


if __name__ == "__main__":
    main()
