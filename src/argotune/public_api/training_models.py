"""The two models that "Optimization Module" names, over the meta-model in use or, without one, the cold-start rules."""

from __future__ import annotations

import math
from collections.abc import Sequence

from argotune.decisions.gain_model import Advisor, MetaModel, NotLearned, Training, fit
from argotune.decisions.rules import opinion_of_rules, promised_gain, strategy_of_rules
from argotune.decisions.values import Action, ModelingContext, Opinion, Strategy, TrainingHistory
from argotune.errors import ConfigInvalid
from argotune.stats.wording import percent
from argotune.tenants.config import DecisionRules

TrainingStrategy = Strategy
"""As "Optimization Module" calls it."""


class TrainingDecisionModel:
    """`should_train` of "Optimization Module": by a meta-model where there is one, else by the cold-start rules.

    What no training can mend comes first, as in the pipeline: no data, nothing left to gain.
    """

    def __init__(self, rules: DecisionRules | None = None, model: MetaModel | None = None) -> None:
        self._rules = rules or DecisionRules()
        self._advisor = Advisor(model) if model else None

    @property
    def by(self) -> str:
        """Who decides: `rules`, or `model`."""
        return "model" if self._advisor else "rules"

    def train(self, contexts: Sequence[ModelingContext], targets: Sequence[float]) -> NotLearned | None:
        """Learn from gains (in score, or True and False); None when it did, else why the rules go on.

        Each context counts as a tenant of its own. Raises ConfigInvalid for lists of different lengths or a target
        that is not finite.
        """
        if len(contexts) != len(targets) or not all(math.isfinite(target) for target in targets):
            raise ConfigInvalid(f"targets: {len(targets)} for {len(contexts)} contexts; each must be finite")
        action = Action(strategy=Strategy.PURE_REAL)
        past = [
            Training(str(number), context, action, float(target), 1.0)
            for number, (context, target) in enumerate(zip(contexts, targets, strict=True))
        ]
        found = fit(past, seed=0)
        if isinstance(found, NotLearned):
            return found
        self._advisor = Advisor(found)
        return None

    def should_train(self, context: ModelingContext) -> tuple[bool, float]:
        """Whether training is worth it, and the gain (in score) that is expected, or asked for by the rules."""
        opinion = self.opinion(context)
        return opinion.should_train, opinion.expected_gain

    def opinion(self, context: ModelingContext) -> Opinion:
        """As `should_train`, with the sentence why."""
        obstacle = self._obstacle(context)
        if obstacle:
            return Opinion(False, 0.0, obstacle)
        if self._advisor is None:
            known = context.model_copy(update={"success_drop": _drop(context)})
            promise = min(promised_gain(known, TrainingHistory(), self._rules), _room(known))
            return opinion_of_rules(known, self._rules, promise)
        advice = self._advisor.advise(context, [Action(strategy=Strategy.PURE_REAL)])
        return Opinion(advice.action.trains, advice.expected_gain, advice.reason)

    def _obstacle(self, context: ModelingContext) -> str | None:
        if not context.real_sample_count and not context.dataset_size:
            return "no data: nobody labelled an example"
        if _room(context) < self._rules.detectable_gain:
            return f"nothing left to gain: {percent(1 - _room(context))} is right already"
        return None


def _drop(context: ModelingContext) -> float | None:
    """What decisions are right less often than the champion's measurement, where that is not known but both are."""
    if context.success_drop is not None or context.current_performance_score is None or context.success_rate is None:
        return context.success_drop
    return context.current_performance_score - context.success_rate


def _room(context: ModelingContext) -> float:
    """What is wrong now, in 0..1: more than that cannot be gained. All of it where nobody measured."""
    known = [score for score in (context.current_performance_score, context.success_rate) if score is not None]
    return 1 - min(known, default=0.0)


class TrainingStrategyModel:
    """`select_strategy` of "Optimization Module"."""

    def __init__(self, rules: DecisionRules | None = None, model: MetaModel | None = None) -> None:
        self._rules = rules or DecisionRules()
        self._deciding = TrainingDecisionModel(self._rules)
        self._advisor = Advisor(model) if model else None

    @property
    def by(self) -> str:
        """Who decides: `rules`, or `model`."""
        return "model" if self._advisor else "rules"

    def select_strategy(self, context: ModelingContext) -> Strategy:
        """By the number of real examples; SKIP where the model in use, or else the rules, see no use in training."""
        usual = strategy_of_rules(context, self._rules)
        if self._advisor is None:
            return usual if self._deciding.should_train(context)[0] else Strategy.SKIP
        possible = [Action(strategy=strategy) for strategy in dict.fromkeys((usual, Strategy.PURE_REAL))]
        return self._advisor.advise(context, possible).action.strategy
