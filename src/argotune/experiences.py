"""Experiences: what happened in one decision, read from one span, and what it was worth.

This is the only place that knows how a decision is written into a span (docs/traces.md).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from argotune.tenants import RewardWeights

MAX_TEXT_CHARS = 20_000
"""Longer queries are not examples of anything a router should learn from."""

Json = None | bool | int | float | str | list["Json"] | Mapping[str, "Json"]


@dataclass(frozen=True)
class Span:
    """One span as a trace source gives it. `attributes` is flat: dotted names to JSON values."""

    row_id: int
    span_id: str
    trace_id: str
    name: str
    started_at: datetime
    ended_at: datetime
    attributes: Mapping[str, Json]
    status: str = "UNSET"


class Unusable(StrEnum):
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


@dataclass(frozen=True)
class Fields:
    """The inputs and answers of one program, and the labels each answer may take (None: free text)."""

    program: str
    inputs: tuple[str, ...]
    answers: Mapping[str, tuple[str, ...] | None]


@dataclass(frozen=True)
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
        """The text that identifies what was asked: `query`, or all inputs where a program has none."""
        return self.inputs.get("query") or json.dumps(dict(self.inputs), sort_keys=True, ensure_ascii=False)


def read_span(span: Span, tenant_id: str, fields_of: Mapping[str, Fields]) -> Experience | Unusable:
    """The experience in a span, or the named reason why there is none. Never raises on what a tenant sends."""
    attributes = span.attributes
    if attributes.get("routing.tenant_id", tenant_id) != tenant_id:
        return Unusable.OTHER_TENANT
    program = attributes.get("routing.program")
    if not isinstance(program, str) or not program:
        return Unusable.NO_PROGRAM
    fields = fields_of.get(program)
    if fields is None:
        return Unusable.UNKNOWN_PROGRAM
    inputs = _texts(attributes, fields.inputs, optional=True)
    if isinstance(inputs, Unusable):
        return inputs
    if not any(inputs.values()) or ("query" in inputs and not inputs["query"].strip()):
        return Unusable.NO_INPUT
    answers = _texts(attributes, tuple(fields.answers), optional=False)
    if isinstance(answers, Unusable):
        return answers
    for name, labels in fields.answers.items():
        if labels is not None and answers[name] not in labels:
            return Unusable.UNKNOWN_LABEL
    outcome = _outcome(attributes)
    if isinstance(outcome, Unusable):
        return outcome
    return Experience(span.span_id, program, inputs, answers, span.started_at, **outcome)


ALIASES = {"query": ("routing.query", "input.value"), "agent": ("routing.chosen_agent", "routing.agent")}
"""Fields that may be found under another attribute than `routing.<field>`, in order of preference."""


def attribute_names(field: str) -> tuple[str, ...]:
    """Span attributes that may hold a program's field, the preferred one first."""
    return ALIASES.get(field, (f"routing.{field}",))


def _texts(attributes: Mapping[str, Json], names: tuple[str, ...], *, optional: bool) -> dict[str, str] | Unusable:
    texts: dict[str, str] = {}
    for name in names:
        value = next((attributes[a] for a in attribute_names(name) if attributes.get(a) is not None), None)
        text = _text(value)
        if isinstance(text, Unusable):
            return text
        if not optional and not text:
            return Unusable.NO_OUTPUT
        texts[name] = text
    return texts


def _text(value: Json) -> str | Unusable:
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return Unusable.WRONG_TYPE
    if isinstance(value, list | Mapping):
        value = json.dumps(value, ensure_ascii=False, sort_keys=True)
    if len(value) > MAX_TEXT_CHARS:
        return Unusable.TOO_LONG
    return value.replace("\x00", "").encode("utf-8", "replace").decode()


_SHARES = ("confidence", "search_quality", "user_satisfaction", "propensity")


def _outcome(attributes: Mapping[str, Json]) -> dict[str, object] | Unusable:
    outcome: dict[str, object] = {}
    for name in (*_SHARES, "processing_time"):
        value = attributes.get(f"routing.{name}")
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            return Unusable.WRONG_TYPE
        if not math.isfinite(value) or value < 0 or (name in _SHARES and value > 1):
            return Unusable.OUT_OF_RANGE
        outcome["processing_time_s" if name == "processing_time" else name] = float(value)
    success = attributes.get("routing.agent_success")
    if success is not None and not isinstance(success, bool):
        return Unusable.WRONG_TYPE
    for name in ("program_version", "modality", "language"):
        value = attributes.get(f"routing.{name}")
        if value is not None and not isinstance(value, str):
            return Unusable.WRONG_TYPE
        outcome[name] = value[:200] if value else None
    return {**outcome, "agent_success": success}


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
    present = [(value, weight) for value, weight in signals if value is not None and weight > 0]
    if not present:
        return None
    worth = sum(value * weight for value, weight in present) / sum(weight for _, weight in present)
    slowness = min((experience.processing_time_s or 0.0) / weights.processing_time_scale_s, 1.0)
    return min(max(worth - weights.processing_time_penalty * slowness, 0.0), 1.0)
