"""Phoenix's query route (POST v1/spans), read completely: it is ten times as fast as the paged one, but knows no pages.

It answers with at most `limit` rows in no order and does not say that there were more. So time is cut into windows
that hold fewer rows than the limit, as wide as the density of the traffic allows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from argotune.adapters.phoenix_http import PhoenixHttp, TooLarge
from argotune.errors import BadAnswer

MAX_ROWS = 20_000
MAX_BYTES = 24 * 2**20
"""Each answer costs the server a look at every span of the project, so there should be few."""

FILL = 0.8
"""How full a window is meant to be."""

NARROWEST = timedelta(milliseconds=1)

_SPAN_ID = "0_context.span_id"
_ROWS_BEGIN = '"data":['


@dataclass(frozen=True)
class Query:
    """What to read: a project by name, a filter, and labelled expressions of Phoenix's query language."""

    project: str
    condition: str
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Window:
    """A stretch of time, `start` included, `end` not."""

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

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
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
    http: PhoenixHttp, query: Query, period: Window, rows_expected: int
) -> Iterator[tuple[Window, Table | None]]:
    """The period cut into windows, each with all its rows; None for rows that must be read in another way.

    Raises what PhoenixHttp raises.
    """
    width = (period.end - period.start) / max(1.0, rows_expected / (FILL * MAX_ROWS))
    window: Window | None = _cut(period, period.start, width)
    # The next window is on its way while the caller works on this one.
    with ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(read, http, query, window)
        while window is not None:
            length, found = window.end - window.start, coming.result()
            if found is None and length > NARROWEST:
                window = _cut(period, window.start, length / 4)
                coming = ahead.submit(read, http, query, window)
                continue
            fullness = 1.0 if found is None else found.fullness
            following = _cut(period, window.end, length * min(2.0, FILL / max(fullness, 0.1)))
            if following is not None:
                coming = ahead.submit(read, http, query, following)
            yield window, found
            window = following


def _cut(period: Window, start: datetime, width: timedelta) -> Window | None:
    """The window of a width that begins at `start`, None when the period is over."""
    return Window(start, min(start + max(width, NARROWEST), period.end)) if start < period.end else None


def read(http: PhoenixHttp, query: Query, window: Window | None = None) -> Table | None:
    """The rows of a window (None: of all time), None when there are more than one answer may hold."""
    body: dict[str, Any] = {
        "queries": [
            {
                "select": {label: {"key": expression} for label, expression in query.columns.items()},
                "filter": {"condition": query.condition},
            }
        ],
        "limit": MAX_ROWS + 1,
    }
    if window is not None:
        body |= {"start_time": window.start.isoformat(), "end_time": window.end.isoformat()}
    try:
        table = Table(http.post_for_text("v1/spans", body, {"project_name": query.project}, MAX_BYTES))
    except TooLarge:
        return None
    if _ROWS_BEGIN not in table.text:
        raise BadAnswer(f"Phoenix: v1/spans: the answer is not a table: {table.text[:80]!r}")
    return table if table.row_count <= MAX_ROWS else None


def _label(column: str) -> str:
    """Columns are called `<number>_<label>`."""
    return "span_id" if column == _SPAN_ID else column.partition("_")[2]
