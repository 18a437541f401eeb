"""How programs are tuned: one file per method. This tuple is the list of what ships."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import dspy

from argotune.decisions.races import UNKNOWN, PastRaces
from argotune.optimizers import (
    bootstrap,
    cascade,
    copro,
    ensemble,
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
from argotune.optimizers.compiling import guarded
from argotune.optimizers.task import Optimizer, TrainingTask
from argotune.tenants.config import DecisionRules
from argotune.tenants.optimizer_settings import OptimizerSettings, PortfolioSettings

__all__ = ["OPTIMIZERS", "Optimizer", "OptimizerChoice", "TrainingTask", "Unfit", "choose"]


_ALL = (
    Optimizer("bootstrap", bootstrap.compile, min_examples=4, uses_weights=True, goes_by_scores=True),
    Optimizer(
        "random_search",
        random_search.compile,
        min_examples=10,
        iterations=random_search.iterations,
        uses_weights=True,
        chooses=True,
        goes_by_scores=True,
    ),
    Optimizer(
        "mipro",
        mipro.compile,
        min_examples=10,
        needs_writer=True,
        iterations=mipro.iterations,
        uses_weights=True,
        chooses=True,
        goes_by_scores=True,
    ),
    Optimizer(
        "simba",
        simba.compile,
        min_examples=16,
        needs_writer=True,
        iterations=simba.iterations,
        goes_by_scores=True,
        practises=True,
    ),
    Optimizer(
        "gepa",
        gepa.compile,
        min_examples=10,
        needs_writer=True,
        iterations=gepa.iterations,
        chooses=True,
        goes_by_scores=True,
        practises=True,
    ),
    Optimizer(
        "copro",
        copro.compile,
        min_examples=4,
        needs_writer=True,
        iterations=copro.iterations,
        chooses=True,
        goes_by_scores=True,
    ),
    Optimizer("labeled", labeled.compile, min_examples=1, uses_weights=True, shows_as_is=True),
    Optimizer("nearest", nearest.compile, min_examples=8, shows_as_is=True),
    Optimizer(
        "student",
        student.compile,
        min_examples=10,
        uses_weights=True,
        needs_closed_sets=True,
        unlabelled=student.unlabelled,
        also=frozenset({"nearest"}),
    ),
    Optimizer(
        "cascade",
        cascade.compile,
        min_examples=10,
        uses_weights=True,
        chooses=True,
        needs_closed_sets=True,
        unlabelled=cascade.unlabelled,
        also=frozenset({"nearest", "student"}),
    ),
    Optimizer(
        "policy",
        policy.compile,
        min_examples=10,
        uses_weights=True,
        chooses=True,
        needs_closed_sets=True,
        experiences=policy.wanted_experiences,
    ),
    Optimizer(
        "ensemble",
        ensemble.compile,
        min_examples=10,
        uses_weights=True,
        chooses=True,
        needs_closed_sets=True,
        also=frozenset({"nearest", "bootstrap"}),
    ),
)

_SINGLE = {each.name: replace(each, compile=guarded(each.name, each.compile)) for each in _ALL}


def _most(wanted: Callable[[Optimizer, OptimizerSettings], int], settings: OptimizerSettings) -> int:
    """What the candidate of a portfolio wants that wants most."""
    tried = (_SINGLE[name] for name in settings.portfolio.candidates if name in _SINGLE)
    return max((wanted(optimizer, settings) for optimizer in tried), default=0)


def _portfolio(task: TrainingTask) -> dspy.Module:
    return portfolio.Portfolio(_SINGLE, task).compile()


OPTIMIZERS: dict[str, Optimizer] = {
    **_SINGLE,
    # Each of its candidates is guarded by itself.
    "portfolio": Optimizer(
        name="portfolio",
        compile=_portfolio,
        min_examples=1,
        iterations=portfolio.iterations,
        uses_weights=True,
        chooses=True,
        goes_by_scores=True,
        practises=True,
        unlabelled=partial(_most, lambda optimizer, settings: optimizer.unlabelled(settings)),
        experiences=partial(_most, lambda optimizer, settings: optimizer.experiences(settings)),
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
