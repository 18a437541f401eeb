"""What is in a Phoenix project before anything is bound to it: its newest modules' spans, annotations and counts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from argotune.adapters.json_http import Body, TooLarge, segment
from argotune.adapters.phoenix.annotations import Kind, annotations_on, is_said
from argotune.adapters.phoenix.below import signatures_below
from argotune.adapters.phoenix.bound import BEGINNING
from argotune.adapters.phoenix.connection import PhoenixHttp, rows
from argotune.adapters.phoenix.forms import named, whole_of_row
from argotune.adapters.phoenix.query import Query, Row, read_whole
from argotune.adapters.phoenix.sessions import annotated_sessions
from argotune.adapters.phoenix.spans import text_in
from argotune.data.ancestry import Find, Link, placed
from argotune.data.annotations import Annotation
from argotune.data.found_programs import OF_DSPY, class_of
from argotune.data.openinference import KIND, is_outermost
from argotune.data.spans import Ancestor, Json, Span
from argotune.errors import BadAnswer, NotFound, ProjectMissing
from argotune.errors.lines import told
from argotune.tenants.binding import TraceProject

MODULES = "span_kind == 'CHAIN' and ('.forward' in name or '.aforward' in name) and '(' not in name"
"""In Phoenix's query language; `data.openinference.is_module` is what is meant."""

AT_ONCE = 500
"""Spans of which what is below them is asked in one request a level."""

WHOLE_AT_ONCE = 100
"""Spans of which all is asked in one request."""

ANSWER_BYTES = 16 * 2**20

SHORT = 200
"""Longer texts on what lies above a span are left out."""

MOST_NAMES = 50
"""So many names of annotations, and of projects, are looked at."""

_NEWEST = """query($name: String!, $first: Int!, $after: String, $condition: String) {
  getProjectByName(name: $name) {
    spans(first: $first, after: $after, filterCondition: $condition, sort: {col: startTime, dir: desc}) {
      edges { node { spanId context { traceId } } }
      pageInfo { hasNextPage endCursor }
    }
  }
}"""

_COUNT = """query($name: String!, $condition: String) {
  getProjectByName(name: $name) { recordCount(filterCondition: $condition) }
}"""

_ANNOTATIONS = """query($name: String!) {
  getProjectByName(name: $name) { spanAnnotationNames traceAnnotationNames sessionAnnotationNames }
}"""

_PROJECTS = "query($first: Int!) { projects(first: $first) { edges { node { name } } } }"


class PhoenixSurvey:
    """ProjectSurvey on one Phoenix server."""

    def __init__(self, http: PhoenixHttp) -> None:
        self._http = http

    def count_spans(self, place: TraceProject, names: Sequence[str] = ()) -> int | None:
        """Phoenix's own count of all, or of those with one of the names."""
        project = self._project(place, _COUNT, {"condition": named(names) if names else None})
        try:
            return int(project["recordCount"])
        except (KeyError, TypeError, ValueError) as error:
            raise _odd(error) from error

    def newest_modules(self, place: TraceProject, limit: int) -> Iterator[Span]:
        """By the time at which they started; a few hundred are in memory at once."""
        newest = (id for id, _ in self._newest(place, MODULES, limit))
        while ids := list(islice(newest, AT_ONCE)):
            spans = {span.span_id: span for span in self._whole(place, ids)}
            found = [each.span for each in placed((spans[id] for id in ids if id in spans), self._links(place))]
            unnamed = [span.span_id for span in found if is_outermost(span) and class_of(span) in OF_DSPY]
            asked = signatures_below(unnamed, lambda condition: self._query(place, condition))
            yield from (replace(span, signature=asked.get(span.span_id)) for span in found)

    def newest_remarks(self, place: TraceProject, limit: int) -> Iterator[Annotation]:
        """By the time at which their spans, or the spans of their traces, started, or in which their sessions came; of
        the first MOST_NAMES names."""
        project = self._project(place, _ANNOTATIONS, {})
        kinds: tuple[tuple[Kind, str], ...] = (
            ("span", "spanAnnotationNames"),
            ("trace", "traceAnnotationNames"),
            ("session", "sessionAnnotationNames"),
        )
        for kind, names in kinds:
            try:
                found = sorted(text_in(name) for name in project[names])
            except (KeyError, TypeError) as error:
                raise _odd(error) from error
            for name in found[:MOST_NAMES]:
                yield from islice(self._remarks(place, kind, name, limit), limit)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def _remarks(self, place: TraceProject, kind: Kind, name: str, limit: int) -> Iterator[Annotation]:
        if kind == "session":
            yield from self._remarks_on_sessions(place, name, limit)
            return
        newest = self._newest(place, is_said(kind, [name]), limit)
        ids = dict.fromkeys(span_id if kind == "span" else trace_id for span_id, trace_id in newest)
        yield from annotations_on(kind, list(ids), [name], self._http, self._path(place))

    def _remarks_on_sessions(self, place: TraceProject, name: str, limit: int) -> Iterator[Annotation]:
        path = self._path(place)
        newest = annotated_sessions(self._http, path, [name], BEGINNING, newest_first=True)
        ids = [each.session_id for each in islice(newest, limit)]
        yield from annotations_on("session", ids, [name], self._http, path)

    def _newest(self, place: TraceProject, condition: str, limit: int) -> Iterator[tuple[str, str]]:
        """Ids of the newest spans that meet a condition, with those of their traces."""
        after, left = None, limit
        while left > 0:
            variables = {"first": min(left, AT_ONCE), "after": after, "condition": condition}
            found, after = _page(self._project(place, _NEWEST, variables))
            yield from found[:left]
            left -= len(found)
            if after is None or not found:
                return

    def _whole(self, place: TraceProject, ids: Sequence[str]) -> Iterator[Span]:
        for start in range(0, len(ids), WHOLE_AT_ONCE):
            yield from map(whole_of_row, self._rows(place, ids[start : start + WHOLE_AT_ONCE]))

    def _rows(self, place: TraceProject, ids: Sequence[str]) -> list[Mapping[str, Any]]:
        """Halved until an answer is not too large; a span that alone is so is asked for all the same."""
        path = f"{self._path(place)}/spans"
        most = ANSWER_BYTES if len(ids) > 1 else None
        try:
            return rows(self._http.get(path, {"span_id": list(ids), "limit": len(ids)}, most), path)
        except TooLarge:
            if len(ids) == 1:
                raise
            half = len(ids) // 2
            return [*self._rows(place, ids[:half]), *self._rows(place, ids[half:])]

    def _links(self, place: TraceProject) -> Find:
        def find(ids: Collection[str]) -> dict[str, Link]:
            return {
                span.span_id: Link(
                    Ancestor(span.name, str(span.attributes[KIND]), _short(span.attributes)), span.parent_id
                )
                for span in self._whole(place, sorted(ids))
            }

        return find

    def _query(self, place: TraceProject, condition: str) -> Iterable[Row]:
        columns = {"name": "name", "parent": "parent_id", "started": "start_time"}
        return read_whole(self._http, Query(place.project, condition, columns), "what is below spans")

    def _project(self, place: TraceProject, query: str, variables: Body) -> Any:
        """What Phoenix says of a project. Raises ProjectMissing."""
        project = self._http.graphql("getProjectByName", query, {"name": place.project, **variables})
        if project is None:
            raise self._missing(place)
        return project

    def _path(self, place: TraceProject) -> str:
        id = self._http.project_id(place.project)
        if id is None:
            raise self._missing(place)
        return f"v1/projects/{segment(id)}"

    def _missing(self, place: TraceProject) -> ProjectMissing:
        try:
            edges = self._http.graphql("projects", _PROJECTS, {"first": MOST_NAMES})["edges"]
            there = ", ".join(repr(text_in(edge["node"]["name"])) for edge in edges)
        except (KeyError, TypeError, NotFound) as error:
            raise _odd(error) from error
        return ProjectMissing(told(f"Phoenix has no project {place.project!r}; there are: {there or 'none'}", 1000))


def _page(project: Any) -> tuple[list[tuple[str, str]], str | None]:
    try:
        spans = project["spans"]
        nodes = [edge["node"] for edge in spans["edges"]]
        found = [(text_in(node["spanId"]), text_in(node["context"]["traceId"])) for node in nodes]
        return found, spans["pageInfo"]["endCursor"] if spans["pageInfo"]["hasNextPage"] else None
    except (KeyError, TypeError) as error:
        raise _odd(error) from error


def _short(attributes: Mapping[str, Json]) -> dict[str, Json]:
    return {
        name: value
        for name, value in attributes.items()
        if isinstance(value, int | float) or (isinstance(value, str) and len(value) <= SHORT)
    }


def _odd(error: object) -> BadAnswer:
    return BadAnswer(told(f"Phoenix: graphql: a project is not as documented: {error!r}"))
