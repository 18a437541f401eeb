"""The gate: whether a challenger may serve, decided by rules in a fixed order, said in a sentence with its numbers.

The order of the rules is that of `_RULES`; the first that objects rejects (docs/decisions/0002-split-and-gate.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from argotune.promotion.verdicts import (
    Comparison,
    Numbers,
    Objection,
    Promoted,
    Rejected,
    Score,
    SliceResult,
    TestName,
    UnusableAnswers,
    Verdict,
)
from argotune.stats.interval import Interval
from argotune.stats.paired import Side, bootstrap_interval, mcnemar_exact, paired_permutation
from argotune.stats.power import level_of_attempt
from argotune.stats.wording import chance, confidence, percent, points
from argotune.tenants.config import GateRules

# Effects are sums of decimals: a gain of exactly the smallest useful one may come out a rounding error short.
_ROUNDING = 1e-12
_SHOWN_CHARS = 60


def judge(comparison: Comparison, rules: GateRules, seed: int) -> Verdict:
    """The verdict, the same for the same arguments and for any order of the scores.

    Raises ConfigInvalid for an attempt below 1.
    """
    numbers = measure(comparison, rules, seed)
    for rule, objection in _RULES:
        why = objection(comparison, numbers, rules)
        if why:
            return Rejected(f"rejected: {why}", rule, numbers)
    return Promoted(_praise(numbers), numbers)


def no_evidence(comparison: Comparison, rules: GateRules) -> str | None:
    """Why a comparison measured nothing, None when it may be judged.

    Too many answers of one version cannot be used; or the versions differ in it, by the exact McNemar test on the
    questions that only one of them has no usable answer to; or too few questions were answered. Nothing of it looks
    at whether an answer is right.
    """
    found = comparison.unusable
    if found is None or not found.asked:
        return None
    told = _unusable_told(found)
    if _most_unusable(found) > rules.max_unusable_share + _ROUNDING:
        return f"{told}, at most {percent(rules.max_unusable_share)} are allowed (gate.max_unusable_share)"
    if mcnemar_exact(found.champion_only, found.challenger_only) <= rules.unusable_significance:
        return f"{told}: a difference between the two that is no chance (gate.unusable_significance)"
    if len(comparison.scores) < rules.min_test_examples <= found.asked:
        return f"{told}: {len(comparison.scores)} questions are left, {rules.min_test_examples} are asked"
    return None


def _most_unusable(found: UnusableAnswers) -> float:
    return max(sum(found.champion.values()), sum(found.challenger.values())) / found.asked


def _unusable_told(found: UnusableAnswers) -> str:
    sides = {"champion": found.champion, "challenger": found.challenger}
    told = (
        f"{sum(lacks.values())} of the {role}'s" + (f" ({_lacks(lacks)})" if lacks else "")
        for role, lacks in sides.items()
    )
    return f"of {found.asked} answers each, {' and '.join(told)} cannot be used"


def _lacks(lacks: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {lack}" for lack, count in sorted(lacks.items(), key=lambda item: (-item[1], item[0])))


def measure(comparison: Comparison, rules: GateRules, seed: int) -> Numbers:
    """The numbers of a comparison, without a verdict. Raises ConfigInvalid for an attempt below 1."""
    scores = comparison.scores
    level = level_of_attempt(rules.significance, comparison.attempt)
    test: TestName = "mcnemar" if _are_hits(scores) else "permutation"
    slices, slice_level = _slice_results(scores, rules, test, seed)
    wins, losses = _wins_and_losses(scores)
    return Numbers(
        n=len(scores),
        champion_mean=_mean([score.champion for score in scores]),
        challenger_mean=_mean([score.challenger for score in scores]),
        effect=_mean(_differences(scores)),
        interval=bootstrap_interval(_differences(scores), 1 - level) if scores else Interval(-1.0, 1.0),
        p_value=_p_value(scores, test, "both", seed),
        level=level,
        wins=wins,
        losses=losses,
        test=test,
        trusted_share=_mean([float(score.source.is_trusted) for score in scores]),
        attempt=comparison.attempt,
        slices=slices,
        slice_level=slice_level,
    )


def _are_hits(scores: Sequence[Score]) -> bool:
    return all(value in (0.0, 1.0) for score in scores for value in (score.champion, score.challenger))


def _differences(scores: Sequence[Score]) -> list[float]:
    return [score.difference for score in scores]


def _mean(values: Sequence[float]) -> float:
    """Summed without rounding, so that the order of the examples does not matter."""
    return math.fsum(values) / len(values) if values else 0.0


def _wins_and_losses(scores: Sequence[Score]) -> tuple[int, int]:
    differences = _differences(scores)
    return sum(d > 0 for d in differences), sum(d < 0 for d in differences)


def _p_value(scores: Sequence[Score], test: TestName, side: Side, seed: int) -> float:
    if test == "mcnemar":
        return mcnemar_exact(*_wins_and_losses(scores), side)
    return paired_permutation(_differences(scores), seed, side=side)


def _slice_results(
    scores: Sequence[Score], rules: GateRules, test: TestName, seed: int
) -> tuple[tuple[SliceResult, ...], float]:
    """Every slice in order of its name, and the level of each judged one (Bonferroni)."""
    members: dict[tuple[str, str], list[Score]] = {}
    for score in scores:
        for name in score.slices.items():
            members.setdefault(name, []).append(score)
    judged = {name for name, inside in members.items() if len(inside) >= rules.min_slice_examples}
    results = (_slice_result(name, members[name], name in judged, test, seed) for name in sorted(members))
    return tuple(results), rules.slice_significance / max(len(judged), 1)


def _slice_result(
    name: tuple[str, str], inside: Sequence[Score], is_judged: bool, test: TestName, seed: int
) -> SliceResult:
    wins, losses = _wins_and_losses(inside)
    return SliceResult(
        key=name[0],
        value=name[1],
        n=len(inside),
        champion_mean=_mean([score.champion for score in inside]),
        challenger_mean=_mean([score.challenger for score in inside]),
        wins=wins,
        losses=losses,
        p_worse=_p_value(inside, test, "worse", seed) if is_judged else None,
    )


def _same_program(comparison: Comparison, _numbers: Numbers, _rules: GateRules) -> str | None:
    if comparison.champion_version != comparison.challenger_version:
        return None
    return f"the challenger is the champion, version {comparison.champion_version}"


def _leaked(comparison: Comparison, _numbers: Numbers, _rules: GateRules) -> str | None:
    if not comparison.leaks:
        return None
    n, one = len(comparison.leaks), comparison.leaks[0]
    those = f"of sealed test example {one}" if n == 1 else f"of {n} sealed test examples, {one} among them"
    return f"the challenger's demonstrations or instructions hold near-duplicates {those}"


def _too_few_examples(_comparison: Comparison, numbers: Numbers, rules: GateRules) -> str | None:
    if numbers.n >= rules.min_test_examples:
        return None
    return f"{numbers.n} test examples, at least {rules.min_test_examples} are asked"


def _untrusted_labels(_comparison: Comparison, numbers: Numbers, rules: GateRules) -> str | None:
    if numbers.trusted_share >= rules.min_trusted_share - _ROUNDING:
        return None
    return (
        f"{percent(numbers.trusted_share)} of {numbers.n} test labels come from people or an independent annotator, "
        f"at least {percent(rules.min_trusted_share)} are asked: annotate more spans"
    )


def _effect_too_small(_comparison: Comparison, numbers: Numbers, rules: GateRules) -> str | None:
    if numbers.effect >= rules.min_effect - _ROUNDING:
        return None
    gain, asked = points(numbers.effect, 2), points(rules.min_effect, 2)
    return f"{gain} points on {numbers.n} examples, at least {asked} are asked"


def _not_significant(_comparison: Comparison, numbers: Numbers, _rules: GateRules) -> str | None:
    """Two-sided, so that it says the same as the interval; luck in the good direction then has half the level."""
    if numbers.p_value <= numbers.level:
        return None
    return (
        f"{points(numbers.effect)} points on {numbers.n} examples could be chance: p = {chance(numbers.p_value)}, "
        f"{chance(numbers.level)} is asked at attempt {numbers.attempt}"
    )


def _interval_contains_zero(_comparison: Comparison, numbers: Numbers, _rules: GateRules) -> str | None:
    if not numbers.interval.contains(0.0):
        return None
    return (
        f"{points(numbers.effect)} points on {numbers.n} examples, but the {_interval(numbers)} contains zero, "
        f"at attempt {numbers.attempt}"
    )


def _slice_worse(_comparison: Comparison, numbers: Numbers, _rules: GateRules) -> str | None:
    worse = [(s.p_worse, s) for s in numbers.slices if s.p_worse is not None and s.p_worse <= numbers.slice_level]
    if not worse:
        return None
    p_worse, worst = min(worse, key=lambda found: (found[0], found[1].key, found[1].value))
    more = f", and {len(worse) - 1} more" if len(worse) > 1 else ""
    return (
        f"worse where {_shown(worst.key)} is {_shown(worst.value)}{more}: {percent(worst.champion_mean)} -> "
        f"{percent(worst.challenger_mean)} on {worst.n} examples, p = {chance(p_worse)}, "
        f"at most {chance(numbers.slice_level)} rejects"
    )


_RULES: tuple[tuple[Objection, Callable[[Comparison, Numbers, GateRules], str | None]], ...] = (
    (Objection.SAME_PROGRAM, _same_program),
    (Objection.LEAKED, _leaked),
    (Objection.TOO_FEW_EXAMPLES, _too_few_examples),
    (Objection.UNTRUSTED_LABELS, _untrusted_labels),
    (Objection.EFFECT_TOO_SMALL, _effect_too_small),
    (Objection.NOT_SIGNIFICANT, _not_significant),
    (Objection.INTERVAL_CONTAINS_ZERO, _interval_contains_zero),
    (Objection.SLICE_WORSE, _slice_worse),
)


def _praise(numbers: Numbers) -> str:
    return (
        f"promoted: {percent(numbers.champion_mean)} -> {percent(numbers.challenger_mean)} on {numbers.n} examples, "
        f"{points(numbers.effect)} points ({_interval(numbers)}), p = {chance(numbers.p_value)}"
    )


def _interval(numbers: Numbers) -> str:
    found = numbers.interval
    return f"{confidence(numbers.level)} interval {points(found.low)} to {points(found.high)}"


def _shown(text: str) -> str:
    """Text that came with traces, safe in one line."""
    short = text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "..."
    return short if short.isprintable() else ascii(short)
