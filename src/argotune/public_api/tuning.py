"""Tuning: a program by the shipped optimizers on examples at hand, for the documented classes.

It is the stage `train` and the scores by which optimizers choose. What a pass adds, a contest with fresh evidence of
people before anything serves, needs traces: what is tuned here is used by whoever asked for it, and by nobody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from argotune.data.dataset import data_hash
from argotune.data.examples import Example
from argotune.data.splitting import Split
from argotune.errors import BudgetSpent, ConfigInvalid, ProgramChanged, Unanswered
from argotune.errors.lines import in_short
from argotune.lm.meter import Meter
from argotune.lm.port import LMs
from argotune.optimizers import OPTIMIZERS, Unfit, choose
from argotune.pipeline.racing import Surroundings
from argotune.pipeline.recipe import Recipe
from argotune.pipeline.stages.train import Origin, installed_packages, train
from argotune.pipeline.unlabelled import BesideLabels
from argotune.programs.embedder import Embedders
from argotune.programs.evaluation import score, to_dspy
from argotune.programs.program import Program
from argotune.programs.state import load
from argotune.promotion.versions import Version
from argotune.runs.run import Plan
from argotune.stats.wording import counted, percent
from argotune.tenants.optimizer_settings import MiproSettings, OptimizerSettings, SimbaSettings

WITHOUT_A_TEACHER, OF_OPEN_ANSWERS = "student", "bootstrap"
"""What tunes in the place of an optimizer that has instructions written, where nothing writes them; and where answers
are of no closed set."""


@dataclass(frozen=True)
class Workbench:
    """What tuning works with: LMs and the meter that pays for them, embedders, the candidates that a search tries,
    seed, settings of the optimizers, and the present time. `goes_on`: methods know what is in use, and may keep parts
    of it."""

    lms: LMs
    meter: Meter
    embedders: Embedders
    now: datetime
    max_iterations: int = 20
    seed: int = 0
    settings: OptimizerSettings = field(default_factory=OptimizerSettings)
    goes_on: bool = False


def settings_of_batches(size: int) -> OptimizerSettings:
    """Of the optimizers that measure candidates on a part of the examples at a time."""
    return OptimizerSettings(simba=SimbaSettings(bsize=size), mipro=MiproSettings(minibatch_size=size))


@dataclass(frozen=True)
class Tuned:
    """What came of tuning. `version` is None where nothing was better than what is in use; `optimizer` made the best of
    all that was tuned, "" where nothing was. `score` and `before` are the shares of the held back examples that it and
    what was in use answer right, None without such. `why` is for people; `made` is the best of what was tuned, whether
    it is used or not."""

    version: Version | None
    optimizer: str = ""
    score: float | None = None
    before: float | None = None
    why: str = ""
    made: Version | None = None


def tuned(
    program: Program, examples: Sequence[Example], methods: Sequence[str], in_use: Version | None, bench: Workbench
) -> Tuned:
    """The best of what the methods make of the training examples, by those of the split dev; without such the last.

    It replaces what is in use only where it answers more of them right. A method that cannot be run here, or ends
    without a program, is told in `why`, and the others go on. Raises Unavailable and its like.
    """
    work = _Tuning(program, examples, in_use, bench)
    with bench.meter.keeping(work.calls_to_compare(len(methods) + 1)):
        made, lacks = work.versions(methods)
    if not made:
        return Tuned(None, why="; ".join(lacks))
    if not work.dev:
        why = "; ".join([*lacks, "no example was held back"])
        return Tuned(made[-1], made[-1].lineage.optimizer, why=why, made=made[-1])
    before, scores = work.share_right(in_use), [work.share_right(version) for version in made]
    best = max(range(len(made)), key=lambda n: _or_nothing(scores[n]))
    found, name = scores[best], made[best].lineage.optimizer
    told = f"{name}: {_told(found)} of {counted(len(work.dev), 'held back example')} right, {_told(before)} before"
    is_better = _or_nothing(found) > _or_nothing(before)
    used = made[best] if is_better else None
    return Tuned(used, name, found, before, "; ".join([told, *lacks]), made[best])


class _Tuning:
    def __init__(self, program: Program, examples: Sequence[Example], in_use: Version | None, bench: Workbench) -> None:
        self._program, self._in_use, self._bench = program, in_use, bench
        self._train = [example for example in examples if example.split is Split.TRAIN]
        self.dev = [example for example in examples if example.split is Split.DEV]

    def calls_to_compare(self, programs: int) -> int:
        """What so many programs take to answer the held back examples; half of what is left at most."""
        answers = programs * len(self.dev) * max(len(self._program.build().predictors()), 1)
        return min(answers, self._bench.meter.left // 2)

    def versions(self, methods: Sequence[str]) -> tuple[list[Version], list[str]]:
        """What each method makes, and why some make nothing."""
        made, lacks = list[Version](), list[str]()
        for method in dict.fromkeys(map(self._runnable, methods)):
            found = self._version(method)
            if isinstance(found, str):
                lacks.append(found)
            else:
                made.append(found)
        return made, lacks

    def _runnable(self, method: str) -> str:
        if self._bench.lms.teacher is not None or not OPTIMIZERS[method].needs_writer:
            return method
        return WITHOUT_A_TEACHER if self._program.is_closed else OF_OPEN_ANSWERS

    def _version(self, method: str) -> Version | str:
        has_writer, can_show = self._bench.lms.teacher is not None, self._program.shows_examples
        choice = choose(
            method,
            len(self._train),
            None,
            has_writer,
            shows_examples=can_show,
            is_closed=self._program.is_closed,
            different_answers=len({tuple(sorted(example.expected.items())) for example in self._train}),
        )
        if isinstance(choice, Unfit):
            return choice.reason
        dev = self.dev if OPTIMIZERS[method].chooses else []
        try:
            version = self._trained(method, choice.reason, dev)
        except (BudgetSpent, ConfigInvalid, Unanswered) as error:
            return f"{method}: {in_short(error)}"
        return version or f"{method}: {counted(len(self._train), 'training example')} are too few"

    def _trained(self, method: str, reason: str, dev: Sequence[Example]) -> Version | None:
        bench = self._bench
        plan = Plan(
            optimizer=method,
            reason=reason,
            seed=bench.seed,
            max_iterations=bench.max_iterations,
            train_ids=tuple(example.id for example in self._train),
            dev_ids=tuple(example.id for example in dev),
            test_ids=(),
            settings=bench.settings.only({method, *OPTIMIZERS[method].also}),
            data_hash=data_hash([*self._train, *dev]),
        )
        origin = Origin("", "", bench.now, installed_packages())
        around = Surroundings(bench.meter, dev_teaches=False)  # `share_right` measures on dev
        beside = BesideLabels(champion=self._module(self._in_use) if bench.goes_on and self._in_use else None)
        recipe = Recipe(self._program, plan, dev, bench.lms, bench.embedders, around, beside)
        return train(recipe, self._train, (), 0, origin).version

    def share_right(self, version: Version | None) -> float | None:
        """Of the held back examples, None where it answers none of them. A version for other labels, or none, is the
        program as written."""
        asked = [to_dspy(self._program, example) for example in self.dev]
        try:
            rows = score(self._module(version), self._program, asked, self._bench.lms, lambda *_: None)
        except (BudgetSpent, ConfigInvalid, Unanswered):
            return None
        return sum(row.score for row in rows) / len(rows)

    def _module(self, version: Version | None) -> Any:
        try:
            return loaded(self._program, version, self._bench.embedders) if version else self._program.build()
        except ProgramChanged:
            return self._program.build()


def loaded(program: Program, version: Version, embedders: Embedders) -> Any:
    """A version as a module. Raises ProgramChanged for one of other labels, or whose embedder has changed."""
    return load(program, version.state, version.signature_hash, embedders)


def _or_nothing(share: float | None) -> float:
    return 0.0 if share is None else share


def _told(share: float | None) -> str:
    return "none" if share is None else percent(share)
