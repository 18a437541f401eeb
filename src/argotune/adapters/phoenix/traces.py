"""Traces in Arize Phoenix: reading spans and annotations of a tenant's project, and writing them for demo and tests.

The span contract is docs/traces.md. Speaks to the REST and GraphQL routes of Phoenix 20; its own client is not used,
because importing it takes half a second.
"""

from __future__ import annotations

import secrets
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from argotune.adapters.json_http import Body
from argotune.adapters.phoenix.annotations import annotation_body, annotations_on
from argotune.adapters.phoenix.beside import AnnotationsBeside
from argotune.adapters.phoenix.bound import BoundSpans
from argotune.adapters.phoenix.connection import PhoenixHttp
from argotune.adapters.phoenix.forms import form_of
from argotune.adapters.phoenix.place import Place, place_of
from argotune.adapters.phoenix.reader import (
    PAGE_ROWS,
    ModuleSpans,
    Project,
    QueryRoutes,
)
from argotune.adapters.phoenix.spans import row_id_of
from argotune.adapters.phoenix.writer import WRITE_ROWS, SpanWriter, project_missing
from argotune.adapters.project_names import project_name, tenant_of
from argotune.data.annotations import Annotation
from argotune.data.cursor import Cursor
from argotune.data.source import SpanRead
from argotune.data.spans import Json, Span
from argotune.data.stream import Stream
from argotune.errors import BadAnswer, Corrupt, NotFound
from argotune.errors.lines import told
from argotune.stats.wording import counted
from argotune.tenants.binding import TraceProject

_COUNT = """query($name: String!, $first: Int!, $after: String, $condition: String, $times: TimeRange) {
  getProjectByName(name: $name) {
    spans(first: $first, after: $after, filterCondition: $condition, timeRange: $times) {
      edges { cursor }
      pageInfo { hasNextPage endCursor }
    }
  }
}"""


_SPAN = """query($id: String!) { getSpanByOtelId(spanId: $id) { id project { name } } }"""


_COUNT_LABELS = """query($name: String!, $answer: String!, $condition: String, $times: TimeRange) {
  getProjectByName(name: $name) {
    spanAnnotationSummary(annotationName: $answer, filterCondition: $condition, timeRange: $times) { labelCount }
  }
}"""


_PROJECTS = """query($first: Int!, $after: String) {
  projects(first: $first, after: $after) { edges { node { name endTime } } pageInfo { hasNextPage endCursor } }
}"""


class PhoenixTraces:
    """TraceSource and TraceSink on one Phoenix server.

    Overlong texts in attributes are cut to `spans.CUT_LENGTH` characters; NUL bytes and lone surrogates are
    taken out.
    """

    def __init__(
        self,
        http: PhoenixHttp,
        prefix: str,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._http, self._prefix, self._clock = http, prefix, clock
        self._routes = QueryRoutes()
        self._writer = SpanWriter(http, self._routes, sleep)

    def spans_after(self, stream: Stream, cursor: Cursor | None, since: datetime | None = None) -> Iterator[SpanRead]:
        """Spans of a stream behind a cursor, in order of row id, in constant memory.

        The first read (no cursor, and `since` given) takes a route that is several times as fast and does not tell row
        ids: of its spans the last one alone has a cursor, behind all there were when reading began, and they hold
        `routing.*` and `input.value` only. Spans that arrive meanwhile may come again later: leave out span ids that
        are known. Raises Corrupt for a cursor that Phoenix did not give.
        """
        place = _place(cursor)
        with self._spans(stream) as spans:
            bound = BoundSpans(self._http, spans, stream, self._clock) if stream.reads_around else None
            if since is not None and not place.row_id:
                yield from (bound or spans).at_once(since)
            else:
                yield from bound.after(place, since) if bound else spans.after(place.row_id, since)

    def count_after(
        self,
        stream: Stream,
        cursor: Cursor | None,
        limit: int,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> int:
        """The number of a stream's spans behind a cursor that started in [since, until), `limit` at most. Reads ids
        only, through GraphQL."""
        if stream.reads_around:
            with self._spans(stream, is_light=True) as spans:
                return BoundSpans(self._http, spans, stream, self._clock).count(_place(cursor), since, until, limit)
        name, condition = self._project_of(stream), form_of(stream, self._prefix).condition
        row_id = _place(cursor).row_id
        count, after = 0, b64encode(str(row_id).encode()).decode() if row_id else None
        while count < limit:
            first = min(PAGE_ROWS, limit - count)
            page: Body = {"first": first, "after": after, "condition": condition, "times": _times(since, until)}
            found, after = _counted(self._project(name, _COUNT, page))
            count += found
            if after is None:
                break
        return count

    def holds(self, stream: Stream, cursor: Cursor) -> bool:
        """Whether the stream's project holds the cursor's span in the row in which it was. One GraphQL query."""
        place = place_of(cursor)
        if place is None or not place.span_id:
            return place is not None
        row_id = self._row_of(self._project_of(stream), place.span_id)
        return row_id is not None and place.span_row in (0, row_id)

    def _row_of(self, project: str, span_id: str) -> int | None:
        span = self._http.graphql("getSpanByOtelId", _SPAN, {"id": span_id})
        if span is None:
            return None
        try:
            is_here = span["project"]["name"] == project
            return row_id_of(span["id"]) if is_here else None
        except (KeyError, TypeError, ValueError) as error:
            raise BadAnswer(told(f"Phoenix: graphql: a span is not as documented: {error!r}")) from error

    def newest(self, bound: Mapping[str, TraceProject]) -> dict[str, datetime]:
        """When the newest trace of each tenant ended, by the projects' names; Phoenix rounds up to the minute."""
        ends = dict(self._ends())
        found = {tenant_id: end for name, end in ends.items() if (tenant_id := tenant_of(self._prefix, name))}
        for tenant_id, place in bound.items():
            if end := ends.get(place.project):
                found[tenant_id] = max(end, found.get(tenant_id, end))
        return found

    def _ends(self) -> Iterator[tuple[str, datetime]]:
        """Each project that has traces, and when its newest one ended."""
        after: str | None = None
        while True:
            page = self._http.graphql("projects", _PROJECTS, {"first": PAGE_ROWS, "after": after})
            rows, after = _projects(page)
            yield from ((name, ended_at) for name, ended_at in rows if ended_at)
            if after is None:
                return

    def annotations(self, stream: Stream, names: Sequence[str], since: datetime) -> Iterator[Annotation]:
        """Annotations that say something under one of the names, on a stream's spans that started at `since` or
        later."""
        if not names:
            return
        with self._spans(stream, is_light=True) as spans:
            if stream.binding is not None:
                yield from self._beside(spans, stream).found(names, since)
                return
            for span_ids in spans.annotated(names, since):
                yield from annotations_on("span", span_ids, names, self._http, spans.project_path)

    def _beside(self, spans: ModuleSpans, stream: Stream) -> AnnotationsBeside:
        bound = BoundSpans(self._http, spans, stream, self._clock)
        form = form_of(stream, self._prefix, is_light=True)
        return AnnotationsBeside(self._http, spans, bound, form, stream)

    def count_labels(self, stream: Stream, names: Sequence[str], since: datetime | None = None) -> int:
        """The number of labels on a stream's spans since then under the name that has the most. One GraphQL query a
        name."""
        name, count = self._project_of(stream), 0
        # Phoenix keeps a summary for an hour under the text of its condition: a new text is counted anew.
        condition = f"{form_of(stream, self._prefix).condition} and span_id != {secrets.token_hex(8)!r}"
        for answer in names:
            variables: Body = {"answer": answer, "condition": condition, "times": _times(since)}
            count = max(count, _label_count(self._project(name, _COUNT_LABELS, variables)))
        return count

    def _project(self, name: str, query: str, variables: Body) -> Any:
        """What Phoenix says of a project. Raises ProjectMissing."""
        project = self._http.graphql("getProjectByName", query, {"name": name, **variables})
        if project is None:
            raise project_missing(name)
        return project

    def ping(self) -> str:
        """Phoenix's version, when it can be reached and takes our key."""
        return self._http.version()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def record(self, tenant_id: str, spans: Sequence[Span], project: TraceProject | None = None) -> None:
        """Send spans, 500 at a time, and wait until they can be read back; the project is made when it is missing.

        Spans that are there already stay as they are. Raises Unavailable when spans do not arrive: Phoenix drops
        without a word what it cannot store, and puts a trace id that another project has into that project.
        """
        self._writer.send(project.project if project else project_name(self._prefix, tenant_id), spans)

    def annotate(self, stream: Stream, annotations: Sequence[Annotation]) -> None:
        """Upsert annotations by (span, name, identifier), 500 at a time; Phoenix sets their time.

        Raises NotFound when a span is not in the stream's project: Phoenix itself would look into all projects.
        """
        name = self._project_of(stream)
        for start in range(0, len(annotations), WRITE_ROWS):
            batch = annotations[start : start + WRITE_ROWS]
            span_ids = {annotation.span_id for annotation in batch}
            absent = span_ids - self._writer.present(name, span_ids)
            if absent:
                are = counted(len(absent), "span is", "spans are")
                raise NotFound(f"Phoenix: {are} not in project {name!r}, e.g. {min(absent)!r}")
            data: list[Json] = [annotation_body(annotation) for annotation in batch]
            self._http.post("v1/span_annotations", {"data": data}, {"sync": "true"})

    @contextmanager
    def _spans(self, stream: Stream, *, is_light: bool = False) -> Iterator[ModuleSpans]:
        """A stream's spans. ProjectMissing when there is no project, or when it vanishes while we read."""
        name = self._project_of(stream)
        project_id = self._http.project_id(name)
        if project_id is None:
            raise project_missing(name)
        try:
            form = form_of(stream, self._prefix, is_light=is_light)
            yield ModuleSpans(self._http, Project(name, project_id), form, self._routes)
        except NotFound as error:
            raise project_missing(name) from error

    def _project_of(self, stream: Stream) -> str:
        return stream.binding.project if stream.binding else project_name(self._prefix, stream.tenant_id)


def _place(cursor: Cursor | None) -> Place:
    """How far was read, row 0 where nothing was. Raises Corrupt."""
    place = place_of(cursor) if cursor else Place(0, 0, "")
    if place is None:
        raise Corrupt(f"the cursor {cursor or ''!r:.80} is none of Phoenix's")
    return place


def _times(since: datetime | None, until: datetime | None = None) -> dict[str, str]:
    """GraphQL's TimeRange from `since` on, without `until`."""
    return {name: at.isoformat() for name, at in (("start", since), ("end", until)) if at is not None}


def _counted(project: Any) -> tuple[int, str | None]:
    """The number of rows in a page of a GraphQL connection, and the cursor of the next one."""
    try:
        spans = project["spans"]
        following = spans["pageInfo"]["endCursor"] if spans["pageInfo"]["hasNextPage"] else None
        return len(spans["edges"]), following
    except (KeyError, TypeError) as error:
        raise BadAnswer(f"Phoenix: graphql: a page of spans has no {error}") from error


def _label_count(project: Any) -> int:
    try:
        summary = project["spanAnnotationSummary"]
        return int(summary["labelCount"]) if summary else 0
    except (KeyError, TypeError, ValueError) as error:
        raise BadAnswer(told(f"Phoenix: graphql: a summary of annotations is not as documented: {error!r}")) from error


def _projects(page: Any) -> tuple[list[tuple[str, datetime | None]], str | None]:
    """Name and end of each project in a page, and the cursor of the next page. Raises BadAnswer."""
    try:
        nodes = [edge["node"] for edge in page["edges"]]
        ends = [datetime.fromisoformat(node["endTime"]) if node["endTime"] else None for node in nodes]
        following = page["pageInfo"]["endCursor"] if page["pageInfo"]["hasNextPage"] else None
        return [(node["name"], end) for node, end in zip(nodes, ends, strict=True)], following
    except (KeyError, TypeError, ValueError) as error:
        raise BadAnswer(told(f"Phoenix: graphql: a page of projects is not as documented: {error!r}")) from error
