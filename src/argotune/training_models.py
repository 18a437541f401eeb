"""The two models that "Optimization Module" names, over the meta-model in use or, without one, the cold-start rules."""

from __future__ import annotations

import math
from collections.abc import Sequence

from argotune.decisions import Action, ModelingContext, Opinion, Strategy, opinion_of_rules, strategy_of_rules
from argotune.errors import ConfigInvalid
from argotune.meta_models import Advisor, MetaModel, NotLearned, Training, fit
from argotune.tenants import DecisionRules


class TrainingDecisionModel:
    """`should_train` of "Optimization Module": by a meta-model where there is one, else by the cold-start rules."""

    def __init__(self, rules: DecisionRules | None = None, model: MetaModel | None = None) -> None:
        self._rules = rules or DecisionRules()
        self._advisor = Advisor(model) if model else None

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
        opinion = self._opinion(context)
        return opinion.should_train, opinion.expected_gain

    def _opinion(self, context: ModelingContext) -> Opinion:
        if self._advisor is None:
            return opinion_of_rules(context, self._rules, self._rules.detectable_gain)
        advice = self._advisor.advise(context, [Action(strategy=Strategy.PURE_REAL)])
        return Opinion(advice.action.trains, advice.expected_gain, advice.reason)


class TrainingStrategyModel:
    """`select_strategy` of "Optimization Module"."""

    def __init__(self, rules: DecisionRules | None = None, model: MetaModel | None = None) -> None:
        self._rules = rules or DecisionRules()
        self._advisor = Advisor(model) if model else None

    def select_strategy(self, context: ModelingContext) -> Strategy:
        """By the number of real examples; SKIP where the model in use, or else the rules, see no use in training."""
        usual = strategy_of_rules(context, self._rules)
        if self._advisor is None:
            return usual if opinion_of_rules(context, self._rules).should_train else Strategy.SKIP
        possible = [Action(strategy=strategy) for strategy in dict.fromkeys((usual, Strategy.PURE_REAL))]
        return self._advisor.advise(context, possible).action.strategy
