"""The gate: whether a challenger may serve, is given up, or is undecided, said in a sentence with its numbers.

Its rules may be asked after every label: what they rest on holds at all times together (stats/betting.py;
docs/decisions/0006-contests.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from argotune.promotion.measuring import Terms, measure
from argotune.promotion.verdicts import (
    Comparison,
    EffortRatio,
    NotWorse,
    Numbers,
    Objection,
    Promoted,
    Rejected,
    Saving,
    Undecided,
    UnusableAnswers,
    Verdict,
    Way,
)
from argotune.stats.betting import anytime_p, log_wealth
from argotune.stats.wording import chance, counted, percent, points

# Effects are sums of decimals: a gain of exactly the smallest useful one may come out a rounding error short.
_ROUNDING = 1e-12
_SHOWN_CHARS = 60


@dataclass(frozen=True)
class _Case:
    comparison: Comparison
    numbers: Numbers
    terms: Terms

    @property
    def may_be_cheaper(self) -> bool:
        """Whether it may yet be promoted though it is no better."""
        return self.numbers.not_worse is not None and not self.terms.withheld


def judge(comparison: Comparison, terms: Terms) -> Verdict:
    """The verdict, the same for the same arguments and for any order of the scores."""
    numbers = measure(comparison, terms)
    case = _Case(comparison, numbers, terms)
    if worse := _rejected(case, _GUARDS):
        return worse
    lacking = _lacking_for_any(case)
    ways: tuple[tuple[Way, str | None], ...] = (("better", _lacking_gain(case)), ("cheaper", _lacking_saving(case)))
    if not lacking and (way := next((way for way, lack in ways if lack is None), None)):
        return Promoted(_praise(numbers, way), numbers, way)
    told = lacking or "; ".join(lack for _, lack in ways if lack)
    return _rejected(case, _ENDS) or Undecided(f"undecided: {told}", numbers)


def _rejected(case: _Case, rules: _Rules) -> Rejected | None:
    """By the first rule that objects."""
    objections = ((rule, objection(case)) for rule, objection in rules)
    return next((Rejected(f"rejected: {why}", rule, case.numbers) for rule, why in objections if why), None)


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


def _lacking_for_any(case: _Case) -> str | None:
    """What is lacking for a promotion of either way, None when nothing is."""
    if not case.numbers.answers:
        return "nothing was answered yet"
    if case.comparison.doubt:
        return f"{case.comparison.doubt}: nothing is promoted"
    return _unusable(case.comparison.unusable, case.terms.config.gate.max_unusable_share)


def _lacking_gain(case: _Case) -> str | None:
    """What is lacking for a promotion as better."""
    numbers, config = case.numbers, case.terms.config
    if numbers.p_value > numbers.level:
        return f"{_told(numbers)}: p = {chance(numbers.p_value)}, {chance(numbers.level)} is asked"
    if numbers.effect < config.gate.min_effect - _ROUNDING:
        return f"{_told(numbers)}: at least {points(config.gate.min_effect, 2)} are asked"
    return _lacking_labels(case)


def _lacking_saving(case: _Case) -> str | None:
    """What is lacking for one as not worse and cheaper, "" where that is not in question.

    Both bets must be won at the level of the contest: whoever is worse by the margin, or costs more than is asked, wins
    one of them with that chance at most, so nothing is split between them (Berger, "Multiparameter hypothesis testing
    and acceptance sampling", Technometrics 24 (1982))."""
    numbers, found, saving = case.numbers, case.numbers.not_worse, case.numbers.saving
    if found is None or saving is None:
        return ""
    if found.p_value > numbers.level:
        return f"as cheaper: {_worse_by(found)} is not ruled out, p = {chance(found.p_value)}"
    if (p := anytime_p(saving.log_wealth)) > numbers.level:
        return f"as cheaper: {saving.sentence}, p = {chance(p)}"
    if case.terms.withheld:
        return f"not worse and cheaper, and withheld: {case.terms.withheld}"
    return _lacking_labels(case)


def _lacking_labels(case: _Case) -> str | None:
    asked = case.terms.config.contest.min_people_labels
    if case.numbers.labels >= asked:
        return None
    return f"{_told(case.numbers)}: {counted(asked, 'label')} of people are asked"


def _worse_by(found: NotWorse) -> str:
    return f"worse by {found.told_margin}"


def _unusable(found: UnusableAnswers | None, most: float) -> str | None:
    if found is None or not found.asked:
        return None
    if max(sum(found.champion.values()), sum(found.challenger.values())) / found.asked <= most + _ROUNDING:
        return None
    return f"{_unusable_told(found)}, at most {percent(most)} are allowed (gate.max_unusable_share)"


def _no_better(case: _Case) -> str | None:
    """Nor not worse, where that would do."""
    useful, high, found = case.terms.config.gate.min_effect, case.numbers.interval.high, case.numbers.not_worse
    if found and case.may_be_cheaper:
        return f"no better: {_told(case.numbers)}, {_worse_by(found)} or more" if high < -found.margin else None
    if high >= useful - _ROUNDING:
        return None
    withheld = f"; as cheaper it is withheld: {case.terms.withheld}" if found else ""
    return f"no better: {_told(case.numbers)}, so a gain of {points(useful, 2)} points is out of reach{withheld}"


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
    found = case.numbers.not_worse if case.may_be_cheaper else None
    wealth = max(case.numbers.log_wealth, found.log_wealth if found else 0.0)
    is_half_way = wealth >= -math.log(case.terms.level) / 2
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
    return _shown_gain(numbers, f" ({points(numbers.interval.low)} to {points(numbers.interval.high)} at any time)")


def _shown_gain(numbers: Numbers, between: str = "") -> str:
    return (
        f"{points(numbers.effect)} points{between} by {counted(numbers.labels, 'label')} of people, "
        f"{numbers.wins} won and {numbers.losses} lost, where {numbers.differ} of {counted(numbers.answers, 'answer')} "
        "differ"
    )


def _praise(numbers: Numbers, way: Way) -> str:
    if way == "cheaper" and numbers.not_worse and numbers.saving:
        return _praise_of_cheaper(numbers, numbers.not_worse, numbers.saving)
    efforts = "".join(f"; {ratio.sentence}" for ratio in (numbers.latency, numbers.cost) if ratio)
    return f"promoted: {_told(numbers)}, p = {chance(numbers.p_value)} at level {chance(numbers.level)}{efforts}"


def _praise_of_cheaper(numbers: Numbers, found: NotWorse, saving: Saving) -> str:
    efforts = "".join(f"; {ratio.sentence}" for ratio in (saving, numbers.latency) if ratio)
    least = f"{points(max(found.low, -found.margin), 2)} points at least at any time"
    both = f"not worse by more than {found.told_margin} ({least}) and {saving.times:.2g} times the cost"
    by = f"{_shown_gain(numbers)}, p = {chance(found.p_value)} at level {chance(numbers.level)}"
    return f"promoted: {both}: {by}{efforts}"


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
