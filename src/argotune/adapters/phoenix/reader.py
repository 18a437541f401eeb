"""The spans of one module in one Phoenix project, by two routes: in pages by row id, or at once by windows of time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeGuard, TypeVar

from argotune.adapters.json_http import Body, Params, TooLarge, TooSlow, segment
from argotune.adapters.phoenix.annotations import is_said
from argotune.adapters.phoenix.connection import PhoenixHttp, rows
from argotune.adapters.phoenix.forms import Form
from argotune.adapters.phoenix.place import Place
from argotune.adapters.phoenix.query import FILL, MAX_ROWS, Query, Table, Traffic, Window, windows
from argotune.adapters.phoenix.spans import is_split, page_cursor, place_of_row
from argotune.data.cursor import Cursor
from argotune.data.source import SpanRead
from argotune.data.spans import Span
from argotune.errors import BadAnswer, RateLimited, Unavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

PAGE_ROWS = 1000

PAGE_BYTES = 16 * 2**20
"""A page that is longer is asked for again with fewer rows."""

FIRST_PAGE_ROWS = 125
"""Pages grow from here, so that a project of giant spans does not begin with a giant answer."""

_TRAFFIC = """query($name: String!, $times: TimeRange!, $condition: String) {
  getProjectByName(name: $name) {
    startTime
    endTime
    recordCount(timeRange: $times, filterCondition: $condition)
  }
}"""


LEFT_ALONE_S = 600.0
"""A query route that did not answer is not asked again for so long: a pass reads a project a dozen times."""


@dataclass
class QueryRoutes:
    """Which projects' query routes are worth asking, by what was seen of them. Shared by all readings of a process."""

    _left_until_s: dict[str, float] = field(default_factory=dict)

    def is_worth_asking(self, project: str) -> bool:
        return time.monotonic() >= self._left_until_s.get(project, 0.0)

    def leave(self, project: str, why: Exception) -> None:
        """Read by pages from here on, for a while."""
        log.warning("%s: reading %r by pages, which is slower", why, project)
        self._left_until_s[project] = time.monotonic() + LEFT_ALONE_S


@dataclass(frozen=True)
class Project:
    """A Phoenix project. Paths take the id, as names may hold a slash; queries take the name."""

    name: str
    id: str


class ModuleSpans:
    """The spans of one form in one project. Raises what PhoenixHttp raises."""

    def __init__(self, http: PhoenixHttp, project: Project, form: Form, routes: QueryRoutes) -> None:
        self._http, self._project, self._form, self._routes = http, project, form, routes
        self.project_path = f"v1/projects/{segment(project.id)}"
        self._path = f"{self.project_path}/spans"

    @property
    def project_name(self) -> str:
        return self._project.name

    @property
    def is_worth_querying(self) -> bool:
        """Whether the query route answers."""
        return self._routes.is_worth_asking(self._project.name)

    def by_query(self, ask: Callable[[], T | None]) -> T | None:
        """What the query route is asked for, None where that is to be read by pages: its answer cannot hold it, or the
        route does not answer. Raises RateLimited."""
        if not self.is_worth_querying:
            return None
        try:
            return ask()
        except RateLimited:
            raise
        except Unavailable as error:
            self._routes.leave(self._project.name, error)
            return None

    def rows_of(self, params: Params, page: int) -> Iterator[Mapping[str, Any]]:
        """All rows of the paged route that meet its parameters, of whatever form."""
        return self._http.pages(self._path, params, page)

    def first_row(self, since: datetime) -> int | None:
        """The lowest row of a span that started at `since` or later, None without one."""
        return next((place.row_id for place, _ in self._paged(since=since)), None)

    def after(self, row_id: int, since: datetime | None) -> Iterator[SpanRead]:
        """Spans with a higher row id that started at `since` or later, in order of row id."""
        return (SpanRead(span, place.cursor) for place, span in self._paged(row_id, since))

    def _paged(
        self, row_id: int = 0, since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[tuple[Place, Span]]:
        """Spans with a higher row id that started in [since, until), in order of row id; a page is in memory."""
        times = {"start_time": since, "end_time": until}
        params = {name: time.isoformat() for name, time in times.items() if time is not None}
        for page in self._pages({**params, "sort": "id", "order": "asc"}, row_id):
            for row in page:
                place, span = place_of_row(row), self._form.of_row(row)
                if place.row_id <= row_id:
                    raise BadAnswer(f"Phoenix: row {place.row_id} follows row {row_id}")
                row_id = place.row_id
                yield place, span

    def at_once(self, since: datetime) -> Iterator[SpanRead]:
        """All spans that started at `since` or later, the last one with a cursor behind all there were to begin with.

        What the query route gives has no cursor; its `attributes` hold at least `routing.*` and `input.value`. What it
        cannot give comes by pages, at the end with a cursor each, so that a reading that is broken off can go on. Spans
        that come while this reads may be among them, and will be found behind the last cursor again.
        """
        newest = self._newest()
        held: SpanRead | None = None
        for read in self._in_windows(since, newest):
            if held is not None:
                yield held
            held = read
        if held is not None:
            yield SpanRead(held.span, newest.cursor if newest else None)

    def between(self, since: datetime, until: datetime | None, about: int) -> Iterator[Span]:
        """Spans that started in [since, until), for whoever needs about so many: few more come at a time."""
        rows = min(FILL * MAX_ROWS, max(2 * about, PAGE_ROWS))
        form = self._form
        for window, table in self.in_windows(form.condition, form.columns, Window(since, until), rows):
            if self._is_whole(table):
                yield from map(form.of_query, table)
            else:
                yield from (span for _, span in self._paged(since=window.start, until=window.end))

    def _in_windows(self, since: datetime, newest: Place | None) -> Iterator[SpanRead]:
        form = self._form
        for window, table in self.in_windows(form.condition, form.columns, Window(since)):
            if self._is_whole(table):
                yield from (SpanRead(form.of_query(row), None) for row in table)
            elif window.end is None:
                found = self._paged(since=window.start)
                yield from (SpanRead(span, _cursor_up_to(newest, place)) for place, span in found)
            else:
                yield from (SpanRead(span, None) for _, span in self._paged(since=window.start, until=window.end))

    def _is_whole(self, table: Table | None) -> TypeGuard[Table]:
        """Whether a window's rows hold all that is asked of them."""
        return table is not None and not (self._form.may_be_split and any(is_split(row) for row in table))

    def annotated(self, names: Sequence[str], since: datetime) -> Iterator[list[str]]:
        """Ids of spans that started at `since` or later and have an annotation under one of the names, in lists."""
        condition, columns = f"{self._form.condition} and ({is_said('span', names)})", {"status": "status_code"}
        for window, table in self.in_windows(condition, columns, Window(since)):
            if table is None:
                found = self._paged(since=window.start, until=window.end)
                yield from _ids_in_lists(span for _, span in found)
            else:
                yield list(dict.fromkeys(str(row["span_id"]) for row in table))

    def _pages(self, params: Params, row_id: int) -> Iterator[Sequence[Mapping[str, Any]]]:
        size, most = FIRST_PAGE_ROWS, PAGE_ROWS
        cursor = page_cursor(row_id + 1) if row_id else None
        while True:
            asked = {**params, **self._form.filters, "limit": size, **({"cursor": cursor} if cursor else {})}
            try:
                answer = self._http.get(self._path, asked, PAGE_BYTES if size > 1 else None)
            except TooLarge as error:
                size = max(1, size // 8)
                most = size if isinstance(error, TooSlow) else most  # a slow server would only be waited for again
                continue
            yield rows(answer, self._path)
            cursor = answer.get("next_cursor")
            if not cursor:
                return
            size = min(most, size * 2)

    def in_windows(
        self, condition: str, columns: Mapping[str, str], whole: Window, rows: float = FILL * MAX_ROWS
    ) -> Iterator[tuple[Window, Table | None]]:
        """A stretch of time as windows with their rows, `rows` in the first one or so, None for a window that must be
        read by pages."""
        query, rest = Query(self._project.name, condition, columns), whole
        if not self.is_worth_querying:
            yield rest, None
            return
        try:
            for window, table in windows(self._http, query, self._traffic(condition, whole), whole, rows):
                yield window, table
                rest = replace(rest, start=window.end or whole.start)
        except RateLimited:
            raise
        except Unavailable as error:
            self._routes.leave(self._project.name, error)
            yield rest, None

    def _newest(self) -> Place | None:
        """The highest row in the project, None without spans. Not that of our spans alone, which takes a search."""
        found = rows(self._http.get(self._path, {"sort": "id", "order": "desc", "limit": 1}), self._path)
        return place_of_row(found[0]) if found else None

    def _traffic(self, condition: str, whole: Window) -> Traffic:
        times = {"start": whole.start.isoformat(), **({"end": whole.end.isoformat()} if whole.end else {})}
        variables: Body = {"name": self._project.name, "times": times, "condition": condition}
        project = self._http.graphql("getProjectByName", _TRAFFIC, variables)
        try:
            start, end = (
                datetime.fromisoformat(project[name] or whole.start.isoformat()) for name in ("startTime", "endTime")
            )
            start = max(start, whole.start)
            return Traffic(project["recordCount"] + 0, start, max(start, min(end, whole.end or end)))
        except (KeyError, TypeError, ValueError) as error:
            raise BadAnswer(f"Phoenix: graphql: recordCount, startTime or endTime: {error!r}") from error


def _cursor_up_to(newest: Place | None, place: Place) -> Cursor | None:
    """Behind the place, but not behind what was the newest one when reading began."""
    return min(place, newest, key=lambda each: each.row_id).cursor if newest else None


def _ids_in_lists(spans: Iterator[Span]) -> Iterator[list[str]]:
    found: list[str] = []
    for span in spans:
        found.append(span.span_id)
        if len(found) == PAGE_ROWS:
            yield found
            found = []
    yield found
