"""Annotations on a bound stream's decisions, and beside: on a span inside one, the root, the trace, the session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from argotune.adapters.phoenix.annotations import (
    SESSION_IDS_AT_ONCE,
    SPAN_IDS_AT_ONCE,
    TRACE_IDS_AT_ONCE,
    annotations_on,
    is_said,
)
from argotune.adapters.phoenix.bound import BoundSpans
from argotune.adapters.phoenix.connection import PhoenixHttp
from argotune.adapters.phoenix.forms import Form
from argotune.adapters.phoenix.query import Query, Row, Window, read_whole
from argotune.adapters.phoenix.reader import PAGE_ROWS, ModuleSpans
from argotune.adapters.phoenix.sessions import AnnotatedSession, annotated_sessions
from argotune.adapters.phoenix.spans import parsed, text_in
from argotune.data.ancestry import decision_around
from argotune.data.annotations import Annotation
from argotune.data.openinference import is_decision
from argotune.data.source import SpanRead
from argotune.data.spans import Span
from argotune.data.stream import Stream

_COLUMNS = {"trace": "trace_id", "parent": "parent_id"}


@dataclass(frozen=True)
class _SpanAt:
    """Where a span lies."""

    span_id: str
    trace_id: str
    parent_id: str | None


class AnnotationsBeside:
    """What was said of a bound stream's decisions. Raises what PhoenixHttp raises.

    An annotation on a span inside a decision is of that one; one above, or on the whole trace, is of the decision where
    the trace has one alone, and of none where it has several. One on a session is of all decisions in it.
    """

    def __init__(self, http: PhoenixHttp, spans: ModuleSpans, bound: BoundSpans, form: Form, stream: Stream) -> None:
        self._http, self._spans, self._bound, self._form, self._stream = http, spans, bound, form, stream

    def found(self, names: Sequence[str], since: datetime) -> Iterator[Annotation]:
        """Annotations under these names on and beside decisions in traces with a span since then."""
        yield from self._in_traces(names, since)
        yield from self._in_sessions(names, since)

    def _in_traces(self, names: Sequence[str], since: datetime) -> Iterator[Annotation]:
        seen = set[str]()  # a trace lies in as many windows of time as its spans
        for places in _in_lists(self._annotated(names, since)):
            traces = sorted({place.trace_id for place in places})
            decisions = self._decisions(traces)
            yield from self._on_spans(places, names, decisions)
            yield from self._on_traces([id for id in traces if id not in seen], names, decisions)
            seen.update(traces)

    def _annotated(self, names: Sequence[str], since: datetime) -> Iterator[_SpanAt]:
        """Spans of whatever form that have such an annotation, or lie in a trace that has one."""
        said = f"{is_said('span', names)} or {is_said('trace', names)}"
        for _, table in self._spans.in_windows(said, _COLUMNS, Window(since)):
            if table is None:
                rows = self._spans.rows_of({"start_time": since.isoformat()}, PAGE_ROWS)
                yield from (parsed(_place_of_row, row) for row in rows)
                return
            yield from (parsed(_place_of_query, row) for row in table)

    def _decisions(self, traces: Sequence[str]) -> dict[str, list[str]]:
        """The ids of the stream's decisions in each trace."""
        found: dict[str, list[str]] = {}
        for start in range(0, len(traces), SPAN_IDS_AT_ONCE):
            some = list(traces[start : start + SPAN_IDS_AT_ONCE])
            spans = dict(self._modules_in(some))
            for each in self._bound.placed([SpanRead(span, None) for span, _ in spans.values()]):
                if is_decision(each.span, self._stream):
                    found.setdefault(spans[each.span.span_id][1], []).append(each.span.span_id)
        return found

    def _modules_in(self, traces: list[str]) -> Iterator[tuple[str, tuple[Span, str]]]:
        """The spans of the stream's form in some traces, each with its trace, by its id."""
        if not self._spans.is_worth_querying:
            for start in range(0, len(traces), TRACE_IDS_AT_ONCE):
                some = traces[start : start + TRACE_IDS_AT_ONCE]
                for row in self._spans.rows_of({"trace_id": some, "name": list(self._form.names)}, PAGE_ROWS):
                    span = self._form.of_row(row)
                    yield span.span_id, (span, parsed(_place_of_row, row).trace_id)
            return
        condition = f"{self._form.condition} and trace_id in {traces!r}"
        query = Query(self._spans.project_name, condition, {**self._form.columns, **_COLUMNS})
        for row in read_whole(self._http, query, "the decisions of annotated traces"):
            span = self._form.of_query(row)
            yield span.span_id, (span, parsed(_place_of_query, row).trace_id)

    def _on_spans(
        self, places: Sequence[_SpanAt], names: Sequence[str], decisions: Mapping[str, list[str]]
    ) -> Iterator[Annotation]:
        of_span = {place.span_id: place for place in places if place.trace_id in decisions}
        known = {place.span_id: place.parent_id for place in of_span.values()}
        deciding = (id for found in decisions.values() for id in found)
        parents = {**self._bound.parents([*filter(None, known.values()), *deciding]), **known}
        for annotation in annotations_on("span", sorted(of_span), names, self._http, self._spans.project_path):
            place = of_span[annotation.span_id]
            id = decision_around(place.span_id, parents, decisions[place.trace_id])
            if id is not None:
                yield replace(annotation, span_id=id)

    def _on_traces(
        self, traces: Sequence[str], names: Sequence[str], decisions: Mapping[str, list[str]]
    ) -> Iterator[Annotation]:
        alone = {trace: decisions[trace][0] for trace in traces if len(decisions.get(trace, ())) == 1}
        for annotation in annotations_on("trace", sorted(alone), names, self._http, self._spans.project_path):
            yield replace(annotation, span_id=alone[annotation.span_id])

    def _in_sessions(self, names: Sequence[str], since: datetime) -> Iterator[Annotation]:
        sessions = annotated_sessions(self._http, self._spans.project_path, names, since)
        while some := list(islice(sessions, SESSION_IDS_AT_ONCE)):
            of_session = self._decisions_of(some)
            asked = [id for id, decisions in of_session.items() if decisions]
            for annotation in annotations_on("session", asked, names, self._http, self._spans.project_path):
                yield from (replace(annotation, span_id=id) for id in of_session[annotation.span_id])

    def _decisions_of(self, sessions: Sequence[AnnotatedSession]) -> dict[str, list[str]]:
        found = self._decisions(sorted({id for session in sessions for id in session.trace_ids}))
        return {each.session_id: [id for t in each.trace_ids for id in found.get(t, ())] for each in sessions}


def _place_of_query(row: Row) -> _SpanAt:
    return _SpanAt(text_in(row["span_id"]), text_in(row["trace"]), row["parent"] and text_in(row["parent"]))


def _place_of_row(row: Row) -> _SpanAt:
    context = row["context"]
    return _SpanAt(text_in(context["span_id"]), text_in(context["trace_id"]), row["parent_id"])


def _in_lists(found: Iterator[_SpanAt]) -> Iterator[list[_SpanAt]]:
    while some := list(islice(found, PAGE_ROWS)):
        yield some
