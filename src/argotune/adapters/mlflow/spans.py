"""MLflow's traces as spans: with OpenInference's attributes, so that one reader reads those of both products."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from argotune.adapters.json_http import storable_json
from argotune.adapters.mlflow.connection import documented
from argotune.adapters.mlflow.rows import EventRow, SpanRow, TraceRow
from argotune.data.ancestry import MOST_BELOW, decision_around
from argotune.data.openinference import INPUTS, KIND, OUTPUTS, TAGS, is_module
from argotune.data.spans import MOST_TREE_SPANS, TREE_KINDS, Ancestor, Json, Span, TreeSpan, agent_named
from argotune.data.tenancy import SESSION, USER

OWN = "mlflow."
"""Begins the names of what MLflow itself writes into tags, metadata and attributes."""

MAX_ABOVE = 50
"""So many of the spans above one are told, those next to it: none of a real application lies deeper."""

_SIGNATURE = re.compile(r"(\w+)\(")

SESSION_OF_TRACE = "mlflow.trace.session"
"""The name of a trace's metadata that says its session, and of an assessment's that is of the whole session."""

_TAKEN_OVER = {SESSION_OF_TRACE: SESSION, "mlflow.trace.user": USER}
"""Metadata of a trace that OpenInference has attributes for."""

EVALUATION = "evaluation"
"""The tag of a trace that was made within an MLflow run: those that MLflow keeps of evaluations are."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_MS = timedelta(milliseconds=1)


def ms_of(at: datetime) -> int:
    """Milliseconds since 1970, in which MLflow counts time, begun ones left out; 0 for earlier times."""
    return max(0, (at - EPOCH) // _MS)


def time_at(ms: int) -> datetime:
    """The time so many milliseconds after 1970 began."""
    return EPOCH + ms * _MS


class SpanPlace(NamedTuple):
    """Which span of which trace: MLflow finds a span by its trace alone."""

    trace_id: str
    span_id: str

    @property
    def id(self) -> str:
        """The span's id outside of this adapter."""
        return f"{self.trace_id}.{self.span_id}"


def place_of_span(id: str) -> SpanPlace | None:
    """The place that an id names, None for one that is of another source."""
    trace_id, _, span_id = id.rpartition(".")
    return SpanPlace(trace_id, span_id) if trace_id and span_id else None


@dataclass(frozen=True)
class TraceInfo:
    """What a search tells of a trace: all but its spans. `name` is that of its first span, None where none is told.

    `is_in_file`: its spans are in a file of their own, as MLflow kept them before 3.5 and keeps them beside a store of
    files.
    """

    id: str
    at_ms: int
    ended_at: datetime
    is_whole: bool
    is_in_file: bool
    name: str | None
    attributes: Mapping[str, Json]
    assessments: Sequence[Mapping[str, Any]]

    @property
    def is_of_module(self) -> bool:
        """Whether its first span is one of a module of DSPy, in which all others lie then."""
        return self.name is not None and is_module(self.name, "CHAIN")

    @property
    def head(self) -> Span:
        """Its first span, as far as it is told here: not what was said in it."""
        attributes = {**self.attributes, KIND: "CHAIN"}
        return Span(self.id, self.id, self.name or "", time_at(self.at_ms), self.ended_at, attributes)


def info_of(row: Mapping[str, Any]) -> TraceInfo:
    """A row of a search. Raises BadAnswer."""
    with documented("a trace"):
        started_at, tags = _time(row["request_time"]), row.get("tags") or {}
        about = row.get("trace_metadata") or {}
        return TraceInfo(
            id=_text(row["trace_id"]),
            at_ms=round((started_at - EPOCH) / _MS),
            ended_at=started_at + _duration(row.get("execution_duration")),
            is_whole=row.get("state") != "IN_PROGRESS",
            is_in_file=tags.get("mlflow.trace.spansLocation") in (None, "ARTIFACT_REPO"),
            name=tags.get("mlflow.traceName"),
            attributes=_attributes_of(tags, about),
            assessments=row.get("assessments") or (),
        )


def spans_named(trace: TraceRow, info: TraceInfo, names: Sequence[str]) -> Iterator[Span]:
    """The spans of a whole trace that have one of the names, in order of time, with the signature that each asks first.

    Raises BadAnswer.
    """
    with documented(f"trace {info.id}"):
        rows = {_span_id(row["span_id"]): row for row in trace["spans"]}
        found = [(id, row) for id, row in rows.items() if row["name"] in names]
        for id, row in sorted(found, key=lambda each: int(each[1]["start_time_unix_nano"])):
            yield _span(id, row, rows, info)


def with_tree(span: Span, trace: TraceRow) -> Span:
    """The root of an orchestrated request with the other spans of its trace. Raises BadAnswer."""
    with documented(f"trace {span.trace_id}"):
        rows = ((SpanPlace(span.trace_id or "", _span_id(row["span_id"])), row) for row in trace["spans"])
        told = (_tree_span(place, row) for place, row in rows if place.id != span.span_id and _kind(row) in TREE_KINDS)
        return replace(span, tree=tuple(islice(told, MOST_TREE_SPANS + 1)))


def _tree_span(place: SpanPlace, row: SpanRow) -> TreeSpan:
    parent_id = _parent_id(row)
    return TreeSpan(
        span_id=place.id,
        parent_id=SpanPlace(place.trace_id, parent_id).id if parent_id else None,
        name=_text(row["name"]),
        kind=_kind(row),
        started_at=_instant(row["start_time_unix_nano"]),
        ended_at=_ended_at(row),
        agent=agent_named(_own(_values(row))),
    )


def spans_of_modules(trace: TraceRow, info: TraceInfo) -> Iterator[Span]:
    """The spans of DSPy's modules in a whole trace, in order of time. Raises BadAnswer."""
    with documented(f"trace {info.id}"):
        names = {str(row.get("name")) for row in trace["spans"]}
    yield from spans_named(trace, info, sorted(name for name in names if is_module(name, "CHAIN")))


def unread(info: TraceInfo, name: str) -> Span:
    """A span that stands for a trace whose spans cannot be read."""
    return replace(info.head, span_id=SpanPlace(info.id, "unread").id, name=name)


class Decisions:
    """The decisions in a trace: its spans with one of the names that lie in no module. Raises BadAnswer."""

    def __init__(self, trace: TraceRow, info: TraceInfo, names: Sequence[str]) -> None:
        self._trace_id = info.id
        found = list(spans_named(trace, info, names))
        outer = [span for span in found if not any(is_module(a.name, a.kind) for a in span.above)]
        self.ids = [span.span_id for span in outer]
        with documented(f"trace {info.id}"):
            self._parents = {
                self._placed(_span_id(row["span_id"])): self._placed(parent) if (parent := _parent_id(row)) else None
                for row in trace["spans"]
            }

    def assessed_by(self, assessment: Mapping[str, Any]) -> str | None:
        """The id of the decision that an assessment is of, None where it is of several or of none."""
        span_id = assessment.get("span_id")
        place = self._placed(str(span_id)) if span_id else None
        return place if place and not self._parents else decision_around(place, self._parents, self.ids)

    def _placed(self, span_id: str) -> str:
        return SpanPlace(self._trace_id, span_id).id


def _span(id: str, row: SpanRow, rows: Mapping[str, SpanRow], info: TraceInfo) -> Span:
    parent_id = _parent_id(row)
    return Span(
        span_id=SpanPlace(info.id, id).id,
        trace_id=info.id,
        name=_text(row["name"]),
        started_at=_instant(row["start_time_unix_nano"]),
        ended_at=_ended_at(row),
        attributes={**info.attributes, **_span_attributes(row)},
        status=str((row.get("status") or {}).get("code", "")).removeprefix("STATUS_CODE_") or "UNSET",
        parent_id=SpanPlace(info.id, parent_id).id if parent_id else None,
        above=tuple(_ancestors(row, rows, info)),
        signature=_signature(id, rows),
        failure=_failure(row),
    )


def _ancestors(row: SpanRow, rows: Mapping[str, SpanRow], info: TraceInfo) -> Iterator[Ancestor]:
    """The spans above one, the nearest first. A chain that leads back to itself ends by the limit."""
    for _ in range(MAX_ABOVE):
        parent = rows.get(_parent_id(row) or "")
        if parent is None:
            return
        yield Ancestor(_text(parent["name"]), _kind(parent), {**info.attributes, **_own(_values(parent))})
        row = parent


def _span_attributes(row: SpanRow) -> dict[str, Json]:
    """What a span's inputs and outputs are called in OpenInference; attributes of the application as they are."""
    values = _values(row)
    kind = _kind(row)
    found: dict[str, Json] = {KIND: kind} if kind else {}
    for source, name in (("mlflow.spanInputs", INPUTS), ("mlflow.spanOutputs", OUTPUTS)):
        if source in values:
            found[name] = _json_text(values[source])
    return found | _own(values)


def _kind(row: SpanRow) -> str:
    """OpenInference calls a module of DSPy a chain, whatever it does; other kinds have the same names in both."""
    if is_module(str(row["name"]), "CHAIN"):
        return "CHAIN"
    kind = str(_values(row).get("mlflow.spanType") or "")
    return "LLM" if kind == "CHAT_MODEL" else kind


def _failure(row: SpanRow) -> str:
    """Why a span failed, `Class: message`, from the event that OpenTelemetry has for an exception."""
    for event in row.get("events") or ():
        values = _values(event) if event.get("name") == "exception" else {}
        if values:
            return _text(f"{values.get('exception.type') or 'Exception'}: {values.get('exception.message') or ''}")
    return _text((row.get("status") or {}).get("message") or "")


def _signature(id: str, rows: Mapping[str, SpanRow]) -> str | None:
    """The signature that a module asks first: an adapter is told it, as Python prints it."""
    level = {id}
    for _ in range(MOST_BELOW):
        level = {each for each, row in rows.items() if _parent_id(row) in level}
        below = sorted((rows[each] for each in level), key=lambda row: int(row["start_time_unix_nano"]))
        for row in below:
            inputs = _values(row).get("mlflow.spanInputs")
            told = inputs.get("signature") if isinstance(inputs, Mapping) else None
            if isinstance(told, str) and (found := _SIGNATURE.match(told)):
                return found[1]
    return None


def _attributes_of(tags: Mapping[str, Json], about: Mapping[str, Json]) -> dict[str, Json]:
    """Session and user of a trace, and the application's own tags and metadata, as OpenInference names them."""
    own: dict[str, Json] = {
        f"metadata.{name}": value for name, value in {**about, **tags}.items() if not name.startswith(OWN)
    }
    if about.get("mlflow.sourceRun"):
        own[TAGS] = [EVALUATION]
    return _own(own | {name: about[source] for source, name in _TAKEN_OVER.items() if about.get(source)})


def _values(row: SpanRow | EventRow) -> dict[str, Json]:
    """A span's attributes by name: a list of typed values from the routes, JSON texts in files of traces."""
    attributes = row.get("attributes") or ()
    if isinstance(attributes, Mapping):
        return {name: _parsed(value) for name, value in attributes.items()}
    return {str(each["key"]): _value(each.get("value") or {}) for each in attributes}


def _parsed(value: Json) -> Json:
    try:
        found: Json = json.loads(value) if isinstance(value, str) else value
        return found
    except ValueError:
        return value


def _value(typed: Mapping[str, Any]) -> Json:
    """The value of an OTLP AnyValue (opentelemetry-proto, common/v1); None where it holds none."""
    for kind, value in typed.items():
        if kind == "kvlist_value":
            return {str(each["key"]): _value(each.get("value") or {}) for each in value.get("values", ())}
        if kind == "array_value":
            return [_value(each) for each in value.get("values", ())]
        return int(value) if kind == "int_value" else float(value) if kind == "double_value" else value
    return None


def _own(values: Mapping[str, Json]) -> dict[str, Json]:
    """The application's own attributes; names and texts as every store takes them."""
    found = {name: value for name, value in values.items() if not name.startswith(OWN)}
    return {str(storable_json(name)): storable_json(value) for name, value in found.items()}


def _json_text(value: Json) -> str:
    return json.dumps(storable_json(value), ensure_ascii=False)


def _parent_id(row: SpanRow) -> str | None:
    parent = row.get("parent_span_id")
    return _span_id(parent) if parent else None


def _span_id(encoded: str) -> str:
    """The 16 hex digits of a span's id, by which assessments name it; routes write its 8 bytes in base64."""
    return base64.b64decode(encoded, validate=True).hex()


def _ended_at(row: SpanRow) -> datetime | None:
    ended = row.get("end_time_unix_nano")
    return _instant(ended) if ended else None


def _instant(nanoseconds: int | str) -> datetime:
    return EPOCH + timedelta(microseconds=int(nanoseconds) // 1000)


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _duration(text: str | None) -> timedelta:
    """A protobuf duration as JSON writes it: `0.139s`."""
    return timedelta(seconds=float(text.removesuffix("s"))) if text else timedelta()


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} is no text")
    return str(storable_json(value))
