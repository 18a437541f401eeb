"""Rules: what is known when a run is decided on, what can be chosen, the cold-start rules, and what was chosen.

Numbers about data and past runs only; nothing that a tenant asked or answered is in any of these values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from argotune.stats.power import examples_needed, level_of_attempt
from argotune.store.documents import Document
from argotune.tenants.config import BudgetLimits, DecisionRules, GateRules

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Strategy(StrEnum):
    """Which data a challenger is trained on ("Optimization Module", TrainingStrategyModel)."""

    SKIP = "skip"
    SYNTHETIC = "synthetic"
    HYBRID = "hybrid"
    PURE_REAL = "pure_real"


class ModelingContext(Document):
    """What is known of a program's data and past when training is decided on. None: nobody knows.

    The first six fields are those of "Optimization Module"; the others are what "Optimizer Selection Strategy" of the
    auto-optimization workflow names: dataset size, label quality, history, query complexity, time and LM budget.
    Counts are of examples, shares and scores in 0..1. `modality` is the module, or the modality within it.
    """

    modality: str = ""
    real_sample_count: Count = 0
    success_rate: Share | None = None
    days_since_last_training: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    current_performance_score: Share | None = None
    data_quality_score: Share | None = None
    dataset_size: Count = 0
    test_count: Count = 0
    label_count: Count = 0
    label_consistency: Share | None = None
    words_per_query: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    growth: Finite | None = None
    success_drop: Finite | None = None
    trainings: Count = 0
    promotions: Count = 0
    last_gain: Finite | None = None
    detectable_gain: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    lm_call_budget: Count = 0
    iteration_budget: Count = 0


class TrainingHistory(Document):
    """What a program's past trainings left: enough to decide on the next one without reading all runs.

    `compared` test examples were answered by champion and challenger so far, on `disagreed` of them they differed.
    """

    trainings: int = 0
    promotions: int = 0
    attempts: int = 0
    compared: int = 0
    disagreed: int = 0
    last_at: datetime | None = None
    last_train_count: int = 0
    last_gain: float | None = None
    was_unproven: bool = False
    champion_score: float | None = None

    @property
    def disagreement(self) -> float | None:
        """The rate at which champion and challengers disagreed, in 0..1; None before the first comparison."""
        return self.disagreed / self.compared if self.compared else None


class CutShort(Document):
    """A plan that ended for want of budget: what it would have taught (its lesson) and the limits that it had."""

    lesson: str
    max_lm_calls: int
    max_lm_tokens: int

    def has_more(self, budget: BudgetLimits) -> bool:
        """Whether doing it again within `budget` could come further."""
        return budget.max_lm_calls > self.max_lm_calls or budget.max_lm_tokens > self.max_lm_tokens


class Action(Document):
    """What can be decided: to skip, or to train on some data by some optimizer."""

    strategy: Strategy
    optimizer: str = ""

    @property
    def trains(self) -> bool:
        return self.strategy is not Strategy.SKIP

    @property
    def name(self) -> str:
        """E.g. `skip` or `hybrid nearest`."""
        return f"{self.strategy} {self.optimizer}".strip()


SKIP = Action(strategy=Strategy.SKIP)


class Contribution(Document):
    """What one feature added to a model's expected gain (SHAP value, in score)."""

    feature: str
    value: float | None
    gain: float


class TrainingDecision(Document):
    """What was decided, by whom and why, kept with the run.

    `by`: `floor` where nothing could be chosen, `forced` by a person, `rules`, `model`, or `chance` where the share
    for exploring fell on this run. `probability` is that with which this action was drawn among the `possible` ones;
    `by_rules` is what the rules alone would have done. `expected_gain` is in score.
    """

    action: Action
    by: Literal["floor", "forced", "rules", "model", "chance"]
    reason: str
    by_rules: Action
    possible: tuple[Action, ...] = ()
    probability: Annotated[float, Field(gt=0, le=1)] = 1.0
    expected_gain: float | None = None
    model: str | None = None
    contributions: tuple[Contribution, ...] = ()


@dataclass(frozen=True)
class Opinion:
    """Whether training is worth it, which gain (in score) is expected or asked for, and the sentence why."""

    should_train: bool
    expected_gain: float
    reason: str


class Shortfall(Document):
    """How many test examples, and about how many traces, are missing to detect a gain (in score)."""

    gain: float
    test_examples: int
    traces: int

    @property
    def sentence(self) -> str:
        return f"{self.traces:,} traces short of detecting {100 * self.gain:+.3g} points"


@dataclass(frozen=True)
class Advice:
    """What a model thinks of the possible actions: the best one, the gain (in score) it expects of it, and why."""

    action: Action
    expected_gain: float
    contributions: tuple[Contribution, ...]
    reason: str


def promised_gain(context: ModelingContext, history: TrainingHistory, rules: DecisionRules) -> float:
    """The gain (in score) that the next challenger is to be able to show.

    The configured one, or more where there is reason to hope for more: what got worse since the last training may be
    won back, what the last challenger seemed to gain but could not prove may be proven with more examples, and each
    doubling of the training examples may take away a share of the champion's errors.
    """
    unproven = history.last_gain if history.was_unproven and history.last_gain else 0.0
    return max(rules.detectable_gain, context.success_drop or 0.0, unproven, _gain_of_growth(context, rules))


def _gain_of_growth(context: ModelingContext, rules: DecisionRules) -> float:
    if context.current_performance_score is None or not context.growth or context.growth < 0:
        return 0.0
    return (
        rules.errors_less_by_doubling * (1 - context.current_performance_score) * min(math.log2(1 + context.growth), 1)
    )


def shortfall(
    context: ModelingContext, history: TrainingHistory, rules: DecisionRules, gate: GateRules, traces: int
) -> Shortfall | None:
    """What is missing to detect the promised gain at the gate's next level; None when nothing is, or nobody knows.

    `traces` is the number that the context's test examples came from.
    """
    if history.disagreement is None or not rules.detectable_gain:
        return None
    gain = promised_gain(context, history, rules)
    level = level_of_attempt(gate.significance, history.attempts + 1)
    missing = examples_needed(gain, history.disagreement, level, rules.detection_power) - context.test_count
    if missing <= 0:
        return None
    per_example = traces / context.test_count if context.test_count else 1.0
    return Shortfall(gain=gain, test_examples=missing, traces=math.ceil(missing * max(per_example, 1.0)))


def opinion_of_rules(
    context: ModelingContext, rules: DecisionRules, promise: float = 0.0, short: Shortfall | None = None
) -> Opinion:
    """The cold-start rules: train for the first time, after a drop, on much new data, or after a long time."""
    if short:
        return Opinion(False, promise, short.sentence)
    if context.days_since_last_training is None:
        return Opinion(True, promise, "it was never trained")
    if (context.success_drop or 0.0) >= rules.performance_degradation_threshold:
        return Opinion(True, promise, f"decisions are right {100 * (context.success_drop or 0):.0f} points less often")
    if (context.growth or 0.0) >= rules.growth_share:
        return Opinion(True, promise, f"the training examples grew by {context.growth:.0%}")
    if context.days_since_last_training >= rules.stale_days:
        return Opinion(True, promise, f"the last training is {context.days_since_last_training:.0f} days old")
    grew = f"{context.growth or 0:+.0%} training examples"
    return Opinion(False, promise, f"little has changed since the last training: {grew}")


def strategy_of_rules(context: ModelingContext, rules: DecisionRules) -> Strategy:
    """By the number of real training examples ("Optimization Module", TrainingStrategyModel)."""
    if context.real_sample_count < rules.synthetic_threshold:
        return Strategy.SYNTHETIC
    return Strategy.HYBRID if context.real_sample_count < rules.hybrid_threshold else Strategy.PURE_REAL


def drawn(preferred: Action, possible: Sequence[Action], exploration: float, chance: float) -> tuple[Action, float]:
    """An action and the probability with which it is drawn: the preferred one, but in the share `exploration` (0..1)
    of all decisions any of the possible ones, each alike. `chance` is uniform in 0..1.

    Epsilon-greedy, so that every action keeps a known probability: what the other one would have brought can be
    estimated later (Horvitz and Thompson, J. Amer. Statist. Assoc. 47, 1952).
    """
    drawn_place = min(int(chance / exploration * len(possible)), len(possible) - 1) if chance < exploration else None
    action = preferred if drawn_place is None else possible[drawn_place]
    return action, exploration / len(possible) + (1 - exploration if action == preferred else 0.0)
