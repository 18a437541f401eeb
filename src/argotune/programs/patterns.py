"""Patterns: how queries were enhanced in traces that went well, as demonstrations for an enhancement."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import dspy
from pydantic import ValidationError

from argotune.data.experiences import Experience
from argotune.programs.enhancement import Entity, Relationship
from argotune.programs.program import dspy_example
from argotune.tenants.config import MODALITIES

MAX_PATTERNS = 8
"""Demonstrations in one prompt."""

MAX_CHARS = 2_000
"""Of a longer one nobody can tell what it shows."""


def patterns(experiences: Iterable[Experience], most: int = MAX_PATTERNS) -> list[dspy.Example]:
    """Demonstrations from decisions that succeeded on an enhanced query, the most satisfying and newest first.

    Each query stands once. Who enhanced it, the application or a version, makes no difference.
    """
    good = sorted((x for x in experiences if went_well(x)), key=_worth, reverse=True)
    found: dict[str, dspy.Example] = {}
    for experience in good:
        if len(found) == most:
            break
        if experience.query not in found and (demo := _demo(experience)):
            found[experience.query] = demo
    return list(found.values())


def went_well(experience: Experience) -> bool:
    """Whether it succeeded, and nobody was rather dissatisfied with it."""
    return experience.agent_success is True and all(score >= 0.5 for score in _scores(experience))


def _worth(experience: Experience) -> tuple[float, float]:
    scores = _scores(experience)
    return sum(scores) / len(scores) if scores else 0.5, experience.at.timestamp()


def _scores(experience: Experience) -> list[float]:
    return [score for score in (experience.search_quality, experience.user_satisfaction) if score is not None]


def _demo(experience: Experience) -> dspy.Example | None:
    said = {**experience.inputs, **(experience.filled or {})}
    query, enhanced = said.get("query", ""), said.get("enhanced_query", "")
    if not query.strip() or not enhanced.strip() or len(query) + len(enhanced) > MAX_CHARS:
        return None
    answers: dict[str, object] = {"enhanced_query": enhanced}
    answers |= {name: read for name, kind in _KINDS.items() if (read := _read(said.get(name, ""), kind))}
    if experience.modality in MODALITIES:
        answers["modality_signals"] = [experience.modality]
    return dspy_example({"query": query, "context": said.get("context", ""), **answers}, ("query", "context"))


_KINDS: Mapping[str, type[Entity] | type[Relationship]] = {"entities": Entity, "relationships": Relationship}


def _read(text: str, kind: type[Entity] | type[Relationship]) -> list[Entity | Relationship]:
    """What applications have written as JSON; other texts show nobody how to answer."""
    try:
        said = json.loads(text)
        return [kind.model_validate(part) for part in said] if isinstance(said, list) else []
    except (ValueError, RecursionError, ValidationError):
        return []
