"""The gate: whether a challenger may serve, is given up, or is undecided, said in a sentence with its numbers.

Its rules may be asked after every label: what they rest on holds at all times together (stats/betting.py;
docs/decisions/0006-contests.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from argotune.data.annotations import LabelSource
from argotune.data.questions import LABEL_SLICE
from argotune.decisions.outlook import ALONE, Outlook, outlook
from argotune.promotion.judges import Judge
from argotune.promotion.verdicts import (
    Comparison,
    EffortRatio,
    Numbers,
    Objection,
    Promoted,
    Rejected,
    Score,
    SliceResult,
    Undecided,
    UnusableAnswers,
    Verdict,
)
from argotune.stats.betting import (
    Bets,
    anytime_p,
    corrected_differences,
    gain_interval,
    joint_log_wealth,
    joint_mean_interval,
    log_wealth,
    share_interval,
)
from argotune.stats.interval import Interval
from argotune.stats.wording import chance, counted, percent, points
from argotune.tenants.config import RoutingConfigUnified

# Effects are sums of decimals: a gain of exactly the smallest useful one may come out a rounding error short.
_ROUNDING = 1e-12
_SHOWN_CHARS = 60
ENOUGH_TO_GUESS = 20
"""With so many labels it is told what the gain that they show takes, where that is more than what is asked."""

_ANY_GAIN = 0.001
"""What is told of where any gain will do."""

_NO_INTERVAL = Interval(-1.0, 1.0)


@dataclass(frozen=True)
class Terms:
    """What a contest is judged by: the chance of a false promotion that it may spend, since when it is open, the rules
    of the tenant, and by what share the examples have grown that a new challenger could see."""

    level: float
    opened_at: datetime
    now: datetime
    config: RoutingConfigUnified
    growth: float = 0.0


@dataclass(frozen=True)
class _Case:
    comparison: Comparison
    numbers: Numbers
    terms: Terms


def judge(comparison: Comparison, terms: Terms) -> Verdict:
    """The verdict, the same for the same arguments and for any order of the scores."""
    numbers = measure(comparison, terms)
    case = _Case(comparison, numbers, terms)
    if worse := _rejected(case, _GUARDS):
        return worse
    lacking = _lacking(case)
    if lacking is None:
        return Promoted(_praise(numbers), numbers)
    return _rejected(case, _ENDS) or Undecided(f"undecided: {lacking}", numbers)


def _rejected(case: _Case, rules: _Rules) -> Rejected | None:
    """By the first rule that objects."""
    objections = ((rule, objection(case)) for rule, objection in rules)
    return next((Rejected(f"rejected: {why}", rule, case.numbers) for rule, why in objections if why), None)


def measure(comparison: Comparison, terms: Terms) -> Numbers:
    """The numbers of a comparison, without a verdict."""
    scores = comparison.scores
    differing = [score for score in scores if score.differs]
    once, often = _by_question(differing, comparison.asked_share), _by_request(differing, comparison.asked_share)
    wealth = min(joint_log_wealth(once), joint_log_wealth(often))
    slices, slice_level = _slice_results(comparison, terms)
    champion_mean = _mean([score.champion for score in scores if score.drawn == "sealed"])
    effect = _effect(comparison, often)
    return Numbers(
        n=len(scores),
        champion_mean=champion_mean,
        challenger_mean=None if champion_mean is None else min(max(champion_mean + effect, 0.0), 1.0),
        effect=effect,
        interval=_interval(comparison, differing, terms),
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
    )


def outlook_of(
    numbers: Numbers, waiting: int, config: RoutingConfigUnified, judge: Judge | None = None
) -> Outlook | None:
    """What is still needed where `waiting` disagreements have no label of people yet; None before anything was
    answered."""
    if not numbers.answers:
        return None
    rules, share = config.decisions, numbers.differ / numbers.answers
    seems = numbers.effect if numbers.labels >= ENOUGH_TO_GUESS else 0.0
    gain = max(rules.detectable_gain, config.gate.min_effect, seems) or _ANY_GAIN
    beside = (judge.accuracy, judge.asked_share) if judge else ALONE
    return outlook(gain, share, numbers.level, rules.detection_power, numbers.log_wealth, waiting, beside)


_Difference = Callable[[Score], float]


def _least(score: Score) -> float:
    return score.difference


def _most(score: Score) -> float:
    return score.most


def _by_question(scores: Sequence[Score], asked_share: float, difference: _Difference = _least) -> list[Bets]:
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


def _by_request(scores: Sequence[Score], asked_share: float, difference: _Difference = _least) -> list[Bets]:
    """The difference on each request: what is asked often counts often."""
    return _by_question([score for score in scores for _ in range(score.times)], asked_share, difference)


def _effect(comparison: Comparison, often: Sequence[Bets]) -> float:
    """The gain over all requests: how often the two differ, times the mean difference where they do."""
    mean = _mean([difference for kind in often for difference in kind.differences])
    return 0.0 if mean is None else mean * _share(comparison)


def _share(comparison: Comparison) -> float:
    return comparison.differ / comparison.answers if comparison.answers else 0.0


def _interval(comparison: Comparison, differing: Sequence[Score], terms: Terms) -> Interval:
    """The gains over requests that are not refuted: the lower end is too high ever with a chance of `level` and half
    the chance to give up wrongly, the upper end too low with that chance. The lower end is below 0 as long as the
    wealth does not suffice. Where differences are known in bounds alone each end goes by those that widen it."""
    if not comparison.answers:
        return _NO_INTERVAL
    half, share = terms.config.contest.give_up_significance / 2, comparison.asked_share
    least = (_by_question(differing, share), _by_request(differing, share))
    questions, requests = (joint_mean_interval(bets, terms.level, half) for bets in least)
    high = requests.high
    if any(score.highest is not None for score in differing):
        high = joint_mean_interval(_by_request(differing, share, _most), terms.level, half).high
    mean = Interval(min(questions.low, requests.low), high)
    return gain_interval(mean, share_interval(comparison.differ, comparison.answers, half))


def _mean(values: Sequence[float]) -> float | None:
    """Summed without rounding, so that the order of the questions does not matter."""
    return math.fsum(values) / len(values) if values else None


def _slice_results(comparison: Comparison, terms: Terms) -> tuple[tuple[SliceResult, ...], float]:
    """Every slice in order of its name, and the level of each judged one (Bonferroni)."""
    members: dict[tuple[str, str], list[Score]] = {}
    for score in (score for score in comparison.scores if score.source):
        for name in score.slices.items():
            members.setdefault(name, []).append(score)
    rules = terms.config.gate
    judged = {name for name, inside in members.items() if len(inside) >= rules.min_slice_examples}
    results = (_slice_result(name, members[name], comparison.asked_share, name in judged) for name in sorted(members))
    return tuple(results), rules.slice_significance / max(len(judged), 1)


def _slice_result(name: tuple[str, str], inside: Sequence[Score], share: float, is_judged: bool) -> SliceResult:
    differences = [score.difference for score in inside]
    return SliceResult(
        key=name[0],
        value=name[1],
        n=len(inside),
        champion_mean=_mean([score.champion for score in inside]) or 0.0,
        challenger_mean=_mean([score.challenger for score in inside]) or 0.0,
        wins=sum(d > 0 for d in differences),
        losses=sum(d < 0 for d in differences),
        p_worse=_p_worse(name[0], inside, share) if is_judged else None,
    )


def _p_worse(key: str, inside: Sequence[Score], share: float) -> float:
    """Of the bets against the challenger over questions and over requests the one that says more: a guard may.

    In which label's slice a question lies only people say, who were asked about it: there is no judge to correct.
    """
    seen = [replace(score, judged=None) for score in inside] if key == LABEL_SLICE else inside
    both = (_by_question(seen, share, _most), _by_request(seen, share, _most))
    return anytime_p(max(joint_log_wealth([kind.mirrored for kind in bets]) for bets in both))


def _worse_slice(case: _Case) -> str | None:
    numbers = case.numbers
    worse = [(s.p_worse, s) for s in numbers.slices if s.p_worse is not None and s.p_worse <= numbers.slice_level]
    if not worse:
        return None
    p_worse, worst = min(worse, key=lambda found: (found[0], found[1].key, found[1].value))
    more = f", and {len(worse) - 1} more" if len(worse) > 1 else ""
    return (
        f"worse where {_shown(worst.key)} is {_shown(worst.value)}{more}: {worst.wins} won and {worst.losses} lost of "
        f"{counted(worst.n, 'question')}, p = {chance(p_worse)}, at most {chance(numbers.slice_level)} rejects"
    )


def _fails_more(case: _Case) -> str | None:
    found, level = case.comparison.unusable, case.terms.config.gate.unusable_significance
    if found is None or not level:
        return None
    p = anytime_p(log_wealth([1.0] * found.challenger_only + [-1.0] * found.champion_only))
    if p > level:
        return None
    return (
        f"{_unusable_told(found)}: the challenger fails more often, p = {chance(p)}, at most {chance(level)} rejects "
        "(gate.unusable_significance)"
    )


def _too_slow(case: _Case) -> str | None:
    return _beyond(case.numbers.latency, case.terms, "contest.max_latency_ratio")


def _too_costly(case: _Case) -> str | None:
    return _beyond(case.numbers.cost, case.terms, "contest.max_cost_ratio")


def _beyond(found: EffortRatio | None, terms: Terms, setting: str) -> str | None:
    """The bet against the challenger is won, and the means themselves say so, too."""
    if found is None or found.limit is None or found.times <= found.limit:
        return None
    p, level = anytime_p(found.log_wealth), terms.config.contest.give_up_significance
    return f"{found.sentence}, p = {chance(p)}, at most {chance(level)} rejects ({setting})" if p <= level else None


_Rules = tuple[tuple[Objection, Callable[[_Case], str | None]], ...]

_GUARDS: _Rules = (
    (Objection.SLICE_WORSE, _worse_slice),
    (Objection.SLICE_WORSE, _fails_more),
    (Objection.TOO_SLOW, _too_slow),
    (Objection.TOO_COSTLY, _too_costly),
)
"""Bets of their own against the challenger."""


def _lacking(case: _Case) -> str | None:
    """What is lacking for a promotion, None when nothing is."""
    numbers, config = case.numbers, case.terms.config
    if not numbers.answers:
        return "nothing was answered yet"
    if case.comparison.doubt:
        return f"{case.comparison.doubt}: nothing is promoted"
    if too_many := _unusable(case.comparison.unusable, config.gate.max_unusable_share):
        return too_many
    if numbers.p_value > numbers.level:
        return f"{_told(numbers)}: p = {chance(numbers.p_value)}, {chance(numbers.level)} is asked"
    if numbers.effect < config.gate.min_effect - _ROUNDING:
        return f"{_told(numbers)}: at least {points(config.gate.min_effect, 2)} are asked"
    if numbers.labels < config.contest.min_people_labels:
        return f"{_told(numbers)}: {counted(config.contest.min_people_labels, 'label')} of people are asked"
    return None


def _unusable(found: UnusableAnswers | None, most: float) -> str | None:
    if found is None or not found.asked:
        return None
    if max(sum(found.champion.values()), sum(found.challenger.values())) / found.asked <= most + _ROUNDING:
        return None
    return f"{_unusable_told(found)}, at most {percent(most)} are allowed (gate.max_unusable_share)"


def _no_better(case: _Case) -> str | None:
    useful, high = case.terms.config.gate.min_effect, case.numbers.interval.high
    if high >= useful - _ROUNDING:
        return None
    return f"no better: {_told(case.numbers)}, so a gain of {points(useful, 2)} points is out of reach"


def _out_of_labels(case: _Case) -> str | None:
    drawn = sum(score.drawn == "lot" and score.is_asked for score in case.comparison.scores)
    most = case.terms.config.contest.max_labels
    return (
        f"{_told(case.numbers)}, and all {counted(most, 'label is', 'labels are')} used (contest.max_labels)"
        if drawn >= most
        else None
    )


def _out_of_days(case: _Case) -> str | None:
    days, terms = case.terms.config.contest.max_days, case.terms
    if terms.now - terms.opened_at < timedelta(days=days):
        return None
    return f"{_told(case.numbers)}, and {days:g} {'day is' if days == 1 else 'days are'} over (contest.max_days)"


def _overtaken(case: _Case) -> str | None:
    """A new challenger would know much more, and this one is not half way: wealth grows by multiplication."""
    most, growth = case.terms.config.contest.overtaken_growth, case.terms.growth
    is_half_way = case.numbers.log_wealth >= -math.log(case.terms.level) / 2
    if growth < most or is_half_way:
        return None
    return f"{_told(case.numbers)}, and what a new challenger could learn from grew by {percent(growth)}"


_ENDS: _Rules = (
    (Objection.NO_BETTER, _no_better),
    (Objection.OUT_OF_LABELS, _out_of_labels),
    (Objection.OUT_OF_DAYS, _out_of_days),
    (Objection.OVERTAKEN, _overtaken),
)


def _told(numbers: Numbers) -> str:
    between = f"{points(numbers.interval.low)} to {points(numbers.interval.high)} at any time"
    return (
        f"{points(numbers.effect)} points ({between}) by {counted(numbers.labels, 'label')} of people, "
        f"{numbers.wins} won and {numbers.losses} lost, where {numbers.differ} of {counted(numbers.answers, 'answer')} "
        "differ"
    )


def _praise(numbers: Numbers) -> str:
    efforts = "".join(f"; {ratio.sentence}" for ratio in (numbers.latency, numbers.cost) if ratio)
    return f"promoted: {_told(numbers)}, p = {chance(numbers.p_value)} at level {chance(numbers.level)}{efforts}"


def _unusable_told(found: UnusableAnswers) -> str:
    sides = {"champion": found.champion, "challenger": found.challenger}
    told = (
        f"{sum(lacks.values())} of the {role}'s" + (f" ({_lacks(lacks)})" if lacks else "")
        for role, lacks in sides.items()
    )
    return f"of {counted(found.asked, 'answer')} each, {' and '.join(told)} cannot be used"


def _lacks(lacks: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {lack}" for lack, count in sorted(lacks.items(), key=lambda item: (-item[1], item[0])))


def _shown(text: str) -> str:
    """Text that came with traces, safe in one line."""
    short = text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "..."
    return short if short.isprintable() else ascii(short)
