"""What an optimizer is given, what it is, and the few things that all methods need."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import dspy

from argotune.data.experiences import Experience
from argotune.decisions.races import Entrant, Race
from argotune.errors import ArgotuneError, ProgramFailed
from argotune.lm.effort import Stopwatch
from argotune.lm.meter import Meter
from argotune.lm.port import LMs
from argotune.lm.streaks import Streak
from argotune.programs.embedder import Embedders
from argotune.programs.evaluation import appraisal_on
from argotune.programs.prediction import as_prediction
from argotune.programs.program import Appraisal, Program
from argotune.programs.retrieval import RetrievedDemos
from argotune.tenants.config import BudgetLimits
from argotune.tenants.optimizer_settings import OptimizerSettings

MAX_DEMO_CHARS = 2_000
"""Longer examples train and test, but are not shown: one alone could push the question out of the window."""


Announce = Callable[[str, int, int], None]
"""Is told what is being done, how much of it is done, and of how much (0: nobody knows)."""


@dataclass(frozen=True)
class Incumbent:
    """The champion, and the places of the dev examples, and of the refuted questions of dev, that it has not learned
    from. `margin`: a challenger that asks at most `cheaper_ratio` of its LM calls may be worse by less than this; 0: it
    must be better."""

    module: dspy.Module
    unseen: frozenset[int]
    unseen_refuted: frozenset[int] = frozenset()
    margin: float = 0.0
    cheaper_ratio: float = 0.5


@dataclass(frozen=True)
class TrainingTask:
    """One compilation. `train` teaches, `dev` chooses between candidates; the test split is never here.

    `max_iterations` is how many candidate programs the method may try. `weights` are those of `train`, in 0..1; none
    means that all count alike. `settings` are the tenant's of every method.

    `unlabelled` are recent requests that nobody labelled, as many as the method asks for at most: none that is or may
    become a test example. `scored` are requests without a right answer that teach, as any answer can be scored; in
    `dev` some may be like them, too. `experiences` are recent decisions with what came of them, of requests as these
    or of training examples. `refuted` and `refuted_dev` are questions without a right answer of which people have said
    what is wrong (programs/refuted.py): they are scored in training and in choosing, and never shown. `tutor` is the
    best program so far that asks an LM, None where there is none but the program as written. `notes` are what a method
    has to say of its result, for people: it adds to them.

    The others are for a portfolio: `dev_weights` are those of `dev`, `entrants` the methods that it tries, `incumbent`
    the champion; `meter` is what the LMs pay by; `on_race` is told what came of the race, `announce` how it goes;
    `dev_teaches`: its winner may learn from dev once it was chosen.
    """

    program: Program
    student: dspy.Module
    train: list[dspy.Example]
    dev: list[dspy.Example]
    lms: LMs
    embedders: Embedders
    seed: int
    max_iterations: int
    weights: Sequence[float] = ()
    settings: OptimizerSettings = field(default_factory=OptimizerSettings)
    unlabelled: Sequence[dspy.Example] = ()
    scored: Sequence[dspy.Example] = ()
    refuted: Sequence[dspy.Example] = ()
    refuted_dev: Sequence[dspy.Example] = ()
    experiences: Sequence[Experience] = ()
    tutor: dspy.Module | None = None
    notes: list[str] = field(default_factory=list)
    dev_weights: Sequence[float] = ()
    entrants: Sequence[Entrant] = ()
    incumbent: Incumbent | None = None
    meter: Meter = field(default_factory=lambda: Meter(BudgetLimits()))
    stopwatch: Stopwatch = time.monotonic
    on_race: Callable[[Race], None] = lambda _race: None
    announce: Announce = lambda _told, _done, _total: None
    dev_teaches: bool = True

    @property
    def choosing(self) -> list[dspy.Example]:
        """The examples that candidates are compared on: dev, or train where there is no dev."""
        return [*self.dev, *self.refuted_dev] if self.dev else self.practising

    @contextmanager
    def compiling(self, method: str) -> Iterator[None]:
        """Within the block, tell how many answers of LMs the method took: how many it will take nobody knows."""
        with self.meter.telling(lambda answers: self.announce(f"{method}: LM answers", answers, 0)):
            yield

    @property
    def practising(self) -> list[dspy.Example]:
        """The examples that are answered and scored in training: those that cannot be shown come last."""
        return [*self.train, *self.scored, *self.refuted]


class Stopped(BaseException):
    """Carries one of our errors out of DSPy, which counts any Exception as a wrong answer and goes on."""

    def __init__(self, error: ArgotuneError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True)
class Optimizer:
    """A method. `needs_writer`: it has instructions written, so `lms.teacher` must be there.

    `iterations` tells how many candidates it tries where so many are asked for, by a tenant's settings: 1 for a method
    that does not search.
    `uses_weights`: what an example counts, and so the tenant's `reward`, decides which ones it shows. `chooses`: it
    compares candidates on dev; dev examples teach where it does not (pipeline/stages/train.py). `shows_as_is`: all that
    it does is to show examples as they are, which a predictor with neither their inputs nor their answers cannot.
    `goes_by_scores`: a metric is all that it needs, so that questions without a right answer teach it where a rubric
    scores what is answered. `practises`: it goes by the scores of training examples, and so learns from what people
    have said is wrong. `needs_closed_sets`: it answers labels only, and must see two different ones. `unlabelled`
    tells how many requests without a label it has use for, by a tenant's settings, and `experiences` how many
    experiences; `also` names methods whose settings it follows, too.
    """

    name: str
    compile: Callable[[TrainingTask], dspy.Module]
    min_examples: int
    needs_writer: bool = False
    iterations: Callable[[int, OptimizerSettings], int] = lambda _asked, _settings: 1
    uses_weights: bool = False
    chooses: bool = False
    shows_as_is: bool = False
    goes_by_scores: bool = False
    practises: bool = False
    needs_closed_sets: bool = False
    unlabelled: Callable[[OptimizerSettings], int] = lambda _settings: 0
    experiences: Callable[[OptimizerSettings], int] = lambda _settings: 0
    also: frozenset[str] = frozenset()


def has_answer(example: dspy.Example) -> bool:
    """Whether an example says what is right, or is a question alone."""
    return len(example.labels()) > 0


def bare_student(task: TrainingTask) -> dspy.Module:
    """The student without retrieved demonstrations: methods that set demonstrations would have theirs overwritten."""
    return task.student.program if isinstance(task.student, RetrievedDemos) else task.student


def metric_of(task: TrainingTask) -> Callable[..., float]:
    """The program's metric with the extra arguments that DSPy passes, as `appraisal_of`."""
    appraisal = appraisal_of(task)

    def metric(example: dspy.Example, prediction: object, *_trace: Any) -> float:
        return appraisal(example, prediction, *_trace).score

    return metric


def appraisal_of(task: TrainingTask) -> Callable[..., Appraisal]:
    """The program's metric with its feedback; a program that failed scores 0.

    So does an answer on which the metric fails. A metric that fails on the first ten, or gives no share, ends the
    compilation: DSPy would take it for wrong answers.
    """
    judged = Streak()

    def appraisal(example: dspy.Example, prediction: object, *_trace: Any) -> Appraisal:
        try:
            said = as_prediction(task.program, prediction)
        except TypeError:  # nothing, or what a user's `forward` returned instead
            return Appraisal(0.0)
        try:
            found = appraisal_on(task.program, example, said)
        except ProgramFailed as error:
            judged.lengthen()
            if judged.is_all:
                raise Stopped(error) from error
            return Appraisal(0.0)
        except ArgotuneError as error:
            raise Stopped(error) from error
        judged.end()
        return found

    return appraisal


def demo_pool(task: TrainingTask) -> list[dspy.Example]:
    """The training examples that are short enough to be shown, in an order drawn by the seed: heavier ones come early.

    Weighted sampling without replacement (P. Efraimidis, P. Spirakis, "Weighted random sampling with a reservoir",
    Information Processing Letters 97, 2006): by falling u^(1/weight), u uniform. A weight of 0 comes last.
    """
    chance = random.Random(task.seed)  # noqa: S311 (nothing secret)
    keyed = [
        (_key(chance.random(), weight), number, example)
        for number, (example, weight) in enumerate(
            zip(task.train, task.weights or [1.0] * len(task.train), strict=True)
        )
        if sum(len(str(value)) for value in example.values()) <= MAX_DEMO_CHARS
    ]
    return [example for _, _, example in sorted(keyed, key=lambda item: item[:2])]


def _key(uniform: float, weight: float) -> float:
    """Minus the logarithm of u^(1/weight): equal order, and no weight is too small for it."""
    return -math.log(uniform or 5e-324) / weight if weight > 0 else math.inf
