"""Which optimizer a run uses, and why: the tenant's wish where it can be met, or the first rule that applies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from argotune.decisions.races import UNKNOWN, Entrant, PastRaces, entrants
from argotune.errors import ConfigInvalid
from argotune.optimizers.task import Optimizer
from argotune.stats.wording import counted, percent
from argotune.tenants.config import DecisionRules


@dataclass(frozen=True)
class OptimizerChoice:
    """An optimizer that can be run, with the sentence that is kept and, of a portfolio, the methods that it tries."""

    optimizer: str
    reason: str
    entrants: tuple[Entrant, ...] = ()


@dataclass(frozen=True)
class Unfit:
    """An optimizer that cannot be run here, and the sentence that says what is missing."""

    optimizer: str
    reason: str


@dataclass(frozen=True)
class Situation:
    """What `auto` looks at. `accuracy` is the champion's, in 0..1, None when nobody measured it. `shows_examples`: a
    predictor of the program can show an example as it is. `is_closed`: all of its answers are from closed sets.
    `different_answers` are those of the training examples, None where more may come. `candidates` are the methods of a
    portfolio, from cheap to dear, and `past` is what is known of its races. `scored` questions have no right
    answer, and a rubric scores whatever is answered."""

    n_train: int
    accuracy: float | None
    has_writer: bool
    rules: DecisionRules
    shows_examples: bool = True
    is_closed: bool = True
    different_answers: int | None = None
    candidates: Sequence[str] = ()
    past: PastRaces = UNKNOWN
    scored: int = 0


@dataclass(frozen=True)
class AutoRule:
    """A row of the table. `reason` may name {n}, {scored}, {accuracy}, {simba_below} and the fields of {rules}."""

    applies: Callable[[Situation], bool]
    optimizer: str
    reason: str


AUTO_RULES = (
    AutoRule(
        lambda s: not s.n_train and s.scored > 0,
        "bootstrap",
        "no training example has a right answer, and of {scored} questions the rubric scores what is answered",
    ),
    AutoRule(
        lambda s: s.n_train < s.rules.labeled_below and s.shows_examples,
        "labeled",
        "{n} training examples all fit into the prompt",
    ),
    AutoRule(
        lambda s: not s.has_writer and not s.shows_examples,
        "bootstrap",
        "no predictor has both an input and an answer of the program, so none can show an example as it is, and no "
        "teacher is named that writes instructions",
    ),
    AutoRule(
        lambda s: not s.has_writer,
        "nearest",
        "the task LM scores labels and no teacher is named, so nothing here writes instructions; of the methods that "
        "need none, examples near the question help most",
    ),
    AutoRule(
        lambda s: s.n_train < s.rules.mipro_threshold,
        "bootstrap",
        "{n} training examples are a cold start (fewer than {rules.mipro_threshold})",
    ),
    AutoRule(
        lambda s: s.accuracy is not None and s.accuracy < s.rules.simba_below,
        "simba",
        "an accuracy of {accuracy} is low (below {simba_below}), so the hard examples are looked at",
    ),
    AutoRule(
        lambda s: s.n_train <= s.rules.gepa_threshold,
        "mipro",
        "{n} training examples are enough to search instructions ({rules.mipro_threshold} to {rules.gepa_threshold})",
    ),
    AutoRule(
        lambda s: s.n_train > s.rules.gepa_threshold,
        "gepa",
        "{n} training examples are enough to evolve instructions (above {rules.gepa_threshold})",
    ),
)
"""What a portfolio tries first, and what is taken where none fits: the first row that applies. After "DSPy Optimizers"
of the auto-optimization workflow."""


def choose_from(optimizers: Mapping[str, Optimizer], preferred: str, situation: Situation) -> OptimizerChoice | Unfit:
    """The preferred optimizer or, for `auto`, the portfolio where two of its methods fit, else what the rules say.

    Raises ConfigInvalid for an unknown name."""
    rule = next(rule for rule in AUTO_RULES if rule.applies(situation))
    if preferred not in ("auto", *optimizers):
        raise ConfigInvalid(f"preferred_optimizer: {preferred!r} is not one of auto, {', '.join(optimizers)}")
    fit = [name for name in situation.candidates if name in optimizers and not _missing(optimizers[name], situation)]
    if preferred == "portfolio" or (preferred == "auto" and len(fit) > 1):
        return _portfolio(fit, rule, situation, preferred)
    name = rule.optimizer if preferred == "auto" else preferred
    missing = _missing(optimizers[name], situation)
    if missing:
        return Unfit(name, missing)
    return OptimizerChoice(name, f"{name}: {_reason(rule if preferred == 'auto' else None, situation)}")


def _portfolio(fit: Sequence[str], rule: AutoRule, situation: Situation, preferred: str) -> OptimizerChoice | Unfit:
    if not fit:
        told = ", ".join(situation.candidates)
        return Unfit("portfolio", f"none of the methods of the portfolio fits here: {told}")
    wish = "the tenant's config asks for it; " if preferred == "portfolio" else ""
    tried = entrants(fit, rule.optimizer, situation.past)
    named = ", ".join(entrant.method for entrant in tried)
    known = f" and past races of {situation.past.kind} programs" if situation.past.raced else ""
    why = f"{wish}{named} fit; in this order by the rules{known}"
    if rule.optimizer in fit:
        why += f" ({rule.optimizer}: {_reason(rule, situation)})"
    return OptimizerChoice("portfolio", f"portfolio: {why}", tried)


def _reason(rule: AutoRule | None, situation: Situation) -> str:
    if rule is None:
        return "the tenant's config asks for it"
    rules, accuracy = situation.rules, percent(situation.accuracy or 0)
    return rule.reason.format(
        n=situation.n_train,
        scored=situation.scored,
        accuracy=accuracy,
        simba_below=percent(rules.simba_below),
        rules=rules,
    )


def _missing(optimizer: Optimizer, situation: Situation) -> str | None:
    n = situation.n_train + (situation.scored if optimizer.goes_by_scores else 0)
    if n < optimizer.min_examples:
        needed = counted(optimizer.min_examples, "training example")
        return f"{optimizer.name} needs {needed}, {n} are here"
    if optimizer.needs_closed_sets and not situation.is_closed:
        return f"{optimizer.name} answers from closed sets only, and an answer of the program is free text"
    if optimizer.needs_closed_sets and situation.different_answers == 1:
        return f"{optimizer.name} needs two different answers to learn from: all training examples have the same"
    if optimizer.shows_as_is and not situation.shows_examples:
        return (
            f"{optimizer.name} shows examples as they are, and no predictor of the program has both an input and an "
            "answer of them: set preferred_optimizer to bootstrap or auto"
        )
    if optimizer.needs_writer and not situation.has_writer:
        return f"{optimizer.name} needs an LM that writes instructions: set lm.teacher_model or ARGOTUNE_TEACHER_MODEL"
    return None
