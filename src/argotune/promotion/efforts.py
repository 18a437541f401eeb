"""Efforts: what answers of a contest take, the challenger's against the champion's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from argotune.lm.effort import Effort
from argotune.promotion.evidence import Pair
from argotune.promotion.verdicts import Comparison, EffortRatio, Unit
from argotune.stats.ratios import beyond
from argotune.tenants.config import ContestRules

_Known = list[tuple[float, float]]


def with_efforts(comparison: Comparison, pairs: Sequence[Pair], rules: ContestRules) -> Comparison:
    """The comparison with what the answers of these pairs take."""
    return replace(comparison, latency=latency_ratio(pairs, rules), cost=cost_ratio(pairs, rules))


def latency_ratio(pairs: Sequence[Pair], rules: ContestRules) -> EffortRatio | None:
    """Seconds, over the pairs that tell them of both; None where too few do (stats/ratios.py)."""
    seconds = list(_known(pairs, lambda of: of.seconds))
    return _ratio("s", seconds, rules.short_answer_s, rules.max_latency_ratio)


def cost_ratio(pairs: Sequence[Pair], rules: ContestRules) -> EffortRatio | None:
    """US dollars, or tokens where more pairs tell these of both; None where too few tell either."""
    usd, tokens = list(_known(pairs, lambda of: of.usd)), list(_known(pairs, lambda of: of.tokens))
    if len(usd) >= len(tokens):
        return _ratio("USD", usd, rules.cheap_answer_usd, rules.max_cost_ratio)
    return _ratio("tokens", tokens, rules.cheap_answer_tokens, rules.max_cost_ratio)


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
