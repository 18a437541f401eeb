"""Enhancement: what a query asks for, spelled out, with what is found in it: a program of its own.

After "SIMBA (Query Enhancement)" of the auto-optimization workflow: expansion, entities, relationships, intent and
modality signals. Any optimizer tunes it. Inside a version of another program (programs/enhanced.py) it is tuned by how
well that program does with it; as the module `enhancement`, by labels of its own answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import dspy
from dspy.signatures.signature import make_signature
from pydantic import BaseModel, ConfigDict, model_validator

from argotune.data.field_types import as_text
from argotune.data.fields import Fields
from argotune.programs.likeness import likeness
from argotune.programs.module_fields import types_of
from argotune.programs.program import Program
from argotune.tenants.config import MODALITIES, RoutingConfigUnified

NAME = "enhancement"

INPUTS = ("query", "context")

ANSWERS = ("enhanced_query", "entities", "relationships", "intent", "modality_signals")


class _Lenient(BaseModel):
    """LMs write more keys than they are asked for, and numbers for texts."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)


class Entity(_Lenient):
    """What a query names. A bare text is one without a label."""

    text: str
    label: str = ""

    @model_validator(mode="before")
    @classmethod
    def _of_text(cls, said: Any) -> Any:
        return {"text": said} if isinstance(said, str) else said


class Relationship(_Lenient):
    """How two entities of a query relate. A list of three texts is one too."""

    head: str
    relation: str
    tail: str = ""

    @model_validator(mode="before")
    @classmethod
    def _of_three(cls, said: Any) -> Any:
        is_triple = isinstance(said, list | tuple) and len(said) == 3
        return dict(zip(("head", "relation", "tail"), said, strict=True)) if is_triple else said


INSTRUCTIONS = (
    "Say what the user asks for so that whoever routes or answers it needs to know nothing else: spell out what is "
    "short or ambiguous and what the context settles. Add no wish that is not in the query, and keep its language."
)

_ASKED: dict[str, tuple[Any, Any]] = {
    "query": (str, dspy.InputField(desc="What the user asked")),
    "context": (str, dspy.InputField(desc="What is known of the conversation, the user, or those who may answer")),
    "enhanced_query": (str, dspy.OutputField(desc="The query rewritten for search")),
    "entities": (list[Entity], dspy.OutputField(desc="Who or what the query names, each with what it is")),
    "relationships": (list[Relationship], dspy.OutputField(desc="How the entities relate, as the query says it")),
    "intent": (str, dspy.OutputField(desc="What the user wants to do, in a few words")),
    "modality_signals": (
        list[str],
        dspy.OutputField(desc=f"Which of these the query asks for, as far as it tells: {', '.join(MODALITIES)}"),
    ),
}

SIGNATURE = make_signature(_ASKED, INSTRUCTIONS)


class Enhancement(dspy.Module):
    """query, context -> enhanced_query, entities, relationships, intent, modality_signals."""

    def __init__(self) -> None:
        dspy.Module.__init__(self)
        self.enhance = dspy.Predict(SIGNATURE)

    def forward(self, query: str, context: str = "") -> dspy.Prediction:
        found: dspy.Prediction = self.enhance(query=query, context=context, demos=shown(self.enhance.demos))
        return found


def shown(demos: Iterable[Mapping[str, object]]) -> list[Mapping[str, object]]:
    """Those demonstrations that say how a query is enhanced. Optimizers set all that they know of, and the examples of
    the program that is asked afterwards have no more than its query."""
    return [demo for demo in demos if any(demo.get(name) not in (None, "", "[]", []) for name in ANSWERS)]


def programs(_config: RoutingConfigUnified) -> tuple[Program, ...]:
    """The one program `enhancement`."""
    types = types_of(Enhancement())
    fields = Fields(NAME, INPUTS, dict.fromkeys(ANSWERS), optional=frozenset({"context"}), types=types)
    return (Program(name=NAME, module=NAME, fields=fields, build=Enhancement, metric=_metric),)


def _metric(example: dspy.Example, prediction: dspy.Prediction) -> float:
    """How like the answers are to those that were right, in 0..1."""
    return likeness(example, prediction, ANSWERS)


def usable_texts(found: Mapping[str, object]) -> dict[str, str]:
    """The answers of an enhancement as texts, but for those that say nothing: small LMs repeat the form."""
    texts = {name: as_text(found[name]) for name in ANSWERS if found.get(name) not in (None, "", [])}
    return {name: text for name, text in texts.items() if text.strip() not in ("", f"{{{name}}}")}
