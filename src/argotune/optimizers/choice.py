"""Which optimizer a run uses, and why: the tenant's wish where it can be met, or the first rule that applies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from argotune.errors import ConfigInvalid
from argotune.optimizers.task import Optimizer


@dataclass(frozen=True)
class Choice:
    """An optimizer that can be run, and the sentence that is kept with the run."""

    optimizer: str
    reason: str


@dataclass(frozen=True)
class Refusal:
    """An optimizer that cannot be run here, and the sentence that says what it lacks."""

    optimizer: str
    reason: str


@dataclass(frozen=True)
class Situation:
    """What `auto` looks at. `accuracy` is the champion's, in 0..1, None when nobody measured it."""

    n_train: int
    accuracy: float | None
    has_writer: bool


@dataclass(frozen=True)
class Rule:
    """A row of the table. `reason` may name {n} and {accuracy}."""

    applies: Callable[[Situation], bool]
    optimizer: str
    reason: str


LOW_ACCURACY = 0.6

RULES = (
    Rule(lambda s: s.n_train < 10, "labeled", "{n} training examples all fit into the prompt"),
    Rule(
        lambda s: not s.has_writer,
        "nearest",
        "no LM here can write instructions, and of the methods that need none, examples near the question help most",
    ),
    Rule(lambda s: s.n_train < 50, "bootstrap", "{n} training examples are a cold start (fewer than 50)"),
    Rule(
        lambda s: s.accuracy is not None and s.accuracy < LOW_ACCURACY,
        "simba",
        "an accuracy of {accuracy:.0%} is low (below 60 %), so the hard examples are looked at",
    ),
    Rule(lambda s: s.n_train <= 200, "mipro", "{n} training examples are enough to search instructions (50 to 200)"),
    Rule(lambda s: s.n_train > 200, "gepa", "{n} training examples are enough to evolve instructions (above 200)"),
)
"""`auto`: the first row that applies. After "DSPy Optimizers" of the auto-optimization workflow."""


def choose_from(
    optimizers: Mapping[str, Optimizer], preferred: str, n_train: int, accuracy: float | None, has_writer: bool
) -> Choice | Refusal:
    """The preferred optimizer or, for `auto`, what the rules say. Raises ConfigInvalid for an unknown name."""
    situation = Situation(n_train, accuracy, has_writer)
    rule = next(rule for rule in RULES if rule.applies(situation)) if preferred == "auto" else None
    name = rule.optimizer if rule else preferred
    if name not in optimizers:
        raise ConfigInvalid(f"preferred_optimizer: {name!r} is not one of auto, {', '.join(optimizers)}")
    lack = _lack(optimizers[name], situation)
    if lack:
        return Refusal(name, lack)
    reason = rule.reason.format(n=n_train, accuracy=accuracy or 0) if rule else "the tenant's config asks for it"
    return Choice(name, f"{name}: {reason}")


def _lack(optimizer: Optimizer, situation: Situation) -> str | None:
    if situation.n_train < optimizer.min_examples:
        return f"{optimizer.name} needs {optimizer.min_examples} training examples, {situation.n_train} are here"
    if optimizer.needs_writer and not situation.has_writer:
        return f"{optimizer.name} needs an LM that writes instructions: set lm.teacher_model or ARGOTUNE_TEACHER_MODEL"
    return None
