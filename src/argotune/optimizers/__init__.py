"""How programs are tuned: one file per method. This tuple is the list of what ships."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import dspy

from argotune.decisions.races import UNKNOWN, PastRaces
from argotune.optimizers import (
    bootstrap,
    cascade,
    copro,
    gepa,
    labeled,
    mipro,
    nearest,
    policy,
    portfolio,
    random_search,
    simba,
    student,
)
from argotune.optimizers.choice import OptimizerChoice, Situation, Unfit, choose_from
from argotune.optimizers.compiling import Compile, guarded
from argotune.optimizers.task import Optimizer, TrainingTask
from argotune.tenants.config import DecisionRules, MethodName
from argotune.tenants.optimizer_settings import OptimizerSettings, PortfolioSettings

__all__ = ["OPTIMIZERS", "Optimizer", "OptimizerChoice", "TrainingTask", "Unfit", "choose"]


def _once(_asked: int, _settings: OptimizerSettings) -> int:
    return 1


def _none(_settings: OptimizerSettings) -> int:
    return 0


def _optimizer(
    name: MethodName,
    compile: Compile,
    *,
    min_examples: int,
    needs_writer: bool = False,
    iterations: Callable[[int, OptimizerSettings], int] = _once,
    uses_weights: bool = False,
    chooses: bool = False,
    shows_as_is: bool = False,
    goes_by_scores: bool = False,
    needs_closed_sets: bool = False,
    unlabelled: Callable[[OptimizerSettings], int] = _none,
    experiences: Callable[[OptimizerSettings], int] = _none,
    also: Sequence[str] = (),
) -> Optimizer:
    return Optimizer(
        name=name,
        min_examples=min_examples,
        needs_writer=needs_writer,
        compile=guarded(name, compile),
        iterations=iterations,
        uses_weights=uses_weights,
        chooses=chooses,
        shows_as_is=shows_as_is,
        goes_by_scores=goes_by_scores,
        needs_closed_sets=needs_closed_sets,
        unlabelled=unlabelled,
        experiences=experiences,
        also=frozenset(also),
    )


_ALL = (
    _optimizer("bootstrap", bootstrap.compile, min_examples=4, uses_weights=True, goes_by_scores=True),
    _optimizer(
        "random_search",
        random_search.compile,
        min_examples=10,
        iterations=random_search.iterations,
        uses_weights=True,
        chooses=True,
        goes_by_scores=True,
    ),
    _optimizer(
        "mipro",
        mipro.compile,
        min_examples=10,
        needs_writer=True,
        iterations=mipro.iterations,
        uses_weights=True,
        chooses=True,
        goes_by_scores=True,
    ),
    _optimizer(
        "simba", simba.compile, min_examples=16, needs_writer=True, iterations=simba.iterations, goes_by_scores=True
    ),
    _optimizer(
        "gepa",
        gepa.compile,
        min_examples=10,
        needs_writer=True,
        iterations=gepa.iterations,
        chooses=True,
        goes_by_scores=True,
    ),
    _optimizer(
        "copro",
        copro.compile,
        min_examples=4,
        needs_writer=True,
        iterations=copro.iterations,
        chooses=True,
        goes_by_scores=True,
    ),
    _optimizer("labeled", labeled.compile, min_examples=1, uses_weights=True, shows_as_is=True),
    _optimizer("nearest", nearest.compile, min_examples=8, shows_as_is=True),
    _optimizer(
        "student",
        student.compile,
        min_examples=10,
        uses_weights=True,
        needs_closed_sets=True,
        unlabelled=student.unlabelled,
        also=["nearest"],
    ),
    _optimizer(
        "cascade",
        cascade.compile,
        min_examples=10,
        uses_weights=True,
        chooses=True,
        needs_closed_sets=True,
        unlabelled=cascade.unlabelled,
        also=["nearest", "student"],
    ),
    _optimizer(
        "policy",
        policy.compile,
        min_examples=10,
        uses_weights=True,
        chooses=True,
        needs_closed_sets=True,
        experiences=policy.wanted_experiences,
    ),
)

_SINGLE: dict[str, Optimizer] = {optimizer.name: optimizer for optimizer in _ALL}


def _most_unlabelled(settings: OptimizerSettings) -> int:
    """As many requests without a label as the method takes that takes most."""
    tried = (_SINGLE[name] for name in settings.portfolio.candidates if name in _SINGLE)
    return max((optimizer.unlabelled(settings) for optimizer in tried), default=0)


def _most_experiences(settings: OptimizerSettings) -> int:
    """The same of experiences."""
    tried = (_SINGLE[name] for name in settings.portfolio.candidates if name in _SINGLE)
    return max((optimizer.experiences(settings) for optimizer in tried), default=0)


def _portfolio(task: TrainingTask) -> dspy.Module:
    return portfolio.Portfolio(_SINGLE, task).compile()


OPTIMIZERS: dict[str, Optimizer] = {
    **_SINGLE,
    # Each of its candidates is guarded by itself.
    "portfolio": Optimizer(
        name="portfolio",
        min_examples=1,
        needs_writer=False,
        compile=_portfolio,
        iterations=portfolio.iterations,
        uses_weights=True,
        chooses=True,
        shows_as_is=False,
        unlabelled=_most_unlabelled,
        goes_by_scores=True,
        experiences=_most_experiences,
    ),
}
"""One for each of config.METHODS."""


def choose(
    preferred: str,
    n_train: int,
    accuracy: float | None,
    has_writer: bool,
    rules: DecisionRules | None = None,
    *,
    shows_examples: bool = True,
    is_closed: bool = True,
    different_answers: int | None = None,
    candidates: Sequence[str] = (),
    past: PastRaces = UNKNOWN,
    scored: int = 0,
) -> OptimizerChoice | Unfit:
    """What to run: `preferred`, or what fits where it is `auto`; an Unfit says what is missing. All but `preferred` are
    those of a Situation.

    Raises ConfigInvalid for a name that is neither `auto` nor in OPTIMIZERS.
    """
    if preferred == "portfolio" and not candidates:
        candidates = PortfolioSettings().candidates
    situation = Situation(
        n_train=n_train,
        accuracy=accuracy,
        has_writer=has_writer,
        rules=rules or DecisionRules(),
        shows_examples=shows_examples,
        is_closed=is_closed,
        different_answers=different_answers,
        candidates=candidates,
        past=past,
        scored=scored,
    )
    return choose_from(OPTIMIZERS, preferred, situation)
