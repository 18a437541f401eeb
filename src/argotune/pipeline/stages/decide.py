"""decide: train or skip, on which data and by which optimizer, within which budget.

Rules decide until a model has shown that its decisions are worth more (decisions/gain_model.py); a share is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from argotune.data.dataset import Dataset
from argotune.data.splitting import Split
from argotune.decisions.context import shortfall_of
from argotune.decisions.rules import (
    SKIP,
    Action,
    Advice,
    CutShort,
    ModelingContext,
    Opinion,
    Strategy,
    TrainingDecision,
    TrainingHistory,
    drawn,
    opinion_of_rules,
    promised_gain,
    strategy_of_rules,
)
from argotune.optimizers import OPTIMIZERS, Choice, Refusal, choose
from argotune.runs.run import Plan
from argotune.synthetic.mixing import synthetic_share
from argotune.tenants.config import RewardWeights, RoutingConfigUnified


class Model(Protocol):
    """The active model. `id` is its version."""

    id: str

    def advise(self, context: ModelingContext, possible: Sequence[Action]) -> Advice:
        """The best of the possible actions, skipping among them."""


@dataclass(frozen=True)
class Question:
    """What is decided on. `chance` in 0..1 draws the decisions that explore; `learned` is the lesson of the program's
    last plan, `cut_short` that plan where the budget ended it; None where doing it again is wanted. `model` is None
    where the rules decide."""

    config: RoutingConfigUnified
    data: Dataset
    context: ModelingContext
    history: TrainingHistory
    seed: int
    chance: float
    has_writer: bool
    learned: str | None = None
    cut_short: CutShort | None = None
    is_forced: bool = False
    model: Model | None = None


@dataclass(frozen=True)
class Decided:
    """The decision, and the plan when it is to train."""

    decision: TrainingDecision
    plan: Plan | None


def decide(question: Question) -> Decided:
    """What to do. Deterministic in its argument."""
    too_few = _too_few(question)
    if too_few:
        return _skipped(too_few)
    usual = _choice(question, question.config.preferred_optimizer)
    if isinstance(usual, Refusal):
        return _skipped(usual.reason)
    action = _action(question, usual)
    plan = _plan(question, action, usual.reason)
    if question.is_forced:
        forced = TrainingDecision(action=action, by="forced", reason="training is forced", by_rules=action)
        return Decided(forced, _with_examples(plan, question.data))
    if known := _known(question, plan):
        return _skipped(known)
    return _chosen(question, usual)


def _known(question: Question, plan: Plan) -> str | None:
    """Why the plan would end as the last one did, None where it may not."""
    cut, budget = question.cut_short, question.config.budget
    if plan.lesson == question.learned:
        return "nothing new to learn from: the labelled examples are those of the last run"
    if cut and plan.lesson == cut.lesson and not cut.has_more(budget):
        return (
            "the same training ended for want of budget: raise "
            f"budget.max_lm_calls ({budget.max_lm_calls}) or budget.max_lm_tokens ({budget.max_lm_tokens})"
        )
    return None


def _skipped(reason: str) -> Decided:
    return Decided(TrainingDecision(action=SKIP, by="floor", reason=reason, by_rules=SKIP), None)


def _chosen(question: Question, usual: Choice) -> Decided:
    train = _action(question, usual)
    opinion = _opinion(question)
    by_rules = train if opinion.should_train else SKIP
    possible = _possible(question, train)
    advice = question.model.advise(question.context, possible) if question.model else None
    preferred = advice.action if advice else by_rules
    action, probability = drawn(preferred, possible, question.config.decisions.exploration_share, question.chance)
    reason = advice.reason if advice else opinion.reason
    decision = TrainingDecision(
        action=action,
        by=("model" if advice else "rules") if action == preferred else "chance",
        reason=reason if action == preferred else f"drawn to learn from; else {preferred.name}: {reason}",
        by_rules=by_rules,
        possible=tuple(possible),
        probability=probability,
        expected_gain=advice.expected_gain if advice else opinion.expected_gain,
        model=question.model.id if question.model else None,
        contributions=advice.contributions if advice else (),
    )
    if not action.trains:
        return Decided(decision, None)
    why = usual.reason if action == train else f"{action.optimizer}: {decision.reason}"
    return Decided(decision, _with_examples(_plan(question, action, why), question.data))


def _opinion(question: Question) -> Opinion:
    context, history, rules = question.context, question.history, question.config.decisions
    short, promise = (
        shortfall_of(question.config, question.data, context, history),
        promised_gain(context, history, rules),
    )
    if question.cut_short and question.cut_short.has_more(question.config.budget) and not short:
        return Opinion(True, promise, "the budget that ended the last training was raised")
    return opinion_of_rules(context, rules, promise, short)


def _choice(question: Question, optimizer: str) -> Choice | Refusal:
    rules = question.config.decisions
    n_train = question.context.real_sample_count + _synthetic_count(question)
    return choose(optimizer, n_train, question.data.accuracy, question.has_writer, rules)


def _synthetic_count(question: Question) -> int:
    return _share(question, _strategy(question))


def _share(question: Question, strategy: Strategy) -> int:
    config = question.config
    below = config.decisions.synthetic_threshold
    return synthetic_share(strategy, question.context.real_sample_count, config.synthetic_data_ratio, below)


def _strategy(question: Question) -> Strategy:
    """Synthetic examples are wanted only where something can write them and the tenant's share leaves room for one."""
    config = question.config
    usual = strategy_of_rules(question.context, config.decisions)
    can_make = config.use_synthetic_data and question.has_writer and _share(question, usual) > 0
    return usual if can_make else Strategy.PURE_REAL


def _action(question: Question, choice: Choice) -> Action:
    return Action(strategy=_strategy(question), optimizer=choice.optimizer)


def _possible(question: Question, train: Action) -> list[Action]:
    """Skipping, what the rules would train with and, where the tenant leaves the choice, the optimizers to explore."""
    found = [SKIP, train]
    if question.config.preferred_optimizer == "auto":
        choices = (_choice(question, name) for name in question.config.decisions.explored_optimizers)
        found += [train.model_copy(update={"optimizer": c.optimizer}) for c in choices if isinstance(c, Choice)]
    return list(dict.fromkeys(found))


def _plan(question: Question, action: Action, reason: str) -> Plan:
    """The plan before examples are named: all that its lesson says."""
    config = question.config
    return Plan(
        optimizer=action.optimizer,
        reason=reason + _unused_reward(config, action.optimizer),
        seed=question.seed,
        max_iterations=OPTIMIZERS[action.optimizer].iterations(config.max_training_iterations),
        train_ids=(),
        dev_ids=(),
        test_ids=(),
        data_hash=question.data.sums.data_hash,
        strategy=action.strategy,
        synthetic_count=_synthetic_count(question),
    )


def _unused_reward(config: RoutingConfigUnified, optimizer: str) -> str:
    """Said where a tenant has set weights that its optimizer does not look at."""
    is_heard = OPTIMIZERS[optimizer].uses_weights or config.reward == RewardWeights()
    return "" if is_heard else f"; {optimizer} does not look at the weights of `reward`"


def _with_examples(plan: Plan, data: Dataset) -> Plan:
    """Reads all examples, which is for plans that are carried out."""
    ids = {f"{split}_ids": data.ids(split) for split in (Split.TRAIN, Split.DEV, Split.TEST)}
    return plan.model_copy(update=ids)


def _too_few(question: Question) -> str | None:
    config, data = question.config, question.data
    needed, n_test = config.gate.min_test_examples, question.context.test_count
    if n_test < needed:
        return (
            f"{needed - n_test} labelled test examples short: {n_test} of {data.sums.count()} labelled examples "
            f"fall into the test split, the gate asks for {needed}"
        )
    if question.context.real_sample_count == 0 and not (question.has_writer and config.use_synthetic_data):
        return "no labelled training examples, and no LM that writes synthetic ones"
    trusted = data.sums.trusted_share(Split.TEST) or 0.0
    if trusted < config.gate.min_trusted_share:
        return (
            f"only {trusted:.0%} of the test labels are from people or an independent annotator, "
            f"the gate asks for {config.gate.min_trusted_share:.0%}: annotate more spans"
        )
    return None
