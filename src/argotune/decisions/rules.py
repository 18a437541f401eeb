"""Rules: what decides on training while no model has shown that its decisions are worth more."""

from __future__ import annotations

import math

from argotune.decisions.outlook import Outlook, outlook
from argotune.decisions.values import NO_OUTCOMES, ModelingContext, Opinion, Outcomes, Strategy, TrainingHistory
from argotune.stats.wording import counted, percent, points
from argotune.tenants.config import DecisionRules


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


def prospect(history: TrainingHistory, rules: DecisionRules, level: float, promise: float) -> Outlook | None:
    """What the next contest takes to show the promised gain at `level`, by how often champion and challengers differed
    so far; None where nobody knows, or where it is not asked."""
    if history.disagreement is None or not rules.detectable_gain or not 0 < level < 1:
        return None
    return outlook(promise, history.disagreement, level, rules.detection_power)


def opinion_of_rules(
    context: ModelingContext,
    rules: DecisionRules,
    promise: float = 0.0,
    out_of_reach: str = "",
    outcomes: Outcomes = NO_OUTCOMES,
    degraded: str = "",
) -> Opinion:
    """The cold-start rules: train for the first time, after a drop, on much new data, or after a long time.

    `out_of_reach` says why no contest could show the promised gain; "" where one could, or nobody knows. `outcomes` are
    none where the method would not learn from them. `degraded` tells how the champion answers worse than it did.
    """
    if out_of_reach:
        return Opinion(False, promise, out_of_reach)
    if degraded:
        return Opinion(True, promise, degraded)
    if context.days_since_last_training is None:
        return Opinion(True, promise, "it was never trained")
    if (context.success_drop or 0.0) >= rules.performance_degradation_threshold:
        return Opinion(True, promise, f"decisions are right {100 * (context.success_drop or 0):.0f} points less often")
    if (context.growth or 0.0) >= rules.growth_share:
        return Opinion(True, promise, f"the training examples grew by {percent(context.growth or 0.0)}")
    if outcomes.have_grown(rules.growth_share):
        return Opinion(True, promise, outcomes.told)
    if context.days_since_last_training >= rules.stale_days:
        return Opinion(
            True, promise, f"the last training is {counted(round(context.days_since_last_training), 'day')} old"
        )
    grew = f"{points(context.growth or 0.0)} % training examples"
    return Opinion(False, promise, f"little has changed since the last training: {grew}")


def strategy_of_rules(context: ModelingContext, rules: DecisionRules) -> Strategy:
    """By the number of real training examples ("Optimization Module", TrainingStrategyModel)."""
    if context.real_sample_count < rules.synthetic_threshold:
        return Strategy.SYNTHETIC
    return Strategy.HYBRID if context.real_sample_count < rules.hybrid_threshold else Strategy.PURE_REAL
