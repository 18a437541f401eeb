"""Efforts: what answers of a contest take, the challenger's against the champion's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from argotune.lm.effort import Effort
from argotune.promotion.evidence import Pair
from argotune.promotion.verdicts import Comparison, EffortRatio, Unit
from argotune.stats.ratios import beyond
from argotune.tenants.config import ContestRules

SHORT_S = 0.1
"""Nobody waits for less than a tenth of a second: shorter answers count as that long."""


def with_efforts(comparison: Comparison, pairs: Sequence[Pair], rules: ContestRules) -> Comparison:
    """The comparison with what the answers of these pairs take."""
    latency, cost = latency_ratio(pairs, rules.max_latency_ratio), cost_ratio(pairs, rules.max_cost_ratio)
    return replace(comparison, latency=latency, cost=cost)


def latency_ratio(pairs: Sequence[Pair], limit: float | None) -> EffortRatio | None:
    """Seconds, over the pairs that tell them of both; None where too few do (stats/ratios.py)."""
    return _ratio("s", list(_known(pairs, lambda of: None if of.seconds is None else max(of.seconds, SHORT_S))), limit)


def cost_ratio(pairs: Sequence[Pair], limit: float | None) -> EffortRatio | None:
    """US dollars, or tokens where more pairs tell these of both; None where too few tell either."""
    usd, tokens = list(_known(pairs, lambda of: of.usd)), list(_known(pairs, lambda of: of.tokens))
    return _ratio("USD", usd, limit) if len(usd) >= len(tokens) else _ratio("tokens", tokens, limit)


def _known(pairs: Sequence[Pair], amount: Callable[[Effort], float | None]) -> Iterator[tuple[float, float]]:
    """What both took where both were asked here, in the order in which they were drawn. Where the champion's LM said
    nothing the pair says nothing."""
    for pair in pairs:
        both = pair.champion.effort, pair.challenger.effort
        champion, challenger = (amount(effort) if effort.of == "asked" else None for effort in both)
        if champion is not None and challenger is not None and not pair.is_silent:
            yield champion, challenger


def _ratio(unit: Unit, known: Sequence[tuple[float, float]], limit: float | None) -> EffortRatio | None:
    champion, challenger = [before for before, _ in known], [after for _, after in known]
    found = beyond(challenger, champion, limit or 1.0)
    if found is None or not found.second:
        return None
    return EffortRatio(unit, found.n, found.second, found.first, limit, found.log_wealth if limit else 0.0)
