"""OpenInference: what the spans of a DSPy application that knows nothing of Argotune say of a decision.

A decision is the span of a module, `<Class>.forward` or `.aforward`, that lies in no other module's. What is written
there, and what becomes of it, is docs/traces.md. Source: openinference-instrumentation-dspy 0.1.48.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from argotune.data.experiences import Experience
from argotune.data.field_types import as_text
from argotune.data.fields import Fields
from argotune.data.span_format import (
    MAX_TEXT_CHARS,
    Outcome,
    UnusableSpan,
    answers_meant_by,
    asked_inputs,
    outcome_told,
    text_of_field,
    word_of,
)
from argotune.data.spans import Json, Span
from argotune.data.stream import Stream
from argotune.data.tenancy import SESSION, whose

KIND = "openinference.span.kind"
INPUTS, OUTPUTS = "input.value", "output.value"
TAGS, VERSION = "tag.tags", "metadata.argotune_version"

HIDDEN = "__REDACTED__"
"""What OPENINFERENCE_HIDE_INPUTS and _OUTPUTS leave of a value."""

FILE = "<<CUSTOM-TYPE-START-IDENTIFIER>>"
"""How DSPy writes an image, a sound or another file into a text."""

_HISTORY = re.compile(r"messages=(\[.*\])", re.DOTALL)
"""How Python prints a dspy.History, which OpenInference does not write as JSON."""

_PRINTED = re.compile(r"<[\w.]+ object at 0x[0-9a-f]+>")

OF_PREDICT = frozenset({"config", "demos", "lm", "signature", "new_signature", "prediction", "_trace"})
"""What dspy.Predict may be given beside its inputs."""

_SIGNATURE = re.compile(r"\w+\((\w+)\)\.a?forward")

_CLASS = re.compile(r"[A-Za-z_][\w.]{0,99}(?=:|$)")


def is_module(name: str, kind: Json) -> bool:
    """Whether a span is a module's, not of what a module asks: `Predict.forward`, not `Predict(Route).forward`."""
    return kind == "CHAIN" and name.endswith((".forward", ".aforward")) and "(" not in name


def is_outermost(span: Span) -> bool:
    """Whether a span is a module's that lies in no other."""
    return is_module(span.name, span.attributes.get(KIND)) and not any(is_module(a.name, a.kind) for a in span.above)


def signature_in(name: str) -> str | None:
    """The signature in the name of a span inside a module, `Predict(Route).forward`."""
    found = _SIGNATURE.fullmatch(name)
    return found and found[1]


def read_decision(span: Span, stream: Stream, fields: Fields) -> Experience | UnusableSpan | None:
    """The decision in a span of a bound stream, or the named reason why there is none; None where it is another
    tenant's. A program that failed gave no answers. Never raises on what an application sends."""
    is_ours = left_out(span, stream)
    if is_ours is not True:
        return is_ours or None
    inputs = _inputs(span.attributes.get(INPUTS), fields)
    if isinstance(inputs, UnusableSpan):
        return inputs
    outcome = outcome_told(span.attributes)
    if isinstance(outcome, UnusableSpan):
        return outcome
    told = Experience(span.span_id, fields.program, inputs, {}, span.started_at, **_completed(outcome, span))
    if span.status == "ERROR":
        return replace(told, agent_success=False, failure=failure_in(_error(span)))
    return _answered(told, span.attributes.get(OUTPUTS), fields)


def is_decision(span: Span, stream: Stream) -> bool:
    """Whether a span of a stream is to be read, as far as can be told without what was said in it."""
    return left_out(span, stream) is True


def _error(span: Span) -> str:
    """What is said of the error: as OpenTelemetry's event of an exception names it, or in the status of the span."""
    said = (span.failure, *map(span.attributes.get, ("exception.type", "exception.message")))
    return next((text for text in said if isinstance(text, str) and text), "")


def failure_in(message: str) -> str:
    """The class of the error, of a message such as `AdapterParseError: the answer ...`, whatever module it is of."""
    found = _CLASS.match(message)
    return found[0].rpartition(".")[2] if found else "an error without a class"


def left_out(span: Span, stream: Stream) -> UnusableSpan | bool:
    """True where the span is a decision of the stream, False where it is another tenant's; else why it is none."""
    if stream.is_orchestration and any(ancestor.name == span.name for ancestor in span.above):
        return UnusableSpan.INNER
    if stream.binding is None or stream.bound is None:
        return True
    is_ours = whose(span, stream.tenant_id, stream.binding)
    if is_ours is not True:
        return UnusableSpan.NO_TENANT if is_ours is None else False
    if not stream.is_orchestration and not is_outermost(span):
        return UnusableSpan.INNER
    if any(tag in stream.binding.leave_out_tags for tag in _tags(span.attributes.get(TAGS))):
        return UnusableSpan.TAGGED
    if stream.binding.needs_session and not span.attributes.get(SESSION):
        return UnusableSpan.NO_SESSION
    if stream.bound.signature and span.signature != stream.bound.signature:
        return UnusableSpan.OTHER_SIGNATURE
    return True


def _tags(value: Json) -> list[Json]:
    found = _loaded(value) if isinstance(value, str) else value
    return found if isinstance(found, list) else [value]


def _completed(outcome: Outcome, span: Span) -> Outcome:
    """With the time that the span took and the version that the application wrote into its metadata."""
    took = (span.ended_at - span.started_at).total_seconds() if span.ended_at else None
    said, version = outcome["processing_time_s"], word_of(span.attributes.get(VERSION))
    if not outcome["program_version"] and isinstance(version, str):
        outcome = {**outcome, "program_version": version}
    return {**outcome, "processing_time_s": took if said is None and took is not None and took >= 0 else said}


def _inputs(value: Json, fields: Fields) -> dict[str, str] | UnusableSpan:
    given = object_in(value)
    if isinstance(given, UnusableSpan):
        return given
    given = dict(_unwrapped(given, fields))
    if any(name not in fields.inputs and name not in OF_PREDICT for name in given):
        return UnusableSpan.OTHER_FIELDS
    texts = _texts({name: value for name, value in given.items() if name in fields.inputs}, fields)
    if isinstance(texts, UnusableSpan):
        return texts
    return UnusableSpan.NO_INPUT if fields.missing(texts) else asked_inputs(fields, texts)


def _unwrapped(given: Mapping[str, Json], fields: Fields) -> Iterator[tuple[str, Json]]:
    """Inputs that `forward(**input_args)` takes lie one level deeper, under the name that it gives them."""
    for name, value in given.items():
        if name not in fields.inputs and isinstance(value, Mapping) and any(n in fields.inputs for n in value):
            yield from value.items()
        else:
            yield name, value


def _answered(told: Experience, value: Json, fields: Fields) -> Experience | UnusableSpan:
    said = object_in(value, only=next(iter(fields.answers)) if len(fields.answers) == 1 else None)
    if isinstance(said, UnusableSpan):
        return said
    if any(name not in said for name in fields.answers):
        return UnusableSpan.OTHER_FIELDS
    texts = _texts({name: said[name] for name in fields.answers}, fields)
    answers = texts if isinstance(texts, UnusableSpan) else answers_meant_by(fields, texts)
    if isinstance(answers, UnusableSpan):
        return answers
    sure = told.confidence if told.confidence is not None else _share(said.get("confidence"))
    return replace(told, answers=answers, confidence=sure)


def object_in(value: Json, only: str | None = None) -> Mapping[str, Json] | UnusableSpan:
    """The fields in a JSON text. `only`: the one of which a text, or what else is no object, is the value."""
    if value is None:
        return UnusableSpan.NO_OUTPUT if only else UnusableSpan.NO_INPUT
    if value == HIDDEN:
        return UnusableSpan.HIDDEN
    found = _loaded(value) if isinstance(value, str) else value
    if isinstance(found, UnusableSpan):
        return UnusableSpan.TOO_LONG if isinstance(value, str) and len(value) > MAX_TEXT_CHARS else found
    if isinstance(found, Mapping):
        return found
    return {only: found} if only else UnusableSpan.OTHER_FIELDS


def _loaded(text: str) -> Json | UnusableSpan:
    try:
        found: Json = json.loads(text)
    except (ValueError, RecursionError):
        return UnusableSpan.CUT_OFF
    return found


def _texts(values: Mapping[str, Json], fields: Fields) -> dict[str, str] | UnusableSpan:
    """The text of each value. One that is null is none, save where null is a value of the field."""
    texts: dict[str, str] = {}
    for name, value in values.items():
        if value is None and not fields.takes_none(name):
            continue
        text = _text(name, value, fields)
        if isinstance(text, UnusableSpan):
            return text
        texts[name] = text
    return texts


def _text(name: str, value: Json, fields: Fields) -> str | UnusableSpan:
    if isinstance(value, str):
        if FILE in value[:MAX_TEXT_CHARS]:
            return UnusableSpan.FILE
        value = _history(value)
        if value is None or (isinstance(value, str) and _PRINTED.fullmatch(value)):
            return UnusableSpan.AS_PRINTED
    try:
        plain = value if name in fields.types else as_text(value)
    except ValueError:
        return UnusableSpan.WRONG_TYPE
    text = text_of_field(fields, name, plain, is_text=False)
    if isinstance(text, str) and FILE in text:
        return UnusableSpan.FILE
    return text or ""


def _history(text: str) -> Json:
    """A dspy.History as JSON, any other text as it is; None for a history that Python cannot read back."""
    found = _HISTORY.fullmatch(text) if len(text) <= MAX_TEXT_CHARS else None
    if not found:
        return text
    try:
        return {"messages": ast.literal_eval(found[1])}
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def _share(value: Json) -> float | None:
    """A confidence, None where it is no number in 0..1: the answer is worth as much without one."""
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else -1.0
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number <= 1 else None
