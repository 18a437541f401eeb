"""How an experiment is read: what a search tells of traces and runs, in order of time, and the spans of those wanted.

A search is not filtered by the names of spans: MLflow on SQLite took 5 s for that among 1,000 traces, and grows with
their square. What a search tells of a trace shows most of those that cannot hold a decision; of the others the spans
are read, 50 traces at a time.
"""

from __future__ import annotations

import heapq
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

from argotune.adapters.json_http import Body, ServerRefused, TooLarge
from argotune.adapters.mlflow.assessments import session_of
from argotune.adapters.mlflow.connection import TRACES, V2, V3, MlflowHttp, member, objects, text, traces_of
from argotune.adapters.mlflow.rows import SpanRow, TraceRow
from argotune.adapters.mlflow.runs import PROGRAM_TAG, decision_of
from argotune.adapters.mlflow.spans import (
    SESSION_OF_TRACE,
    Decisions,
    TraceInfo,
    info_of,
    spans_named,
    unread,
    with_tree,
)
from argotune.data.openinference import is_decision
from argotune.data.spans import Span
from argotune.data.stream import Stream
from argotune.data.tenancy import SESSION, is_of_decision
from argotune.errors import NotFound, RateLimited, Unavailable

PAGE_ROWS = 500
"""The most that a search gives."""

TRACES_AT_ONCE = 50
"""Their ids are in the URL; twice as many took MLflow three times as long."""

ANSWER_BYTES = 64 * 2**20
"""The spans of so many traces are not taken at once where they are longer together."""


MOST_FILTERED = 20
"""For so many names MLflow is asked by name: two searches each, of which those that find nothing take 0.04 s."""

_PLAIN = re.compile(r"\w[\w .-]*", re.ASCII)
"""Names that a filter can say."""

FILE_OF_TRACE = "ajax-api/3.0/mlflow/get-trace-artifact"

UNREADABLE: TraceRow = {"spans": ()}
"""Stands for a trace that alone is longer than an answer may be, or that MLflow alone of others fails to give."""


@dataclass(frozen=True)
class Found:
    """A trace that may hold decisions, or a run that stands for one: then `decision` is it."""

    info: TraceInfo
    decision: Span | None = None

    @property
    def at_ms(self) -> int:
        """When it began."""
        return self.info.at_ms


class Experiment:
    """The traces of one experiment, for a stream whose spans have one of the names. Raises what MlflowHttp raises."""

    def __init__(self, http: MlflowHttp, id: str, stream: Stream, names: Sequence[str]) -> None:
        self._http, self.id, self._stream, self._names = http, id, stream, names
        self._has_answered = False

    def found(self, from_ms: int = 0, until_ms: int | None = None) -> Iterator[Found]:
        """Finished traces and runs that began in [from_ms, until_ms) and may hold decisions, in order of time."""
        traces = (Found(info) for info in self._traces(from_ms, until_ms) if self._may_hold(info))
        for found in heapq.merge(traces, self._runs(from_ms, until_ms), key=lambda each: each.at_ms):
            if found.info.is_whole:
                yield found

    def assessed(self, names: Sequence[str], from_ms: int = 0) -> Iterator[Found]:
        """Those of them on which something is said under one of the names; each comes once. MLflow is asked by name
        where its filter can say all names, else for all traces."""
        conditions = [f"{kind}.`{name}` IS NOT NULL" for name in names for kind in ("feedback", "expectation")]
        if len(names) > MOST_FILTERED or not all(map(_PLAIN.fullmatch, names)):
            conditions = [""]
        traces = heapq.merge(*(self._traces(from_ms, None, each) for each in conditions), key=lambda info: info.at_ms)
        whole = (info for info in _once(traces) if info.is_whole)
        held = (Found(info) for info in whole if self._may_hold(info) or any(map(session_of, info.assessments)))
        for found in itertools.chain(held, (run for run in self._runs(from_ms) if run.info.is_whole)):
            if any(row.get("assessment_name") in names for row in found.info.assessments):
                yield found

    def in_session(self, session: str, from_ms: int = 0) -> Iterator[Found]:
        """Finished traces of one session that may hold decisions."""
        condition = "" if "'" in session else f"request_metadata.`{SESSION_OF_TRACE}` = '{session}'"
        infos = (info for info in self._traces(from_ms, None, condition) if info.attributes.get(SESSION) == session)
        return (Found(info) for info in infos if info.is_whole and self._may_hold(info))

    def with_spans(self, found: Iterable[Found]) -> Iterator[tuple[Found, Sequence[Span]]]:
        """Each with its spans that have one of the names, in the given order. Of one that cannot be read there is one
        in which nothing is said, so that it is counted."""
        for each, trace in self.with_traces(found):
            if each.decision is not None:
                yield each, [each.decision]
            elif trace is UNREADABLE:
                yield each, [unread(each.info, self._names[0])]
            else:
                found_spans = spans_named(trace, each.info, self._names)
                yield each, [with_tree(span, trace) if self._stream.is_orchestration else span for span in found_spans]

    def holding(self, found: Iterable[Found]) -> Iterator[Found]:
        """Those that hold a decision of the stream; the order is another one."""
        unsure = list[Found]()
        for each in found:
            head = each.decision or each.info.head
            if each.decision is None and not self._tells(each.info):
                unsure.append(each)
            elif self._is_decision(head):
                yield each
            if len(unsure) == TRACES_AT_ONCE:
                yield from self._holding_by_spans(unsure)
                unsure = []
        yield from self._holding_by_spans(unsure)

    def _holding_by_spans(self, found: Sequence[Found]) -> Iterator[Found]:
        return (each for each, spans in self.with_spans(found) if any(map(self._is_decision, spans)))

    def _tells(self, info: TraceInfo) -> bool:
        """Whether the trace itself tells all that makes its first span a decision of this stream, or of none."""
        binding, bound = self._stream.binding, self._stream.bound
        if info.name not in self._names or (bound and bound.signature):
            return False
        key = binding.tenant_key if binding else None
        return key is None or key == SESSION or is_of_decision(key)

    def _is_decision(self, span: Span) -> bool:
        return is_decision(span, self._stream)

    def with_decisions(self, found: Iterable[Found]) -> Iterator[tuple[Found, Decisions]]:
        """Each with what tells the decision that an assessment is of."""
        for each, trace in self.with_traces(found):
            yield each, Decisions(trace, each.info, self._names)

    def with_traces(self, found: Iterable[Found]) -> Iterator[tuple[Found, TraceRow]]:
        """Each with its whole trace; a run has an empty one. What is gone, or not stored to its end, is left out."""
        waiting = iter(found)
        while batch := list(islice(waiting, TRACES_AT_ONCE)):
            traces = self._whole([each.info.id for each in batch if not (each.decision or each.info.is_in_file)])
            for each in batch:
                if each.decision is not None:
                    yield each, {"spans": ()}
                elif (trace := traces.get(each.info.id) or self._in_file(each.info)) is not None:
                    yield each, trace

    def _in_file(self, info: TraceInfo) -> TraceRow | None:
        """A trace whose spans are in a file, which the pages' own route reads; None where it is not there."""
        if not info.is_in_file:
            return None
        try:
            found = self._http.get(FILE_OF_TRACE, {"request_id": info.id}, ANSWER_BYTES)
        except TooLarge:
            return UNREADABLE
        except (NotFound, ServerRefused):
            return None
        return {"spans": cast(Sequence[SpanRow], objects(found, "spans", FILE_OF_TRACE))}

    def _may_hold(self, info: TraceInfo) -> bool:
        return not info.is_of_module or info.name in self._names

    def _traces(self, from_ms: int, until_ms: int | None, condition: str = "") -> Iterator[TraceInfo]:
        search = _Search(TRACES, traces_of(self.id, "ASC"), "traces", "timestamp_ms", condition)
        for rows in search.pages(self._http, from_ms, until_ms, lambda row: info_of(row).at_ms):
            yield from map(info_of, rows)

    def _runs(self, from_ms: int, until_ms: int | None = None) -> Iterator[Found]:
        """Those of the older convention, where the stream is bound: a program has the name there that its class has in
        a trace."""
        if self._stream.bound is None or self._stream.is_orchestration:
            return
        body: Body = {"experiment_ids": [self.id], "order_by": ["attributes.start_time ASC"]}
        own = f"tags.{PROGRAM_TAG} = '{self._stream.bound.span}'"
        search = _Search(f"{V2}/runs/search", body, "runs", "attributes.start_time", own)
        for rows in search.pages(self._http, from_ms, until_ms, lambda row: decision_of(row)[0].at_ms):
            yield from (Found(*decision_of(row)) for row in rows)

    def _whole(self, ids: Sequence[str]) -> dict[str, TraceRow]:
        """Traces with all their spans, by id; without those that are gone or not finished.

        MLflow answers all or nothing, so that one that it cannot read is found by asking for fewer.
        """
        if not ids:
            return {}
        path = f"{V3}/traces/batchGet"
        try:
            answer = self._http.get(path, {"trace_ids": list(ids)}, ANSWER_BYTES)
        except RateLimited:
            raise
        except Unavailable as error:  # too large an answer is one
            if len(ids) > 1:
                half = len(ids) // 2
                return self._whole(ids[:half]) | self._whole(ids[half:])
            if isinstance(error, TooLarge) or self._has_answered:
                return {ids[0]: UNREADABLE}
            raise
        found = objects(answer, "traces", path)
        self._has_answered = self._has_answered or bool(found)
        return {text(member(row, "trace_info", path), "trace_id", path): cast(TraceRow, row) for row in found}


def _once(found: Iterable[TraceInfo]) -> Iterator[TraceInfo]:
    """Of traces in order of time, which several searches found, each once."""
    at_ms, seen = -1, set[str]()
    for info in found:
        if info.at_ms != at_ms:
            at_ms, seen = info.at_ms, set()
        if info.id not in seen:
            seen.add(info.id)
            yield info


@dataclass(frozen=True)
class _Search:
    """Rows in order of time, page by page.

    MLflow's own pages are offsets, which move when rows come or go. So each page begins at the time of the last row of
    the one before; MLflow's token is followed only where a whole page began in one millisecond.
    """

    path: str
    body: Body
    rows: str
    time: str
    condition: str = ""

    def pages(
        self, http: MlflowHttp, from_ms: int, until_ms: int | None, at_ms: Callable[[Mapping[str, Any]], int]
    ) -> Iterator[list[Mapping[str, Any]]]:
        token, edge = None, set[str]()
        while True:
            answer = http.post(self.path, self._asked(from_ms, until_ms, token))
            found = objects(answer, self.rows, self.path)
            yield [row for row in found if _id(row) not in edge]
            token = answer.get("next_page_token")
            if not token or not found:
                return
            last_ms = at_ms(found[-1])
            if last_ms > from_ms:
                from_ms, token, edge = last_ms, None, set()
            edge |= {_id(row) for row in found if at_ms(row) == last_ms}

    def _asked(self, from_ms: int, until_ms: int | None, token: str | None) -> Body:
        conditions = [self.condition] if self.condition else []
        conditions.append(f"{self.time} >= {from_ms}")
        if until_ms is not None:
            conditions.append(f"{self.time} < {until_ms}")
        page = {"page_token": token} if token else {}
        return {**self.body, "filter": " AND ".join(conditions), "max_results": PAGE_ROWS, **page}


def _id(row: Mapping[str, Any]) -> str:
    return str(row.get("trace_id") or row.get("info", {}).get("run_id"))
