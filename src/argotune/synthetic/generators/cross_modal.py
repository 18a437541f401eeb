"""Cross-modal: queries that need content of two modalities, and how their results are fused."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from argotune.content import Content
from argotune.errors import ConfigInvalid
from argotune.synthetic.values import Augmentation, Fusion, Goal, SyntheticDataRequest
from argotune.tenants import RoutingConfigUnified

NAME = "cross_modal"

STRATEGY_WORDS = {
    "score": "the best of both, whichever fits better",
    "temporal": "what happened at the same time in both",
    "semantic": "what both say about the same thing",
    "hierarchical": "first the one, then the details in the other",
    "maxsim": "the parts of both that are most alike",
}
"""What a query asks for when a strategy is right. A tenant's own strategies are named as they are."""


def goals(
    request: SyntheticDataRequest, config: RoutingConfigUnified, contents: Sequence[Content], chance: random.Random
) -> Iterator[Goal]:
    """Pairs of contents whose modalities may be fused. Raises ConfigInvalid for a fusion that the tenant has not."""
    strategies = _strategies(request, config)
    of: dict[str, list[Content]] = defaultdict(list)
    for content in contents:
        of[content.modality].append(content)
    pairs = [pair for pair in _pairs(request, config) if all(of[modality] for modality in pair.split("+"))]
    while pairs:
        for pair in pairs:
            both = [chance.choice(of[modality]) for modality in pair.split("+")]
            yield _fused(both, pair, chance.choice(strategies), chance)


def _strategies(request: SyntheticDataRequest, config: RoutingConfigUnified) -> Sequence[str]:
    asked = request.fusion_strategy
    if asked is not None and asked not in config.fusion_strategies:
        raise ConfigInvalid(f"fusion_strategy: {asked!r} is none of {', '.join(config.fusion_strategies)}")
    return [asked] if asked is not None else config.fusion_strategies


def _pairs(request: SyntheticDataRequest, config: RoutingConfigUnified) -> list[str]:
    """The tenant's pairs that have the asked modalities; their order in a pair makes no difference."""
    asked = {m for m in (request.source_modality, request.target_modality) if m is not None}
    allowed = set(request.modalities) | asked
    pairs = [pair for pair in config.fusion_modalities if asked <= set(pair.split("+")) <= allowed]
    if asked and not pairs:
        raise ConfigInvalid(
            f"source_modality, target_modality: no fusion_modalities with {' and '.join(sorted(asked))}"
        )
    return pairs


def _fused(both: Sequence[Content], pair: str, strategy: str, chance: random.Random) -> Goal:
    relevance = {content.modality: round(chance.uniform(0.6, 0.95), 2) for content in both}
    content = replace(both[0], id="+".join(c.id for c in both), text=" And ".join(c.words for c in both), title="")
    named = " and ".join(content.modality for content in both)
    wanted = f"{named} together: {STRATEGY_WORDS.get(strategy, strategy)}"
    fusion = Fusion(needs_fusion=True, modalities=pair, strategy=strategy, relevance=relevance)
    return _goal(content, pair, fusion, wanted)


def _goal(content: Content, modality: str, fusion: Fusion, wanted: str) -> Goal:
    expected = {
        "needs_fusion": "yes" if fusion.needs_fusion else "no",
        "fusion_modalities": fusion.modalities,
        "fusion_strategy": fusion.strategy,
    }
    return Goal(NAME, content, modality, expected, wanted, {"context": _context(fusion.relevance)}, fusion=fusion)


def _context(relevance: Mapping[str, float]) -> str:
    return ", ".join(f"{modality} {score:.2f}" for modality, score in relevance.items())


def in_another_modality(
    goal: Goal, request: SyntheticDataRequest, config: RoutingConfigUnified, chance: random.Random
) -> Goal | None:
    """The same wish for another pair of modalities."""
    assert goal.fusion is not None
    others = [pair for pair in _pairs(request, config) if pair != goal.fusion.modalities]
    if not others:
        return None
    pair, strategy = chance.choice(others), goal.fusion.strategy
    relevance = {modality: round(chance.uniform(0.6, 0.95), 2) for modality in pair.split("+")}
    fusion = Fusion(needs_fusion=True, modalities=pair, strategy=strategy, relevance=relevance)
    wanted = f"{pair.replace('+', ' and ')} together: {STRATEGY_WORDS.get(strategy, strategy)}"
    return replace(_goal(goal.content, pair, fusion, wanted), augmentation=Augmentation.MODALITY)


def negative(
    goal: Goal, _request: SyntheticDataRequest, _config: RoutingConfigUnified, chance: random.Random
) -> Goal | None:
    """A query about the same content that one modality answers: nothing is fused."""
    assert goal.fusion is not None
    one, *others = goal.fusion.modalities.split("+")
    relevance = {one: round(chance.uniform(0.8, 0.95), 2), **{m: round(chance.uniform(0.05, 0.3), 2) for m in others}}
    fusion = Fusion(needs_fusion=False, modalities="none", strategy="none", relevance=relevance)
    wanted = f"{one} alone, nothing else"
    return replace(_goal(goal.content, one, fusion, wanted), augmentation=Augmentation.NEGATIVE)
