"""Efforts: what answers of a contest take, the challenger's against the champion's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from argotune.lm.effort import Effort
from argotune.promotion.drawing import is_measured
from argotune.promotion.pairs import Pair
from argotune.promotion.verdicts import Comparison, EffortRatio, Saving, Unit, WithoutLM
from argotune.stats.ratios import beyond, saving
from argotune.tenants.config import ContestRules

_Known = list[tuple[float, float]]
_Amount = TypeVar("_Amount", int, float)


def with_efforts(comparison: Comparison, pairs: Sequence[Pair], rules: ContestRules, contest: str = "") -> Comparison:
    """The comparison with what the answers of these pairs of a contest take."""
    return replace(
        comparison,
        latency=latency_ratio(pairs, rules),
        cost=cost_ratio(pairs, rules),
        saving=saving_of(pairs, rules, contest),
        without_lm=without_lm(pairs),
    )


def without_lm(pairs: Sequence[Pair]) -> WithoutLM | None:
    """How many answers the challenger gives without an LM, and what the champion took for the same questions; None
    where it asks one every time, or nobody knows."""
    asked = [pair for pair in pairs if pair.challenger.effort.of == "asked" and not pair.is_silent]
    known = [pair for pair in asked if pair.challenger.effort.tokens is not None]
    free = [pair.champion.effort for pair in known if pair.challenger.effort.tokens == 0]
    if not free:
        return None
    paid = [effort for effort in free if effort.of == "asked"]
    tokens = [effort.tokens for effort in paid if effort.tokens is not None]
    usd = [effort.usd for effort in paid if effort.usd is not None]
    why = Counter(pair.challenger.fell_through for pair in known if pair.challenger.fell_through)
    return WithoutLM(
        len(known), len(free), _of_all(tokens, len(free)), _of_all(usd, len(free)), dict(why.most_common())
    )


def _of_all(amounts: Sequence[_Amount], n: int) -> _Amount | None:
    """The sum of so many amounts, as told by those of them that are known."""
    if not amounts:
        return None
    found = sum(amounts) * n / len(amounts)
    return type(amounts[0])(found)


def latency_ratio(pairs: Sequence[Pair], rules: ContestRules) -> EffortRatio | None:
    """Seconds, over the pairs that tell them of both; None where too few do (stats/ratios.py)."""
    seconds = list(_known(pairs, lambda of: of.seconds))
    return _ratio("s", seconds, rules.short_answer_s, rules.max_latency_ratio)


def cost_ratio(pairs: Sequence[Pair], rules: ContestRules) -> EffortRatio | None:
    """US dollars, or tokens where more pairs tell these of both; None where too few tell either."""
    unit, known, least = _priced(pairs, rules)
    return _ratio(unit, known, least, rules.max_cost_ratio)


def saving_of(pairs: Sequence[Pair], rules: ContestRules, contest: str) -> Saving | None:
    """What answers of the challenger save, in US dollars or tokens as `cost_ratio` has it; None where too few tell it.

    A champion whose answers stand in traces is asked again where the two differ: those pairs say nothing of requests as
    they come, as the challenger may ask its LM just where they agree. Then only pairs count of which both are asked
    whatever they say: sealed examples, and requests that a lot picks.
    """
    if any(pair.champion.effort.of == "trace" for pair in pairs):
        pairs = [pair for pair in pairs if pair.drawn == "sealed" or is_measured(contest, pair.question)]
    (unit, known, least), share = _priced(pairs, rules), rules.cheaper_ratio
    found = saving([after for _, after in known], [before for before, _ in known], share)
    return None if found is None else Saving(unit, found.n, found.second, found.first, share, found.log_wealth, least)


def _priced(pairs: Sequence[Pair], rules: ContestRules) -> tuple[Unit, _Known, float]:
    """What both took in US dollars, or in tokens where more pairs tell these of both; and what is cheap."""
    usd, tokens = list(_known(pairs, lambda of: of.usd)), list(_known(pairs, lambda of: of.tokens))
    if len(usd) >= len(tokens):
        return "USD", usd, rules.cheap_answer_usd
    return "tokens", tokens, rules.cheap_answer_tokens


def _known(pairs: Sequence[Pair], amount: Callable[[Effort], float | None]) -> Iterator[tuple[float, float]]:
    """What both took where both were asked here, in the order in which they were drawn. Where the champion's LM said
    nothing the pair says nothing."""
    for pair in pairs:
        both = pair.champion.effort, pair.challenger.effort
        champion, challenger = (amount(effort) if effort.of == "asked" else None for effort in both)
        if champion is not None and challenger is not None and not pair.is_silent:
            yield champion, challenger


def _ratio(unit: Unit, known: _Known, least: float, limit: float | None) -> EffortRatio | None:
    champion, challenger = [before for before, _ in known], [after for _, after in known]
    found = beyond(challenger, champion, limit or 1.0, least)
    if found is None:
        return None
    wealth = found.log_wealth if limit else 0.0
    return EffortRatio(unit, found.n, found.second, found.first, limit, wealth, least, found.times)
