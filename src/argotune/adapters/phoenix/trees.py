"""Trees: the spans of orchestrated requests' traces, as far as they tell of agents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from argotune.adapters.phoenix.annotations import TRACE_IDS_AT_ONCE
from argotune.adapters.phoenix.connection import PhoenixHttp
from argotune.adapters.phoenix.forms import expression, labelled_row
from argotune.adapters.phoenix.query import MAX_ROWS, Query, Row, read
from argotune.adapters.phoenix.reader import PAGE_ROWS, ModuleSpans
from argotune.adapters.phoenix.spans import parsed, text_in, time_of
from argotune.data.spans import AGENT_NAMES, MOST_TREE_SPANS, TREE_KINDS, Span, TreeSpan, agent_named

Trees = Mapping[str, Sequence[TreeSpan]]
"""Spans of each trace."""

_COLUMNS = {
    "name": "name",
    "kind": "span_kind",
    "parent": "parent_id",
    "started": "start_time",
    "ended": "end_time",
    "trace": "trace_id",
    **{name: expression(name) for name in AGENT_NAMES},
}


def trees_of(http: PhoenixHttp, spans: ModuleSpans, traces: Sequence[str]) -> Trees:
    """The spans of some traces, one more than MOST_TREE_SPANS of each at most. Raises what PhoenixHttp raises."""
    found: dict[str, list[TreeSpan]] = {}
    for start in range(0, len(traces), TRACE_IDS_AT_ONCE):
        for trace_id, span in _read(http, spans, list(traces[start : start + TRACE_IDS_AT_ONCE])):
            of_trace = found.setdefault(trace_id, [])
            if len(of_trace) <= MOST_TREE_SPANS + 1:  # the root is among them
                of_trace.append(span)
    return found


def in_tree(span: Span, trees: Trees) -> Span:
    """The root of a request with the other spans of its trace."""
    others = (each for each in trees.get(span.trace_id or "", ()) if each.span_id != span.span_id)
    return replace(span, tree=tuple(islice(others, MOST_TREE_SPANS + 1)))


def _read(http: PhoenixHttp, spans: ModuleSpans, traces: list[str]) -> Iterable[tuple[str, TreeSpan]]:
    """By the query route where that answers and its answer holds all of them; else by pages."""
    condition = f"trace_id in {traces!r} and span_kind in {list(TREE_KINDS)!r}"
    table = spans.by_query(lambda: read(http, Query(spans.project_name, condition, _COLUMNS)))
    if table is not None:
        return [parsed(_of_query, row) for row in table]
    if len(traces) > 1:
        half = len(traces) // 2
        return [*_read(http, spans, traces[:half]), *_read(http, spans, traces[half:])]
    rows = islice(spans.rows_of({"trace_id": traces}, PAGE_ROWS), MAX_ROWS)
    return [parsed(_of_row, row) for row in rows if row.get("span_kind") in TREE_KINDS]


def _of_row(row: Row) -> tuple[str, TreeSpan]:
    return _of_query({**labelled_row(row), **{name: row["attributes"].get(name) for name in AGENT_NAMES}})


def _of_query(row: Row) -> tuple[str, TreeSpan]:
    named = agent_named(row)
    return text_in(row["trace"]), TreeSpan(
        span_id=text_in(row["span_id"]),
        parent_id=text_in(row["parent"]) if row["parent"] else None,
        name=text_in(row["name"]),
        kind=str(row["kind"]),
        started_at=time_of(row["started"]),
        ended_at=time_of(row["ended"]) if row["ended"] else None,
        agent=named and text_in(named),
    )
