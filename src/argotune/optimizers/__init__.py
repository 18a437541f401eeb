"""How programs are tuned: one file per method. This tuple is the list of what ships."""

from __future__ import annotations

from collections.abc import Callable

from argotune.optimizers import bootstrap, copro, gepa, labeled, mipro, nearest, random_search, simba
from argotune.optimizers.choice import OptimizerChoice, Situation, Unfit, choose_from
from argotune.optimizers.compiling import Compile, guarded
from argotune.optimizers.task import Optimizer, TrainingTask
from argotune.tenants.config import DecisionRules, MethodName
from argotune.tenants.optimizer_settings import OptimizerSettings

__all__ = ["OPTIMIZERS", "Optimizer", "OptimizerChoice", "TrainingTask", "Unfit", "choose"]


def _once(_asked: int, _settings: OptimizerSettings) -> int:
    return 1


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
) -> Optimizer:
    guard = guarded(name, compile)
    return Optimizer(name, min_examples, needs_writer, guard, iterations, uses_weights, chooses, shows_as_is)


_ALL = (
    _optimizer("bootstrap", bootstrap.compile, min_examples=4, uses_weights=True),
    _optimizer(
        "random_search",
        random_search.compile,
        min_examples=10,
        iterations=random_search.iterations,
        uses_weights=True,
        chooses=True,
    ),
    _optimizer(
        "mipro",
        mipro.compile,
        min_examples=10,
        needs_writer=True,
        iterations=mipro.iterations,
        uses_weights=True,
        chooses=True,
    ),
    _optimizer("simba", simba.compile, min_examples=16, needs_writer=True, iterations=simba.iterations),
    _optimizer("gepa", gepa.compile, min_examples=10, needs_writer=True, iterations=gepa.iterations, chooses=True),
    _optimizer("copro", copro.compile, min_examples=4, needs_writer=True, iterations=copro.iterations, chooses=True),
    _optimizer("labeled", labeled.compile, min_examples=1, uses_weights=True, shows_as_is=True),
    _optimizer("nearest", nearest.compile, min_examples=8, shows_as_is=True),
)

OPTIMIZERS: dict[str, Optimizer] = {optimizer.name: optimizer for optimizer in _ALL}
"""One for each of config.METHODS."""


def choose(
    preferred: str,
    n_train: int,
    accuracy: float | None,
    has_writer: bool,
    rules: DecisionRules | None = None,
    *,
    shows_examples: bool = True,
) -> OptimizerChoice | Unfit:
    """What to run: `preferred`, or by size and accuracy where it is `auto`; an Unfit says what is missing.
    `shows_examples`: a predictor of the program can show an example as it is.

    Raises ConfigInvalid for a name that is neither `auto` nor in OPTIMIZERS.
    """
    situation = Situation(n_train, accuracy, has_writer, rules or DecisionRules(), shows_examples)
    return choose_from(OPTIMIZERS, preferred, situation)
