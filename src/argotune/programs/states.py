"""States: what is stored of a tuned module, a type for each kind. JSON values; programs/state.py makes and reads them.

What a store gives is checked when it is read: a name that is missing, or a value that is none of its type, is Corrupt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NotRequired, TypedDict, final

from pydantic import JsonValue

Fields = dict[str, JsonValue]
"""Values of a program's fields by their names."""

Stored = Mapping[str, object]
"""A state as a store gave it: nobody knows its kind yet."""


@final
class ArrayState(TypedDict):
    """An array of 32-bit numbers, in base64."""

    shape: list[int]
    float32: str


@final
class CoarseArrayState(TypedDict):
    """An array of whole numbers of a step, in base64 of 8 bits each."""

    shape: list[int]
    int8: str
    step: float


class PredictorState(TypedDict):
    """What tuning changed in one predictor."""

    instructions: str
    demos: list[Fields]
    decision: Fields


class PlainState(TypedDict):
    """A program as its optimizer tuned it, by the names of its predictors."""

    kind: Literal["plain"]
    predictors: dict[str, PredictorState]


class ExampleState(TypedDict):
    """A labelled example that may be shown."""

    inputs: Fields
    answers: Fields


class RetrievedState(TypedDict):
    """A program that is shown the nearest of some examples. The digest is that of pretrained weights."""

    kind: Literal["retrieved"]
    program: State
    k: int
    embedder: str
    embedder_digest: NotRequired[str]
    examples: list[ExampleState]


class EnhancedState(TypedDict):
    """A program whose missing inputs an enhancer fills in first."""

    kind: Literal["enhanced"]
    enhancer: PlainState
    program: State


class ReaderState(TypedDict):
    """How a question becomes numbers: by an embedder, and values of inputs that training met."""

    embedder: str
    embedder_digest: str
    known: dict[str, list[str]]


class LabelModelState(TypedDict):
    """One answer of a student."""

    labels: list[str]
    weights: ArrayState
    bias: ArrayState
    temperature: float
    unseen: list[str]
    floor: float


class SchoolingState(TypedDict):
    """What a student learned from."""

    examples: int
    taught: int
    inverse_regularisation: float
    accuracy: float
    ece: float
    notes: list[str]


class StudentState(ReaderState):
    """A student."""

    kind: Literal["student"]
    answers: dict[str, LabelModelState]
    schooling: SchoolingState


class PolicyState(ReaderState):
    """A policy: its choices have the names' answers, in their order."""

    kind: Literal["policy"]
    names: list[str]
    choices: list[list[str]]
    arrays: dict[str, ArrayState]
    temperature: float
    notes: list[str]


class FamiliarState(TypedDict):
    """Which questions are like those of training. Those of earlier releases have landmarks of 32 bits, and no
    `sureness`."""

    landmarks: ArrayState | CoarseArrayState
    least: float
    sureness: NotRequired[float]


class CascadeState(TypedDict):
    """A student before a program that asks an LM."""

    kind: Literal["cascade"]
    student: StudentState
    program: State
    familiar: NotRequired[FamiliarState]
    threshold: float
    why: str


Lists = Mapping[str, Mapping[str, Sequence[str]]]
"""By answer and label, the terms that speak for it."""


class EntityRulesState(TypedDict):
    """Which entities count in an ensemble, and for what. `finder` is the name of a model, "" for the input."""

    finder: str
    asked: list[str]
    threshold: float
    words: dict[str, dict[str, list[str]]]


class SettingsState(TypedDict):
    """An ensemble: all that tuning sets of it are numbers and words."""

    kind: Literal["settings"]
    words: dict[str, dict[str, list[str]]]
    entities: NotRequired[EntityRulesState]
    program: NotRequired[State]
    temperature: NotRequired[float]
    weights: dict[str, float]
    ask_below: float
    notes: list[str]


State = PlainState | RetrievedState | EnhancedState | StudentState | PolicyState | CascadeState | SettingsState
