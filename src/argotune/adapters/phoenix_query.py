"""Phoenix's query route (POST v1/spans), read completely: it is ten times as fast as the paged one, but knows no pages.

It answers with at most `limit` rows in no order and does not say that there were more. So time is cut into windows
that hold fewer rows than the limit, as wide as the density of the traffic allows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from argotune.adapters.phoenix_http import PhoenixHttp, TooLarge
from argotune.errors import BadAnswer

MAX_ROWS = 12_000
"""Some 10 MB. Each answer costs the server a look at every span of the project, so there should be few."""

FILL = 0.8
"""How full a window is meant to be."""

MAX_BYTES = 32 * 2**20
NARROWEST = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Query:
    """What to read: a project by name, a filter, and labelled expressions of Phoenix's query language."""

    project: str
    condition: str
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Window:
    """A span of time, `start` included, `end` not."""

    start: datetime
    end: datetime


Rows = Sequence[Mapping[str, Any]]


def windows(
    http: PhoenixHttp, query: Query, period: Window, rows_expected: int
) -> Iterator[tuple[Window, Rows | None]]:
    """The period cut into windows, each with all its rows; None for rows that must be read in another way.

    Rows have the keys of `query.columns` and `span_id`. Raises what PhoenixHttp raises.
    """
    start, width = period.start, (period.end - period.start) / max(1.0, rows_expected / (FILL * MAX_ROWS))
    while start < period.end:
        window = Window(start, min(start + max(width, NARROWEST), period.end))
        length, found = window.end - window.start, read(http, query, window)
        if found is None and length > NARROWEST:
            width = length / 4
            continue
        yield window, found
        fullness = 1.0 if found is None else len(found) / MAX_ROWS
        start, width = window.end, length * min(2.0, FILL / max(fullness, 0.1))


def read(http: PhoenixHttp, query: Query, window: Window | None = None) -> Rows | None:
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
        answer = http.post_for_text("v1/spans", body, {"project_name": query.project}, MAX_BYTES)
    except TooLarge:
        return None
    found = _table(answer)
    return found if len(found) <= MAX_ROWS else None


def _table(answer: str) -> Rows:
    """The rows of a multipart answer, whose columns are called `<number>_<label>`."""
    try:
        text = answer[answer.index("\r\n\r\n") : answer.rindex("\r\n--")]
        return [{_label(key): value for key, value in row.items()} for row in json.loads(text)["data"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadAnswer(f"Phoenix: v1/spans: the answer is not a table: {answer[:80]!r}") from error


def _label(column: str) -> str:
    label = column.partition("_")[2]
    return "span_id" if label == "context.span_id" else label
