"""Bets: what of a comparison is bet on, over requests and over questions, against "no better" and against "worse".

"Not worse" is non-inferiority by a margin that is set before (ICH E9, "Statistical Principles for Clinical Trials",
1998, 3.3.2; ICH E10, "Choice of Control Group", 2000, 1.5; Piaggio et al., "Reporting of noninferiority and equivalence
randomized trials", JAMA 308 (2012)), shown by bets that may be looked at at any time (stats/betting.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from argotune.promotion.verdicts import Comparison, NotWorse, Score
from argotune.stats.betting import (
    Bets,
    anytime_p,
    corrected_differences,
    gain_interval,
    joint_log_wealth,
    joint_mean_interval,
    share_interval,
)
from argotune.stats.interval import Interval

_NO_INTERVAL = Interval(-1.0, 1.0)

Difference = Callable[[Score], float]


def least(score: Score) -> float:
    """What is known, or the least that it can be."""
    return score.difference


def most(score: Score) -> float:
    """What is known, or the most that it can be."""
    return score.most


def exact_mean(values: Sequence[float]) -> float | None:
    """Summed without rounding, so that the order of the questions does not matter; None of no value."""
    return math.fsum(values) / len(values) if values else None


def over_questions(scores: Sequence[Score], asked_share: float, difference: Difference = least) -> list[Bets]:
    """The difference on each question once: however often one is asked, it is one piece of evidence. Those by people,
    and those by a judge whom people correct.

    `difference` is what counts of a question of which people have said only which answer is wrong: the least that it
    can be for the challenger, the most against it. Wealth grows with every difference, for each stake, with a judge
    too: so it is never above what the truth would have won, whoever said what is wrong, and why of these questions.

    A contest needs the wealth against "no better over questions" and that over requests: neither a question that is
    asked all the time nor many that are asked once decide alone.
    """
    alone, judged = [s for s in scores if s.judged is None], [s for s in scores if s.judged is not None]
    people = [difference(score) if score.is_asked else None for score in judged]
    corrected, within = corrected_differences([score.judged or 0.0 for score in judged], people, asked_share)
    return [Bets([difference(score) for score in alone]), Bets(corrected, within)]


def over_requests(scores: Sequence[Score], asked_share: float, difference: Difference = least) -> list[Bets]:
    """The difference on each request: what is asked often counts often."""
    return over_questions([score for score in scores for _ in range(score.times)], asked_share, difference)


def interval_of_gain(comparison: Comparison, differing: Sequence[Score], level: float, half: float) -> Interval:
    """The gains over requests that are not refuted: the lower end is too high ever with a chance of `level` and `half`,
    half the chance to give up wrongly, the upper end too low with twice `half`. The lower end is below 0 as long as the
    wealth does not suffice. Where differences are known in bounds alone each end goes by those that widen it."""
    if not comparison.answers:
        return _NO_INTERVAL
    share = comparison.asked_share
    both = (over_questions(differing, share), over_requests(differing, share))
    questions, requests = (joint_mean_interval(bets, level, half) for bets in both)
    high = requests.high
    if any(score.highest is not None for score in differing):
        high = joint_mean_interval(over_requests(differing, share, most), level, half).high
    mean = Interval(min(questions.low, requests.low), high)
    return gain_interval(mean, share_interval(comparison.differ, comparison.answers, half))


def not_worse(comparison: Comparison, margin: float, level: float) -> NotWorse:
    """What was won against "the gain is -margin or less", over requests and over questions, the smaller of both.

    Equal answers are bets too, of a difference of 0: so the bet is on the gain itself, and the share of answers that
    differ need not be bounded beside it. A bet of the same stake against "no better" never wins more: with c > 0 the
    factor 1 + s (d + c) / (1 - c) is at least 1 + s d, as d is at least -1, and that of an equal answer is above 1.
    """
    both = (_all_over_questions(comparison), _all_over_requests(comparison))
    wealth = min(joint_log_wealth(bets, -margin) for bets in both)
    low = min(joint_mean_interval(bets, level, level).low for bets in both)
    return NotWorse(margin, wealth, anytime_p(wealth), low)


def _all_over_questions(comparison: Comparison) -> list[Bets]:
    differing = [score for score in comparison.scores if score.differs]
    bets = over_questions(differing, comparison.asked_share)
    return _with_equal(comparison, bets, comparison.equal_questions)


def _all_over_requests(comparison: Comparison) -> list[Bets]:
    differing = [score for score in comparison.scores if score.differs]
    return _with_equal(comparison, over_requests(differing, comparison.asked_share), comparison.equal)


def _with_equal(comparison: Comparison, bets: Sequence[Bets], drawn: int) -> list[Bets]:
    """With a difference of 0 for each equal answer, among those that were staked on alike: whether two answers differ
    is known only after the stake."""
    alone, judged = bets
    sealed = sum(not score.differs and score.drawn == "sealed" for score in comparison.scores)
    has_judge = comparison.asked_share < 1
    return [
        Bets([*alone.differences, *[0.0] * (sealed if has_judge else sealed + drawn)], alone.within),
        Bets([*judged.differences, *[0.0] * (drawn if has_judge else 0)], judged.within),
    ]
