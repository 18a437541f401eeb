"""decide: train or skip, on which data and by which optimizer, within which budget.

Rules decide until a model has shown that its decisions are worth more (decisions/gain_model.py); a share is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypedDict

from argotune.data.dataset import Dataset
from argotune.data.splitting import Split
from argotune.decisions.outlook import Outlook
from argotune.decisions.races import UNKNOWN, Entrant, PastRaces
from argotune.decisions.rules import opinion_of_rules, promised_gain, prospect, strategy_of_rules
from argotune.decisions.values import (
    NO_OUTCOMES,
    SKIP,
    Action,
    Advice,
    CutShort,
    ModelingContext,
    Opinion,
    Outcomes,
    Strategy,
    TrainingDecision,
    TrainingHistory,
)
from argotune.optimizers import OPTIMIZERS, Optimizer, OptimizerChoice, Unfit, choose
from argotune.pipeline.unlabelled import NO_SPANS, UnlabelledSpans
from argotune.runs.run import Plan
from argotune.stats.exploration import epsilon_greedy
from argotune.synthetic.mixing import synthetic_share
from argotune.tenants.config import RewardWeights, RoutingConfigUnified


class DecisionModel(Protocol):
    """The active model. `id` is its version."""

    id: str

    def advise(self, context: ModelingContext, possible: Sequence[Action]) -> Advice:
        """The best of the possible actions, skipping among them."""


@dataclass(frozen=True)
class DecisionInputs:
    """What is decided on. `chance` in 0..1 draws the decisions that explore; `learned` is the lesson of the program's
    last plan, `cut_short` that plan where the budget ended it; None where doing it again is wanted. `model` is None
    where the rules decide; `level` is what the next contest may spend; `by_preference`: people judge two answers side
    by side, so that no label is needed first. `shows_examples`: a predictor of the program can show an example as it
    is. `is_closed`: all of its answers are from closed sets. `past_races`: of programs of its kind. `scored` questions
    have no right answer, and a rubric scores what is answered; of `refuted` ones people have said what is wrong.
    `outcomes` are those of the last training and newer. `degraded` tells how the champion answers worse
    than it did."""

    config: RoutingConfigUnified
    data: Dataset
    context: ModelingContext
    history: TrainingHistory
    seed: int
    chance: float
    has_writer: bool
    level: float
    learned: str | None = None
    cut_short: CutShort | None = None
    is_forced: bool = False
    by_preference: bool = False
    shows_examples: bool = True
    is_closed: bool = True
    scored: UnlabelledSpans = NO_SPANS
    outcomes: Outcomes = NO_OUTCOMES
    refuted: UnlabelledSpans = NO_SPANS
    degraded: str = ""
    model: DecisionModel | None = None
    past_races: PastRaces = UNKNOWN


@dataclass(frozen=True)
class Decided:
    """The decision, and the plan when it is to train."""

    decision: TrainingDecision
    plan: Plan | None


def decide(inputs: DecisionInputs) -> Decided:
    """What to do. Deterministic in its argument."""
    too_few = _too_few(inputs)
    if too_few:
        return _skipped(too_few)
    usual = _choice(inputs, inputs.config.preferred_optimizer)
    if isinstance(usual, Unfit):
        return _skipped(usual.reason)
    action = _action(inputs, usual)
    plan = _plan(inputs, action, usual.reason)
    if inputs.is_forced:
        forced = TrainingDecision(action=action, by="forced", reason="training is forced", by_rules=action)
        return Decided(forced, _with_examples(plan, inputs.data))
    if known := _known(inputs, plan):
        return _skipped(known)
    return _chosen(inputs, usual)


def _known(inputs: DecisionInputs, plan: Plan) -> str | None:
    """Why the plan would end as the last one did, None where it may not."""
    cut, budget = inputs.cut_short, inputs.config.budget
    outcomes = _outcomes(inputs, plan.optimizer, plan.entrants)
    if plan.lesson == inputs.learned and not outcomes.have_grown(inputs.config.decisions.growth_share):
        return "nothing new to learn from: the labelled examples are those of the last run"
    if cut and plan.lesson == cut.lesson and not cut.has_more(budget):
        return (
            "the same training ended for want of budget: raise "
            f"budget.max_lm_calls ({budget.max_lm_calls}) or budget.max_lm_tokens ({budget.max_lm_tokens})"
        )
    return None


def _skipped(reason: str) -> Decided:
    return Decided(TrainingDecision(action=SKIP, by="floor", reason=reason, by_rules=SKIP), None)


def _chosen(inputs: DecisionInputs, usual: OptimizerChoice) -> Decided:
    train = _action(inputs, usual)
    opinion = _opinion(inputs, _outcomes(inputs, usual.optimizer, usual.entrants))
    by_rules = train if opinion.should_train else SKIP
    possible = _possible(inputs, train)
    advice = inputs.model.advise(inputs.context, possible) if inputs.model else None
    preferred = advice.action if advice else by_rules
    action, probability = epsilon_greedy(preferred, possible, inputs.config.decisions.exploration_share, inputs.chance)
    reason = advice.reason if advice else opinion.reason
    decision = TrainingDecision(
        action=action,
        by=("model" if advice else "rules") if action == preferred else "chance",
        reason=reason if action == preferred else f"drawn to learn from; else {preferred.name}: {reason}",
        by_rules=by_rules,
        possible=tuple(possible),
        probability=probability,
        expected_gain=advice.expected_gain if advice else opinion.expected_gain,
        model=inputs.model.id if inputs.model else None,
        contributions=advice.contributions if advice else (),
    )
    if not action.trains:
        return Decided(decision, None)
    why = usual.reason if action == train else f"{action.optimizer}: {decision.reason}"
    return Decided(decision, _with_examples(_plan(inputs, action, why), inputs.data))


def _outcomes(inputs: DecisionInputs, optimizer: str, tried: Sequence[Entrant]) -> Outcomes:
    """Those that the optimizer, or one that a portfolio tries, would learn from."""
    methods = [entrant.method for entrant in tried] or [optimizer]
    wanted = (OPTIMIZERS[method].experiences(inputs.config.optimizers) for method in methods if method in OPTIMIZERS)
    return inputs.outcomes if any(wanted) else NO_OUTCOMES


def _opinion(inputs: DecisionInputs, outcomes: Outcomes) -> Opinion:
    context, history, rules = inputs.context, inputs.history, inputs.config.decisions
    promise = promised_gain(context, history, rules)
    ahead = prospect(history, rules, inputs.level, promise)
    unprovable = _out_of_reach(inputs, ahead) if ahead else ""
    if inputs.cut_short and inputs.cut_short.has_more(inputs.config.budget) and not unprovable:
        opinion = Opinion(True, promise, "the budget that ended the last training was raised")
    else:
        opinion = opinion_of_rules(context, rules, promise, unprovable, outcomes, inputs.degraded)
    if not opinion.should_train or ahead is None:
        return opinion
    return replace(opinion, reason=f"{opinion.reason}; {ahead.sentence}")


def _out_of_reach(inputs: DecisionInputs, ahead: Outlook) -> str:
    """Why no contest could show the promised gain by its limits; "" where one could."""
    rules, in_hand = inputs.config.contest, inputs.data.count_read(Split.TEST)
    if ahead.labels - in_hand > rules.max_labels:
        return f"{ahead.sentence}: more labels than contest.max_labels ({rules.max_labels})"
    if ahead.answers - in_hand > rules.max_shadow_calls:
        return f"{ahead.sentence}: more answers than contest.max_shadow_calls ({rules.max_shadow_calls})"
    return ""


def _choice(inputs: DecisionInputs, optimizer: str) -> OptimizerChoice | Unfit:
    rules = inputs.config.decisions
    n_train = inputs.data.count_read(Split.TRAIN) + _synthetic_count(inputs)
    return choose(
        optimizer,
        n_train,
        inputs.data.accuracy,
        inputs.has_writer,
        rules,
        shows_examples=inputs.shows_examples,
        is_closed=inputs.is_closed,
        scored=len(inputs.scored.train),
        different_answers=None if _synthetic_count(inputs) else len(inputs.data.sums.labels) or None,
        candidates=inputs.config.optimizers.portfolio.candidates,
        past=inputs.past_races,
    )


def _synthetic_count(inputs: DecisionInputs) -> int:
    return _share(inputs, _strategy(inputs))


def _share(inputs: DecisionInputs, strategy: Strategy) -> int:
    config = inputs.config
    below = config.decisions.synthetic_threshold
    return synthetic_share(strategy, inputs.context.real_sample_count, config.synthetic_data_ratio, below)


def _strategy(inputs: DecisionInputs) -> Strategy:
    """Synthetic examples are wanted only where something can write them and the tenant's share leaves room for one."""
    config = inputs.config
    usual = strategy_of_rules(inputs.context, config.decisions)
    can_make = config.use_synthetic_data and inputs.has_writer and _share(inputs, usual) > 0
    return usual if can_make else Strategy.PURE_REAL


def _action(inputs: DecisionInputs, choice: OptimizerChoice) -> Action:
    return Action(strategy=_strategy(inputs), optimizer=choice.optimizer)


def _possible(inputs: DecisionInputs, train: Action) -> list[Action]:
    """Skipping, what the rules would train with and, where the tenant leaves the choice, the optimizers to explore."""
    found = [SKIP, train]
    if inputs.config.preferred_optimizer == "auto":
        choices = (_choice(inputs, name) for name in inputs.config.decisions.explored_optimizers)
        found += [
            train.model_copy(update={"optimizer": c.optimizer}) for c in choices if isinstance(c, OptimizerChoice)
        ]
    return list(dict.fromkeys(found))


def _plan(inputs: DecisionInputs, action: Action, reason: str) -> Plan:
    """The plan before examples are named: all that its lesson says."""
    config, data = inputs.config, inputs.data
    chosen = _choice(inputs, action.optimizer)
    tried = chosen.entrants if isinstance(chosen, OptimizerChoice) else ()
    teach, on_dev = _refuted_for(OPTIMIZERS[action.optimizer], inputs.refuted)
    return Plan(
        optimizer=action.optimizer,
        reason=reason + _unused_reward(config, action.optimizer) + _told_refuted(teach, on_dev) + _told_bound(data),
        refuted=teach,
        refuted_dev=on_dev,
        seed=inputs.seed,
        max_iterations=OPTIMIZERS[action.optimizer].iterations(config.max_training_iterations, config.optimizers),
        settings=config.optimizers.only(_looked_at(action.optimizer, tried)),
        entrants=tried,
        train_ids=(),
        dev_ids=(),
        test_ids=(),
        data_hash=data.data_hash,
        strategy=action.strategy,
        synthetic_count=_synthetic_count(inputs),
        enhancement=config.enhancement,
        unified=config.unified,
        **_bound(data),
    )


def _looked_at(optimizer: str, tried: Sequence[Entrant]) -> set[str]:
    """The methods whose settings say what the plan makes."""
    methods = {optimizer, *(entrant.method for entrant in tried)}
    return methods.union(*(OPTIMIZERS[method].also for method in methods))


def _refuted_for(method: Optimizer, spans: UnlabelledSpans) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The answers that people have said are wrong by which the method learns, and by which it chooses; where it chooses
    nothing, those of dev teach."""
    is_scored = method.practises or (method.goes_by_scores and method.chooses)
    return spans.train if method.practises else (), spans.dev if is_scored else ()


def _told_refuted(teach: Sequence[str], on_dev: Sequence[str]) -> str:
    if not teach and not on_dev:
        return ""
    return f"; of answers that people have said are wrong {len(teach)} of training and {len(on_dev)} of dev are scored"


class _Bound(TypedDict, total=False):
    max_examples: int
    known: dict[str, int]


def _bound(data: Dataset) -> _Bound:
    """What a plan says of examples that are not read; nothing where all are."""
    if not data.is_bounded:
        return {}
    return {"max_examples": data.most, "known": {split.value: data.count(split) for split in Split}}


def _told_bound(data: Dataset) -> str:
    if not data.is_bounded:
        return ""
    seen = (Split.TRAIN, Split.DEV)
    return f"; trained on {data.count_read(*seen):,} of {data.count(*seen):,} examples (training.max_examples)"


def _unused_reward(config: RoutingConfigUnified, optimizer: str) -> str:
    """Said where a tenant has set weights that its optimizer does not look at."""
    is_heard = OPTIMIZERS[optimizer].uses_weights or config.reward == RewardWeights()
    return "" if is_heard else f"; {optimizer} does not look at the weights of `reward`"


def _with_examples(plan: Plan, data: Dataset) -> Plan:
    """Looks through all examples, which is for plans that are carried out."""
    ids = {f"{split}_ids": data.ids(split) for split in (Split.TRAIN, Split.DEV, Split.TEST)}
    return plan.model_copy(update=ids)


def _too_few(inputs: DecisionInputs) -> str | None:
    config = inputs.config
    if not 0 < inputs.level < 1:
        return "nothing is left of the year's significance (gate.significance), so no contest can be opened"
    can_write = inputs.has_writer and config.use_synthetic_data
    if inputs.context.real_sample_count == 0 and not inputs.scored.train and not can_write:
        return "no labelled training examples, and no LM that writes synthetic ones"
    if not inputs.by_preference and not inputs.data.sums.trusted_share():
        return "no label of a person or a trusted annotator yet, so nothing could be judged: annotate spans"
    return None
