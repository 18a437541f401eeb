"""Experiences: what happened in one decision, read from one span, and what it was worth.

This is the only place that knows how a decision is written into a span (docs/traces.md).
"""

from __future__ import annotations

import json
import math
import sys
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cache, cached_property, lru_cache
from typing import TypedDict, TypeVar

from argotune.store.texts import storable
from argotune.tenants.config import RewardWeights

MAX_TEXT_CHARS = 20_000
"""Longer queries are not examples of anything a router should learn from."""

Json = None | bool | int | float | str | list["Json"] | Mapping[str, "Json"]


@dataclass(frozen=True, slots=True)
class Span:
    """One span as a trace source gives it. `attributes` is flat: dotted names to JSON values.

    None where a source left out what no stage reads.
    """

    span_id: str
    trace_id: str | None
    name: str
    started_at: datetime
    ended_at: datetime | None
    attributes: Mapping[str, Json]
    status: str = "UNSET"


class UnusableSpan(StrEnum):
    """Why a span gives no experience. The values are what reports show."""

    OTHER_TENANT = "span of another tenant"
    NO_PROGRAM = "no routing.program"
    UNKNOWN_PROGRAM = "program is not of this module"
    NO_INPUT = "an input is missing or empty"
    NO_OUTPUT = "an answer is missing or empty"
    WRONG_TYPE = "an attribute has the wrong type"
    OUT_OF_RANGE = "a number is outside 0..1 or not finite"
    TOO_LONG = "a text is too long"
    UNKNOWN_LABEL = "the answer is not among the tenant's labels"


@lru_cache(maxsize=4096)
def shared(*items: tuple[str, str]) -> Mapping[str, str]:
    """A mapping of the items, one for all equal ones: answers and labels repeat, and there may be a million."""
    return dict(items)


@lru_cache(maxsize=4096)
def _shared_word(word: str) -> str:
    return word


OUTCOMES = ("agent_success", "search_quality", "user_satisfaction", "processing_time", "modality", "language")
"""What an application may say of a decision when it is over, each as the attribute `routing.<name>`."""

RESERVED = frozenset(
    {"tenant_id", "program", "program_version", "propensity", "confidence", "processing_time"}
    | {"agent_success", "search_quality", "user_satisfaction"}
)
"""Attributes `routing.<name>` that no field of a program can have: they say something else already."""


def meant(said: str, labels: Collection[str] | None) -> str | None:
    """The label that is meant: exactly that, else the one that differs in outer white space or in how its characters
    are composed only. None where there is none such. Without labels the text in that form.

    The one rule by which labels are compared, whoever gave them and however a tenant has spelled its own.
    """
    if labels is None:
        return _composed(said) or None
    return said if said in labels else next((label for label in labels if _composed(label) == _composed(said)), None)


def _composed(label: str) -> str:
    return unicodedata.normalize("NFC", label).strip()


@dataclass(frozen=True)
class Fields:
    """The inputs and answers of one program, and the labels each answer may take (None: free text).

    An input that is missing is "", or left out where it is one of the `optional` ones: the program has a default.
    `required` are those that an application must give; None: the query, or any where there is no query.
    """

    program: str
    inputs: tuple[str, ...]
    answers: Mapping[str, tuple[str, ...] | None]
    required: tuple[str, ...] | None = field(default=None, compare=False)
    optional: frozenset[str] = frozenset()

    def asked(self, given: Mapping[str, str]) -> dict[str, str]:
        """What the program is asked, from the inputs that were given."""
        return {name: given.get(name, "") for name in self.inputs if name in given or name not in self.optional}

    def missing(self, given: Mapping[str, str]) -> list[str]:
        """The inputs without which there is no question."""
        required = self.required if self.required is not None else {"query"}.intersection(self.inputs)
        lacking = [name for name in self.inputs if name in required and name not in given]
        return lacking if given else lacking or list(self.inputs)

    def meant(self, name: str, said: str) -> str | None:
        """The answer that is meant by what somebody said, None where it is none: see `meant`."""
        return meant(said, self.answers[name])

    def allow(self, answers: Mapping[str, str]) -> bool:
        """Whether every answer field has a value that it may take."""
        for name, labels in self.answers.items():
            if name not in answers or (labels is not None and answers[name] not in labels):
                return False
        return True

    @cached_property
    def sliced(self) -> str | None:
        """The answer whose labels are slices of the data: that of a program with one answer, from a closed set."""
        closed = [name for name, labels in self.answers.items() if labels is not None]
        return closed[0] if len(self.answers) == len(closed) == 1 else None


@dataclass(frozen=True, slots=True)
class Experience:
    """One decision with its outcome. Scores are in 0..1, None where nobody said."""

    span_id: str
    program: str
    inputs: Mapping[str, str]
    answers: Mapping[str, str]
    at: datetime
    confidence: float | None = None
    search_quality: float | None = None
    agent_success: bool | None = None
    user_satisfaction: float | None = None
    processing_time_s: float | None = None
    program_version: str | None = None
    propensity: float | None = None
    modality: str | None = None
    language: str | None = None

    @property
    def query(self) -> str:
        """The text that identifies what was asked."""
        return query_of(self.inputs)


def query_of(inputs: Mapping[str, str]) -> str:
    """The text that identifies what was asked: `query`, or all inputs where a program has none.

    Names of inputs are left out: they are the same in all questions and would make them look alike.
    """
    return inputs.get("query") or "\n".join(inputs[name] for name in sorted(inputs))


def read_span(span: Span, tenant_id: str, fields_of: Mapping[str, Fields]) -> Experience | UnusableSpan:
    """The experience in a span, or the named reason why there is none. Never raises on what a tenant sends."""
    fields = _fields(span.attributes, tenant_id, fields_of)
    if isinstance(fields, UnusableSpan):
        return fields
    inputs = _inputs(span.attributes, fields)
    if isinstance(inputs, UnusableSpan):
        return inputs
    answers = _answers(span.attributes, fields)
    if isinstance(answers, UnusableSpan):
        return answers
    outcome = _outcome(span.attributes)
    if isinstance(outcome, UnusableSpan):
        return outcome
    return Experience(span.span_id, fields.program, inputs, answers, span.started_at, **outcome)


def _fields(attributes: Mapping[str, Json], tenant_id: str, fields_of: Mapping[str, Fields]) -> Fields | UnusableSpan:
    if attributes.get("routing.tenant_id") not in (None, tenant_id):
        return UnusableSpan.OTHER_TENANT
    program = attributes.get("routing.program")
    if not isinstance(program, str) or not program:
        return UnusableSpan.NO_PROGRAM
    return fields_of.get(program, UnusableSpan.UNKNOWN_PROGRAM)


_ALIASES = {"query": ("routing.query", "input.value"), "agent": ("routing.chosen_agent", "routing.agent")}
"""Fields that may be found under another attribute than `routing.<field>`, in order of preference."""


@cache
def attribute_names(field: str) -> tuple[str, ...]:
    """Span attributes that may hold a program's field, the preferred one first."""
    return _ALIASES.get(field, (f"routing.{field}",))


def _inputs(attributes: Mapping[str, Json], fields: Fields) -> dict[str, str] | UnusableSpan:
    found = _texts(attributes, (name for name in fields.inputs if _value(attributes, name) is not None))
    if isinstance(found, UnusableSpan):
        return found
    inputs = fields.asked(found)
    asked = inputs["query"] if "query" in inputs else "".join(inputs.values())
    return inputs if asked.strip() else UnusableSpan.NO_INPUT


def _answers(attributes: Mapping[str, Json], fields: Fields) -> Mapping[str, str] | UnusableSpan:
    answers = _texts(attributes, fields.answers)
    if isinstance(answers, UnusableSpan):
        return answers
    if not all(answer.strip() for answer in answers.values()):
        return UnusableSpan.NO_OUTPUT
    read = [(name, fields.meant(name, answer)) for name, answer in answers.items()]
    known = [(name, label) for name, label in read if label is not None]
    return shared(*known) if len(known) == len(read) else UnusableSpan.UNKNOWN_LABEL


def _texts(attributes: Mapping[str, Json], names: Iterable[str]) -> dict[str, str] | UnusableSpan:
    texts: dict[str, str] = {}
    for name in names:
        text = _text(_value(attributes, name))
        if isinstance(text, UnusableSpan):
            return text
        texts[name] = text
    return texts


def _value(attributes: Mapping[str, Json], field: str) -> Json:
    for name in attribute_names(field):
        value = attributes.get(name)
        if value is not None:
            return value
    return None


def _text(value: Json) -> str | UnusableSpan:
    if value is None:
        return ""
    if not isinstance(value, str):
        return _text_of_json(value)
    return storable(value) if len(value) <= MAX_TEXT_CHARS else UnusableSpan.TOO_LONG


def _text_of_json(value: Json) -> str | UnusableSpan:
    if not isinstance(value, list | Mapping):
        return UnusableSpan.WRONG_TYPE
    try:
        return _text(json.dumps(value, ensure_ascii=False, sort_keys=True))
    except (TypeError, ValueError, RecursionError):
        return UnusableSpan.WRONG_TYPE


def as_text(value: object) -> str:
    """A value as a program is given it, and as it is read back: lists and objects as JSON, all else as it is printed.

    Raises ValueError for what cannot be written.
    """
    if isinstance(value, str):
        return value
    if not isinstance(value, list | tuple | Mapping):
        return str(value)
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"a value that cannot be written as JSON: {error}") from error


_SHARES = {name: f"routing.{name}" for name in ("confidence", "search_quality", "user_satisfaction", "propensity")}
_WORDS = {name: f"routing.{name}" for name in ("program_version", "modality", "language")}
MAX_WORD_CHARS = 200


class _Outcome(TypedDict):
    """What a span says of its decision besides inputs and answers: arguments of an Experience."""

    confidence: float | None
    search_quality: float | None
    agent_success: bool | None
    user_satisfaction: float | None
    processing_time_s: float | None
    propensity: float | None
    program_version: str | None
    modality: str | None
    language: str | None


def _outcome(attributes: Mapping[str, Json]) -> _Outcome | UnusableSpan:
    shares = _usable({name: _number(attributes.get(attribute), 1.0) for name, attribute in _SHARES.items()})
    if isinstance(shares, UnusableSpan):
        return shares
    time_s = _number(attributes.get("routing.processing_time"), math.inf)
    if isinstance(time_s, UnusableSpan):
        return time_s
    words = _usable({name: _word(attributes.get(attribute)) for name, attribute in _WORDS.items()})
    if isinstance(words, UnusableSpan):
        return words
    success = attributes.get("routing.agent_success")
    if success is not None and not isinstance(success, bool):
        return UnusableSpan.WRONG_TYPE
    return _Outcome(
        agent_success=success,
        processing_time_s=time_s,
        confidence=shares["confidence"],
        search_quality=shares["search_quality"],
        user_satisfaction=shares["user_satisfaction"],
        propensity=shares["propensity"],
        program_version=words["program_version"],
        modality=words["modality"],
        language=words["language"],
    )


T = TypeVar("T")


def _usable(found: dict[str, T | UnusableSpan]) -> dict[str, T] | UnusableSpan:
    """All of them, or the first reason why one cannot be used."""
    usable: dict[str, T] = {}
    for name, value in found.items():
        if isinstance(value, UnusableSpan):
            return value
        usable[name] = value
    return usable


def _number(value: Json, largest: float) -> float | UnusableSpan | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return UnusableSpan.WRONG_TYPE
    # Compared before it is converted: an integer may be too large for a float.
    return float(value) if 0 <= value <= min(largest, sys.float_info.max) else UnusableSpan.OUT_OF_RANGE


def _word(value: Json) -> str | UnusableSpan | None:
    if value is None:
        return None
    return _shared_word(storable(value[:MAX_WORD_CHARS])) or None if isinstance(value, str) else UnusableSpan.WRONG_TYPE


def reward(experience: Experience, weights: RewardWeights) -> float | None:
    """The worth of an experience in 0..1, None where no outcome was recorded.

    search_quality * w_sq + agent_success * w_as + user_satisfaction * w_us - time penalty
    ("Optimization Module", record_routing_experience). Weights of missing signals are shared among
    the present ones, so that a silent user counts neither for nor against.
    """
    success = None if experience.agent_success is None else float(experience.agent_success)
    signals = (
        (experience.search_quality, weights.search_quality_weight),
        (success, weights.agent_success_weight),
        (experience.user_satisfaction, weights.user_satisfaction_weight),
    )
    present = [(value * weight, weight) for value, weight in signals if value is not None and weight > 0]
    if not present:
        return None
    worth = sum([value for value, _ in present]) / sum([weight for _, weight in present])
    slowness = min((experience.processing_time_s or 0.0) / weights.processing_time_scale_s, 1.0)
    return min(max(worth - weights.processing_time_penalty * slowness, 0.0), 1.0)
