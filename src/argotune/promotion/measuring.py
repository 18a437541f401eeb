"""Measuring: what the answers of a contest come to by now, and what is still needed to decide it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from argotune.data.annotations import LabelSource
from argotune.decisions.outlook import ALONE, Outlook, outlook
from argotune.promotion.bets import exact_mean, interval_of_gain, not_worse, over_questions, over_requests
from argotune.promotion.judges import Judge
from argotune.promotion.slices import slice_results
from argotune.promotion.verdicts import Comparison, NotWorse, Numbers, Saving
from argotune.stats.betting import Bets, anytime_p, joint_log_wealth
from argotune.tenants.config import RoutingConfigUnified

ENOUGH_TO_GUESS = 20
"""With so many labels it is told what the gain that they show takes, where that is more than what is asked."""

_ANY_GAIN = 0.001
"""What is told of where any gain will do."""

_Beside = tuple[float, float]


@dataclass(frozen=True)
class Terms:
    """What a contest is judged by: the chance of a false promotion that it may spend, since when it is open, the rules
    of the tenant, by what share the examples have grown that a new challenger could see, and why none may be promoted
    as not worse and cheaper, "" where one may."""

    level: float
    opened_at: datetime
    now: datetime
    config: RoutingConfigUnified
    growth: float = 0.0
    withheld: str = ""


def measure(comparison: Comparison, terms: Terms) -> Numbers:
    """The numbers of a comparison, without a verdict."""
    scores = comparison.scores
    differing = [score for score in scores if score.differs]
    once, often = over_questions(differing, comparison.asked_share), over_requests(differing, comparison.asked_share)
    wealth = min(joint_log_wealth(once), joint_log_wealth(often))
    slices, slice_level = slice_results(comparison, terms.config.gate)
    champion_mean = exact_mean([score.champion for score in scores if score.drawn == "sealed"])
    effect = _effect(comparison, often)
    return Numbers(
        n=len(scores),
        champion_mean=champion_mean,
        challenger_mean=None if champion_mean is None else min(max(champion_mean + effect, 0.0), 1.0),
        effect=effect,
        interval=interval_of_gain(comparison, differing, terms.level, terms.config.contest.give_up_significance / 2),
        p_value=anytime_p(wealth),
        level=terms.level,
        wins=sum(score.difference > 0 for score in differing),
        losses=sum(score.difference < 0 for score in differing),
        slices=slices,
        slice_level=slice_level,
        labels=sum(score.source is LabelSource.HUMAN for score in scores),
        answers=comparison.answers,
        differ=comparison.differ,
        log_wealth=wealth,
        latency=comparison.latency,
        cost=comparison.cost,
        saving=_saving(comparison, terms.config),
        not_worse=_not_worse(comparison, terms),
    )


def _saving(comparison: Comparison, config: RoutingConfigUnified) -> Saving | None:
    """Where cheapness may count and the means show it. A bet on it need not be won yet."""
    found = comparison.saving
    return found if config.contest.margin_if_cheaper and found and found.is_seen else None


def _not_worse(comparison: Comparison, terms: Terms) -> NotWorse | None:
    margin = terms.config.contest.margin_if_cheaper
    return not_worse(comparison, margin, terms.level) if _saving(comparison, terms.config) else None


def outlook_of(
    numbers: Numbers, waiting: int, config: RoutingConfigUnified, judge: Judge | None = None, *, withheld: bool = False
) -> Outlook | None:
    """What is still needed where `waiting` disagreements have no label of people yet; None before anything was
    answered. Of a challenger that is cheaper, unless that is `withheld`, by the way that is nearer."""
    if not numbers.answers:
        return None
    beside = (judge.accuracy, judge.asked_share) if judge else ALONE
    better, found = _outlook_of_gain(numbers, waiting, config, beside), None if withheld else numbers.not_worse
    if found is None:
        return better
    cheaper = _outlook_within(found, numbers, waiting, config, beside)
    is_out_of_reach = numbers.interval.high < config.gate.min_effect
    ahead = [each for each in (None if is_out_of_reach else better, cheaper) if each]
    return min(ahead, key=lambda each: each.labels, default=None)


def _outlook_of_gain(numbers: Numbers, waiting: int, config: RoutingConfigUnified, beside: _Beside) -> Outlook | None:
    rules, share = config.decisions, numbers.differ / numbers.answers
    gain = max(rules.detectable_gain, config.gate.min_effect, _seen_gain(numbers)) or _ANY_GAIN
    return outlook(gain, share, numbers.level, rules.detection_power, numbers.log_wealth, waiting, beside)


def _outlook_within(
    found: NotWorse, numbers: Numbers, waiting: int, config: RoutingConfigUnified, beside: _Beside
) -> Outlook | None:
    """By the gain that is seen where enough labels show it, else for a challenger that is as good."""
    share, power = numbers.differ / numbers.answers or _ANY_GAIN, config.decisions.detection_power
    gain = _seen_gain(numbers)
    return outlook(gain, share, numbers.level, power, found.log_wealth, waiting, beside, found.margin)


def _seen_gain(numbers: Numbers) -> float:
    return numbers.effect if numbers.labels >= ENOUGH_TO_GUESS else 0.0


def _effect(comparison: Comparison, often: Sequence[Bets]) -> float:
    """The gain over all requests: how often the two differ, times the mean difference where they do."""
    mean = exact_mean([difference for kind in often for difference in kind.differences])
    return 0.0 if mean is None else mean * _share(comparison)


def _share(comparison: Comparison) -> float:
    return comparison.differ / comparison.answers if comparison.answers else 0.0
