"""The spans of one module in one Phoenix project, by two routes: in pages by row id, or at once by windows of time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from argotune.adapters import phoenix_query, phoenix_spans
from argotune.adapters.phoenix_http import Params, PhoenixHttp, TooLarge, rows, segment
from argotune.errors import BadAnswer, RateLimited, Unavailable
from argotune.experiences import Span

PAGE_ROWS = 1000
PAGE_BYTES = 16 * 2**20
"""A page that is longer is asked for again with fewer rows."""

FIRST_PAGE_ROWS = 125
"""Pages grow from here, so that a project of giant spans does not begin with a giant answer."""

_RECORDS = """query($name: String!, $since: DateTime!, $condition: String) {
  getProjectByName(name: $name) { recordCount(timeRange: {start: $since}, filterCondition: $condition) }
}"""


@dataclass(frozen=True)
class Project:
    """A Phoenix project. Paths take the id, as names may hold a slash; queries take the name."""

    name: str
    id: str


class ModuleSpans:
    """The spans with one name in one project. Raises what PhoenixHttp raises."""

    def __init__(self, http: PhoenixHttp, project: Project, span_name: str) -> None:
        self._http, self._project, self._span_name = http, project, span_name
        self.project_path = f"v1/projects/{segment(project.id)}"
        self._path = f"{self.project_path}/spans"

    def paged(self, row_id: int = 0, since: datetime | None = None, until: datetime | None = None) -> Iterator[Span]:
        """Spans with a higher row id that started in [since, until), in order of row id; a page is in memory."""
        times = {"start_time": since, "end_time": until}
        params = {name: time.isoformat() for name, time in times.items() if time is not None}
        for page in self._pages({**params, "sort": "id", "order": "asc"}, row_id):
            for row in page:
                span = phoenix_spans.span_of_row(row)
                if span.row_id <= row_id:
                    raise BadAnswer(f"Phoenix: row {span.row_id} follows row {row_id}")
                row_id = span.row_id
                yield span

    def at_once(self, since: datetime) -> Iterator[Span]:
        """All spans that started at `since` or later, each with the highest row id there was at the beginning.

        Spans that come while this reads may be among them, and will be found behind that row id again. `attributes`
        holds at least `routing.*` and `input.value`. What the query route cannot give comes by pages.
        """
        newest = self._one("id", "desc")
        if newest is None:
            return
        for window, table in self._windows(self._condition, phoenix_spans.QUERY_COLUMNS, since):
            if table is None or any(phoenix_spans.is_split(row) for row in table):
                for span in self.paged(since=window.start, until=window.end):
                    yield replace(span, row_id=newest.row_id)
            else:
                for row in table:
                    yield phoenix_spans.span_of_query(row, newest.name, newest.row_id)

    def annotated(self, names: Sequence[str], since: datetime) -> Iterator[list[str]]:
        """Ids of spans that started at `since` or later and have a label under one of the names, in lists."""
        labels = " or ".join(f"annotations[{name!r}].label is not None" for name in names)
        columns = {"status": "status_code"}
        for window, table in self._windows(f"{self._condition} and ({labels})", columns, since):
            if table is None:
                yield [span.span_id for span in self.paged(since=window.start, until=window.end)]
            else:
                yield list(dict.fromkeys(str(row["span_id"]) for row in table))

    def _pages(self, params: Params, row_id: int) -> Iterator[Sequence[Mapping[str, Any]]]:
        size = FIRST_PAGE_ROWS
        cursor = phoenix_spans.page_cursor(row_id + 1) if row_id else None
        while True:
            asked = {**params, "name": self._span_name, "limit": size, **({"cursor": cursor} if cursor else {})}
            try:
                answer = self._http.get(self._path, asked, PAGE_BYTES if size > 1 else None)
            except TooLarge:
                size = max(1, size // 8)
                continue
            yield rows(answer, self._path)
            cursor = answer.get("next_cursor")
            if not cursor:
                return
            size = min(PAGE_ROWS, size * 2)

    def _windows(
        self, condition: str, columns: Mapping[str, str], since: datetime
    ) -> Iterator[tuple[phoenix_query.Window, phoenix_query.Table | None]]:
        """All time from `since` on as windows with their rows, None for a window that must be read by pages."""
        first, last = self._one("start_time", "asc", since), self._one("start_time", "desc", since)
        if first is None or last is None:
            return
        query = phoenix_query.Query(self._project.name, condition, columns)
        rest = phoenix_query.Window(first.started_at, last.started_at + timedelta(microseconds=1))
        try:
            expected = self._record_count(condition, since)
            for window, table in phoenix_query.windows(self._http, query, rest, expected):
                yield window, table
                rest = replace(rest, start=window.end)
        except RateLimited:
            raise
        except Unavailable:
            yield rest, None

    def _one(self, sort: str, order: str, since: datetime | None = None) -> Span | None:
        params: dict[str, str | int] = {"name": self._span_name, "sort": sort, "order": order, "limit": 1}
        params |= {"start_time": since.isoformat()} if since else {}
        found = rows(self._http.get(self._path, params), self._path)
        return phoenix_spans.span_of_row(found[0]) if found else None

    def _record_count(self, condition: str, since: datetime) -> int:
        variables = {"name": self._project.name, "since": since.isoformat(), "condition": condition}
        project = self._http.graphql("getProjectByName", _RECORDS, variables)
        count = project.get("recordCount") if isinstance(project, dict) else None
        if not isinstance(count, int):
            raise BadAnswer("Phoenix: graphql: recordCount is not a number")
        return count

    @property
    def _condition(self) -> str:
        return f"name == {self._span_name!r}"
