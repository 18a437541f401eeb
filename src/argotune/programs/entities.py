"""Entities: what a text names, by a model such as GLiNER or as the application found them before it asked."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import SupportsFloat

from argotune.errors import ConfigInvalid
from argotune.programs.failures import raising_as
from argotune.stats.wording import counted

EntityModel = Callable[..., Iterable[Mapping[str, object]]]
"""(text, labels, threshold=...) -> what was found, each with `label` and `score`, as GLiNER's `predict_entities`."""

AS_GIVEN = ""
"""The name of no model: entities are those of the input `entities`."""

MAX_TEXT_CHARS = 20_000
"""Of a text that a model looks at: a longer one is cut."""


@dataclass(frozen=True)
class FoundEntity:
    """A kind of thing that a text names, and how sure that is, in 0..1."""

    label: str
    score: float


@dataclass(frozen=True)
class EntityFinder:
    """A model by its name: the import path `package.module:name` of a callable, or of an object with
    `predict_entities`, that is imported when it is first asked; or any name with the callable itself."""

    name: str
    model: EntityModel | None = field(default=None, compare=False)

    def found(self, text: str, labels: Sequence[str], threshold: float) -> tuple[FoundEntity, ...]:
        """What the text names of these labels, at this score or above. Raises ConfigInvalid, in one line, for a model
        that cannot be imported, fails, or answers something else than entities."""
        with raising_as(ConfigInvalid, f"entity model {self.name!r}"):
            said = self._asked(text[:MAX_TEXT_CHARS], list(labels), threshold=threshold)
            found = [FoundEntity(str(each["label"]), _number(each.get("score", 1.0))) for each in said]
        return tuple(each for each in found if each.label in labels and each.score >= threshold)

    @cached_property
    def _asked(self) -> EntityModel:
        found = self.model if self.model is not None else _imported(self.name)
        return getattr(found, "predict_entities", found)


def _imported(path: str) -> EntityModel:
    module, _, name = path.partition(":")
    found: EntityModel = getattr(importlib.import_module(module), name)
    return found


def _number(score: object) -> float:
    if isinstance(score, str | SupportsFloat):
        return float(score)
    raise TypeError(f"score {score!r} is no number")


def entities_in(value: object) -> tuple[FoundEntity, ...]:
    """Those of an input: a list of objects, or its JSON, each with `label` (or `type`) and `score` (or `confidence`);
    one without a score is sure. What is none of that names nothing."""
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip()[:1] == "[" else []
        except (ValueError, RecursionError):
            return ()
    items = value if isinstance(value, list | tuple) else []
    found = [_entity(item) for item in items if isinstance(item, Mapping)]
    return tuple(each for each in found if each is not None)


def _entity(item: Mapping[str, object]) -> FoundEntity | None:
    label, score = item.get("label", item.get("type")), item.get("score", item.get("confidence", 1.0))
    if not isinstance(label, str) or not label or isinstance(score, bool) or not isinstance(score, int | float):
        return None
    return FoundEntity(label, float(score))


def told_failed(failed: int, asked: int, why: str) -> str:
    """How often a model failed, for people."""
    return f"the entity model failed on {failed} of {counted(asked, 'text')}, which have no entities: {why}"
