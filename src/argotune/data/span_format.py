"""Span format: how a decision is written into a span (docs/traces.md), which nothing else knows."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from functools import cache, lru_cache
from typing import TypedDict, TypeVar

from argotune.data.experiences import Experience, shared
from argotune.data.field_types import FieldType, NotOfType, as_text
from argotune.data.fields import Fields
from argotune.data.spans import Json, Span
from argotune.data.tenancy import SESSION
from argotune.store.sealing import digest
from argotune.store.texts import storable

MAX_TEXT_CHARS = 20_000
"""Longer queries are not examples of anything a router should learn from."""


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
    NOT_OF_TYPE = "a value is not of its field's type"
    MASKED = "what was masked is no value of its field's type any more"

    # Of bound streams alone (data/openinference.py).
    INNER = "inside another module"
    TAGGED = "left out by its tag"
    NO_SESSION = "it has no session"
    NO_TENANT = "nobody says whose it is"
    OTHER_SIGNATURE = "it asks another signature"
    OTHER_FIELDS = "its fields are not those of the program"
    HIDDEN = "the application hides inputs or outputs"
    CUT_OFF = "inputs or outputs are cut off: no JSON"
    FILE = "a field is an image or another file"
    AS_PRINTED = "a field is as Python prints it, not JSON"
    FUTURE = "it starts in the future"

    # Of orchestrated requests alone (data/executions.py).
    CIRCLE = "spans in circles: one lies in itself"
    UNKNOWN_AGENT = "an agent in it is none of the tenant's"
    NO_AGENT = "none of the tenant's agents was asked in it"
    UNENDED = "it, or an agent in it, has no end"
    BACKWARDS = "an agent in it ends before it begins"
    TOO_MANY = "more than 1,000 spans in one request"


@lru_cache(maxsize=4096)
def _shared_word(word: str) -> str:
    return word


OUTCOMES = ("agent_success", "search_quality", "user_satisfaction", "processing_time", "modality", "language")
"""What an application may say of a decision when it is over, each as the attribute `routing.<name>`."""


FILLED_ATTRIBUTE = "routing.enhancement.filled"
"""Names the inputs that were not asked but filled in by the version itself, with commas between them."""

RESERVED = frozenset(
    {
        *("tenant_id", "program", "program_version", "propensity", "greedy_answers", "answered_by", "fell_through"),
        *("confidence", "processing_time", "agent_success", "search_quality", "user_satisfaction"),
    }
)
"""Attributes `routing.<name>` that no field of a program can have: they say something else already."""


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
    greedy = _greedy_answers(span.attributes.get(GREEDY), fields)
    if isinstance(greedy, UnusableSpan):
        return greedy
    outcome = outcome_told(span.attributes)
    if isinstance(outcome, UnusableSpan):
        return outcome
    found = Experience(span.span_id, fields.program, inputs, answers, span.started_at, **outcome)
    return replace(found, greedy_answers=greedy, filled=filled_texts(span.attributes, fields))


def filled_texts(attributes: Mapping[str, Json], fields: Fields) -> dict[str, str] | None:
    """What the version that decided filled in by itself, None where that is nothing. It was not asked, so it is no part
    of the question."""
    texts = {name: text_of_field(fields, name, _value(attributes, name)) for name in _filled_names(attributes, fields)}
    return {name: text for name, text in texts.items() if isinstance(text, str) and text} or None


def _filled_names(attributes: Mapping[str, Json], fields: Fields) -> list[str]:
    told = attributes.get(FILLED_ATTRIBUTE)
    names = told.split(",") if isinstance(told, str) else []
    return [name for name in fields.inputs if name in names and name != "query"]


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
    filled = _filled_names(attributes, fields)
    given = [name for name in fields.inputs if name not in filled]
    found = _texts({name: text_of_field(fields, name, _value(attributes, name)) for name in given})
    if isinstance(found, UnusableSpan):
        return found
    return asked_inputs(fields, found)


def asked_inputs(fields: Fields, given: Mapping[str, str]) -> dict[str, str] | UnusableSpan:
    """What the program was asked by the inputs that were given, or that there is no question."""
    inputs = fields.asked(given)
    asked = inputs["query"] if "query" in inputs else "".join(inputs.values())
    lacks_value = fields.types and fields.types.keys() & fields.missing(given)
    return UnusableSpan.NO_INPUT if lacks_value or not asked.strip() else inputs


def _answers(attributes: Mapping[str, Json], fields: Fields) -> Mapping[str, str] | UnusableSpan:
    found = _texts({name: text_of_field(fields, name, _value(attributes, name)) for name in fields.answers})
    return found if isinstance(found, UnusableSpan) else answers_meant_by(fields, found)


def answers_meant_by(fields: Fields, given: Mapping[str, str]) -> Mapping[str, str] | UnusableSpan:
    """The answers of a decision as its tenant spells them."""
    if not all(given.get(name, "").strip() for name in fields.answers):
        return UnusableSpan.NO_OUTPUT
    read = [(name, fields.meant(name, given[name])) for name in fields.answers]
    known = {name: label for name, label in read if label is not None}
    if len(known) < len(read):
        return UnusableSpan.UNKNOWN_LABEL
    return shared(*fields.in_one_order(known).items())


GREEDY = "routing.greedy_answers"
"""What the version itself said, where the answers were drawn at random instead: a JSON object of the kept texts."""


def _greedy_answers(value: Json, fields: Fields) -> Mapping[str, str] | UnusableSpan | None:
    if value is None:
        return None
    try:
        said = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return UnusableSpan.WRONG_TYPE
    if not isinstance(said, Mapping):
        return UnusableSpan.WRONG_TYPE
    texts = {str(name): text for name, text in said.items() if isinstance(text, str)}
    return UnusableSpan.WRONG_TYPE if len(texts) < len(said) else answers_meant_by(fields, texts)


def _texts(found: Mapping[str, str | UnusableSpan | None]) -> dict[str, str] | UnusableSpan:
    """The texts that there are, or the first reason why one cannot be used."""
    return _usable({name: text for name, text in found.items() if text is not None})


def text_of_field(fields: Fields, name: str, value: Json, *, is_text: bool = True) -> str | UnusableSpan | None:
    """The text that the value of a field is kept as, None where it is missing.

    `is_text`: what is a text stands for a value of the field's type, as in attributes; else it is a value of JSON.
    """
    type_ = fields.types.get(name)
    if type_ is None:
        return None if value is None else _text(value)
    if value is None and is_text:
        return None
    if isinstance(value, str) and (len(value) > MAX_TEXT_CHARS or not value.strip()):
        return UnusableSpan.TOO_LONG if value.strip() else _nothing(type_)
    try:
        if isinstance(value, str) and is_text:
            return _text(type_.canonical_of_text(storable(value)))
        return _text(fields.kept(name, value)) or None
    except NotOfType:
        is_closed = fields.answers.get(name) is not None
        return UnusableSpan.UNKNOWN_LABEL if is_closed else UnusableSpan.NOT_OF_TYPE
    except ValueError:
        return UnusableSpan.WRONG_TYPE


def _nothing(type_: FieldType) -> str | None:
    """What a text without a letter says: nothing, where texts are no values of the field."""
    return "" if type_.holds_texts else None


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
        return _text(as_text(value))
    except ValueError:
        return UnusableSpan.WRONG_TYPE


_SHARES = {name: f"routing.{name}" for name in ("confidence", "search_quality", "user_satisfaction", "propensity")}


_WORDS = {name: f"routing.{name}" for name in ("program_version", "modality", "language")}


MAX_WORD_CHARS = 200

SESSION_ID = "routing.session_id"
"""What decisions of one session share; without it `session.id` counts, where a trace source gives it."""


class Outcome(TypedDict):
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
    session: str | None


def outcome_told(attributes: Mapping[str, Json]) -> Outcome | UnusableSpan:
    """What `routing.*` attributes say of a decision, or the named reason why it cannot be read."""
    shares = _usable({name: _number(attributes.get(attribute), 1.0) for name, attribute in _SHARES.items()})
    if isinstance(shares, UnusableSpan):
        return shares
    time_s = _number(attributes.get("routing.processing_time"), math.inf)
    if isinstance(time_s, UnusableSpan):
        return time_s
    words = _usable({name: word_of(attributes.get(attribute)) for name, attribute in _WORDS.items()})
    if isinstance(words, UnusableSpan):
        return words
    success = attributes.get("routing.agent_success")
    if success is not None and not isinstance(success, bool):
        return UnusableSpan.WRONG_TYPE
    return Outcome(
        agent_success=success,
        processing_time_s=time_s,
        confidence=shares["confidence"],
        search_quality=shares["search_quality"],
        user_satisfaction=shares["user_satisfaction"],
        propensity=shares["propensity"],
        program_version=words["program_version"],
        modality=words["modality"],
        language=words["language"],
        session=_session(attributes),
    )


def _session(attributes: Mapping[str, Json]) -> str | None:
    """A digest: names of sessions may be anything, and only which are equal matters."""
    said = attributes.get(SESSION_ID) or attributes.get(SESSION)
    return digest(storable(said))[:16] if isinstance(said, str) and said else None


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


def word_of(value: Json) -> str | UnusableSpan | None:
    """A word such as a version's id, cut where it is too long; None where there is none."""
    if value is None:
        return None
    return _shared_word(storable(value[:MAX_WORD_CHARS])) or None if isinstance(value, str) else UnusableSpan.WRONG_TYPE
