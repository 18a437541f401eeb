"""Phoenix's query route (POST v1/spans), read completely: it is ten times as fast as the paged one, but knows no pages.

It answers with at most `limit` rows in no order and does not say that there were more. So time is cut into windows
that hold fewer rows than the limit, as wide as the density of the traffic allows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from argotune.adapters.json_http import TooLarge, TooSlow
from argotune.adapters.phoenix.connection import PhoenixHttp
from argotune.data.spans import Json
from argotune.errors import BadAnswer

MAX_ROWS = 20_000
MAX_BYTES = 24 * 2**20
"""Each answer costs the server a look at every span of the project, so there should be few."""

FILL = 0.8
"""How full a window is meant to be."""

NARROWEST = timedelta(milliseconds=1)

MOST_TIMEOUTS = 2
"""So many answers that do not come in time are waited for: each costs the server the same look, however narrow."""

MOST_TOO_FULL = 40
"""More windows in a row than it takes to halve a century down to NARROWEST: a server that does not heed times."""

_SPAN_ID = "0_context.span_id"
_ROWS_BEGIN = '"data":['


Row = Mapping[str, Any]


@dataclass(frozen=True)
class Query:
    """What to read: a project by name, a filter, and labelled expressions of Phoenix's query language."""

    project: str
    condition: str
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Window:
    """A stretch of time, `start` included, `end` not. Without an end it goes on for ever."""

    start: datetime
    end: datetime | None = None


@dataclass(frozen=True)
class Traffic:
    """About how many rows there are and between which times. A server may tell this from memory and be behind."""

    rows: int
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Table:
    """One answer: a multipart text with a JSON table, whose rows are parsed one by one."""

    text: str

    @property
    def row_count(self) -> int:
        """The number of rows, or more where an attribute has a strange name."""
        return self.text.count(f'"{_SPAN_ID}":')

    @property
    def fullness(self) -> float:
        """The share of what one answer may hold."""
        return max(self.row_count / MAX_ROWS, len(self.text) / MAX_BYTES)

    def __iter__(self) -> Iterator[Row]:
        """Rows with the keys of `Query.columns` and `span_id`. Raises BadAnswer when there is no table."""
        decoder, at = json.JSONDecoder(), self.text.find(_ROWS_BEGIN) + len(_ROWS_BEGIN)
        try:
            while self.text[at] != "]":
                row, at = decoder.raw_decode(self.text, at)
                at += self.text[at] == ","
                yield {_label(column): value for column, value in row.items()}
        except (ValueError, IndexError, AttributeError, RecursionError) as error:
            raise BadAnswer(f"Phoenix: v1/spans: the answer is not a table: {self.text[:80]!r}") from error


def windows(
    http: PhoenixHttp, query: Query, traffic: Traffic, whole: Window, rows: float = FILL * MAX_ROWS
) -> Iterator[tuple[Window, Table | None]]:
    """A stretch of time cut into windows, each with all its rows; None for rows to be read in another way. The first
    one is meant to hold `rows`, each further one twice as many up to what is usual.

    Raises what PhoenixHttp raises, TooSlow among it, when windows that are less wide are no help.
    """
    width = (traffic.end - traffic.start) / max(1.0, traffic.rows / min(rows, FILL * MAX_ROWS))
    window: Window | None = _window(whole.start, traffic.start + width, traffic, whole.end)
    # The next window is on its way while the caller works on this one.
    with ThreadPoolExecutor(1) as ahead:
        patience = _Patience()
        coming = ahead.submit(read, http, query, window)
        while window is not None:
            busy_from = max(window.start, traffic.start)
            width, found = (window.end or traffic.end) - busy_from, patience.result(coming)
            if found is None and width > NARROWEST:
                window = Window(window.start, busy_from + max(width / 4, NARROWEST))
                coming = ahead.submit(read, http, query, window)
                continue
            following = _following(window, width, found, traffic, whole.end)
            if following is not None:
                coming = ahead.submit(read, http, query, following)
            yield window, found
            window = following


class _Patience:
    """Waits for answers, and gives the route up when it is of no use."""

    def __init__(self) -> None:
        self._timeouts = self._too_full = 0

    def result(self, coming: Future[Table | None]) -> Table | None:
        """The answer, None where less must be asked for. Raises TooSlow or TooLarge when that has not helped."""
        try:
            found = coming.result()
        except TooSlow:
            self._timeouts += 1
            if self._timeouts >= MOST_TIMEOUTS:
                raise
            return None
        self._too_full = self._too_full + 1 if found is None else 0
        if self._too_full > MOST_TOO_FULL:
            raise TooLarge(f"Phoenix: v1/spans: {self._too_full} windows of time in a row are too full")
        return found


def _window(start: datetime, end: datetime, traffic: Traffic, until: datetime | None) -> Window:
    return Window(start, end if end < (until or traffic.end) else until)


def _following(
    window: Window, width: timedelta, found: Table | None, traffic: Traffic, until: datetime | None
) -> Window | None:
    """The next window, as wide as this one would have been for the right number of rows."""
    if window.end == until or window.end is None:
        return None
    fullness = 1.0 if found is None else found.fullness
    wanted = width * min(2.0, FILL / max(fullness, 0.1))
    return _window(window.end, window.end + max(wanted, NARROWEST), traffic, until)


def read(http: PhoenixHttp, query: Query, window: Window | None = None) -> Table | None:
    """The rows of a window (None: of all time), None when there are more than one answer may hold. Raises TooSlow."""
    body: dict[str, Json] = {
        "queries": [
            {
                "select": {label: {"key": expression} for label, expression in query.columns.items()},
                "filter": {"condition": query.condition},
            }
        ],
        "limit": MAX_ROWS + 1,
    }
    if window is not None:
        body["start_time"] = window.start.isoformat()
    if window is not None and window.end is not None:
        body["end_time"] = window.end.isoformat()
    try:
        table = Table(http.post_for_text("v1/spans", body, {"project_name": query.project}, MAX_BYTES))
    except TooSlow:
        raise
    except TooLarge:
        return None
    if _ROWS_BEGIN not in table.text:
        raise BadAnswer(f"Phoenix: v1/spans: the answer is not a table: {table.text[:80]!r}")
    return table if table.row_count <= MAX_ROWS else None


def read_whole(http: PhoenixHttp, query: Query, about: str) -> Table:
    """The rows of all time. Raises TooLarge, which says what they are about, where one answer cannot hold them."""
    table = read(http, query)
    if table is None:
        raise TooLarge(f"Phoenix: v1/spans: the answer about {about} is too large")
    return table


@lru_cache(maxsize=256)
def _label(column: str) -> str:
    """Columns are called `<number>_<label>`."""
    return "span_id" if column == _SPAN_ID else column.partition("_")[2]
