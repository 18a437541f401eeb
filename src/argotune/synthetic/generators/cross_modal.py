"""Cross-modal: queries that need content of two modalities, and how their results are fused.

Nothing was searched for when a query is made, so there is no `context`: what was found, and how sure each modality
was of it, cannot be known here and would only be an encoding of the answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from argotune.errors import ConfigInvalid
from argotune.lm.label_scoring import prompt_line
from argotune.synthetic.content import Content
from argotune.synthetic.generators.generator import Material
from argotune.synthetic.values import MAX_DOCUMENT_CHARS, Augmentation, Fusion, Goal, SyntheticDataRequest
from argotune.tenants.config import RoutingConfigUnified

NAME = "cross_modal"
NONE = "none"

STRATEGY_WORDS = {
    "score": "the best of both, whichever fits better",
    "temporal": "what happened at the same time in both",
    "semantic": "what both say about the same thing",
    "hierarchical": "first the one, then the details in the other",
    "maxsim": "the parts of both that are most alike",
}
"""What a query asks for when a strategy is right. A tenant's own strategies are named as they are."""

_AND = " And "


def goals(material: Material) -> Iterator[Goal]:
    """Pairs of contents whose modalities may be fused. Raises ConfigInvalid for a fusion that the tenant has not."""
    strategies = _strategies(material.request, material.config)
    of = _by_modality(material.contents)
    pairs = _pairs_in(of, material)
    while pairs:
        for pair in pairs:
            yield _fused(pair, material.chance.choice(strategies), of, material)


def _strategies(request: SyntheticDataRequest, config: RoutingConfigUnified) -> Sequence[str]:
    asked = request.fusion_strategy
    if asked is not None and asked not in config.fusion_strategies:
        raise ConfigInvalid(f"fusion_strategy: {asked!r} is none of {', '.join(config.fusion_strategies)}")
    return [asked] if asked is not None else config.fusion_strategies


def _by_modality(contents: Sequence[Content]) -> Mapping[str, list[Content]]:
    of: dict[str, list[Content]] = defaultdict(list)
    for content in contents:
        of[content.modality].append(content)
    return of


def _pairs_in(of: Mapping[str, list[Content]], material: Material) -> list[str]:
    pairs = _pairs(material.request, material.config)
    return [pair for pair in pairs if all(of.get(modality) for modality in pair.split("+"))]


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


def _fused(pair: str, strategy: str, of: Mapping[str, list[Content]], material: Material) -> Goal:
    """A query about one content of each modality of the pair."""
    both = tuple(material.chance.choice(of[modality]) for modality in pair.split("+"))
    wanted = f"{pair.replace('+', ' and ')} together: {STRATEGY_WORDS.get(strategy, strategy)}"
    fusion = Fusion(needs_fusion=True, modalities=pair, strategy=strategy)
    return _goal(both, pair, fusion, wanted)


def _goal(parts: tuple[Content, ...], modality: str, fusion: Fusion, wanted: str) -> Goal:
    expected = {
        "needs_fusion": "yes" if fusion.needs_fusion else "no",
        "fusion_modalities": fusion.modalities,
        "fusion_strategy": fusion.strategy,
    }
    return Goal(NAME, joined(parts), modality, expected, wanted, {"context": ""}, fusion=fusion, parts=parts)


def joined(parts: tuple[Content, ...]) -> Content:
    """The parts in one piece, each with its share of what a prompt shows of a document."""
    if len(parts) == 1:
        return parts[0]
    room = MAX_DOCUMENT_CHARS // len(parts) - len(_AND)
    text = _AND.join(prompt_line(part.words, room) for part in parts)
    return replace(parts[0], id="+".join(part.id for part in parts), title="", text=text)


def in_another_modality(goal: Goal, material: Material) -> Goal | None:
    """The same strategy for contents of another pair of modalities; None where there are no such contents."""
    assert goal.fusion is not None
    of = _by_modality(material.contents)
    others = [pair for pair in _pairs_in(of, material) if pair != goal.fusion.modalities]
    if not others:
        return None
    varied = _fused(material.chance.choice(others), goal.fusion.strategy, of, material)
    return replace(varied, augmentation=Augmentation.MODALITY)


def negative(goal: Goal, material: Material) -> Goal | None:
    """A query about one of the two contents alone: nothing is fused."""
    one = material.chance.choice(goal.parts)
    fusion = Fusion(needs_fusion=False, modalities=NONE, strategy=NONE)
    varied = _goal((one,), one.modality, fusion, f"{one.modality} alone, nothing else")
    return replace(varied, augmentation=Augmentation.NEGATIVE)
