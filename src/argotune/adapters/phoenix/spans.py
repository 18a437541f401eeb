"""Phoenix's JSON of a span and our Span, both ways. No network here."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

from argotune.adapters.json_http import Body, storable_json
from argotune.adapters.phoenix.place import Place
from argotune.data.openinference import KIND
from argotune.data.span_format import MAX_TEXT_CHARS
from argotune.data.spans import Json, Span
from argotune.errors import BadAnswer
from argotune.errors.lines import told
from argotune.store.texts import storable

T = TypeVar("T")

PREFIX = "routing."
"""Attributes of ours. A field is one level below: what lies deeper is one JSON value, as it was sent."""

CUT_LENGTH = MAX_TEXT_CHARS + 1
"""Longer texts and lists are cut to this length: still too long to be used, and no longer a burden on memory."""

QUERY_COLUMNS = {
    "started": "start_time",
    "routing": "routing",
    "input": "input.value",
}
"""What the query route is asked for: label -> expression of Phoenix's query language. Each costs the server time."""


def row_id_of(global_id: str) -> int:
    """The row id inside base64("Span:<row id>")."""
    kind, _, number = b64decode(global_id, validate=True).decode().partition(":")
    if kind != "Span":
        raise ValueError(f"{global_id!r} is not the id of a span")
    return int(number)


def page_cursor(row_id: int) -> str:
    """The cursor of the REST route at which `row_id` is the first row."""
    return b64encode(f"Span:{row_id}".encode()).decode()


def span_of_row(row: Mapping[str, Any]) -> Span:
    """The span in one row of GET projects/{id}/spans. Raises BadAnswer."""
    return parsed(_span_of_row, row)


def place_of_row(row: Mapping[str, Any]) -> Place:
    """How far is read with one row of that route. Raises BadAnswer."""
    return parsed(_place_of_row, row)


def span_of_query(row: Mapping[str, Any], name: str) -> Span:
    """The span in one row of the query route with QUERY_COLUMNS. Raises BadAnswer."""
    return parsed(lambda r: _span_of_query(r, name), row)


def is_split(row: Mapping[str, Any]) -> bool:
    """Whether a query row does not show all attributes of ours: something else is called `routing` too."""
    return row.get("routing") is not None and not isinstance(row["routing"], dict)


def body_of(span: Span) -> Body:
    """A span as POST projects/{id}/spans takes it."""
    return {
        "name": storable_json(span.name),
        "context": {"trace_id": span.trace_id, "span_id": span.span_id},
        "parent_id": span.parent_id,
        "span_kind": str(span.attributes.get(KIND, "AGENT")),
        "start_time": span.started_at.isoformat(),
        "end_time": (span.ended_at or span.started_at).isoformat(),
        "status_code": span.status,
        "status_message": storable_json(span.failure),
        "attributes": {name: storable_json(value) for name, value in span.attributes.items() if name != KIND},
    }


def parsed(parse: Callable[[Mapping[str, Any]], T], row: Mapping[str, Any]) -> T:
    try:
        return parse(row)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BadAnswer(told(f"Phoenix: a span is not as documented: {error!r}")) from error


def _span_of_row(row: Mapping[str, Any]) -> Span:
    context = row["context"]
    return Span(
        span_id=text_in(context["span_id"]),
        trace_id=text_in(context["trace_id"]),
        name=text_in(row["name"]),
        started_at=time_of(row["start_time"]),
        ended_at=time_of(row["end_time"]),
        attributes=attributes_of(row["attributes"]),
        status=str(row["status_code"]),
    )


def _place_of_row(row: Mapping[str, Any]) -> Place:
    row_id = row_id_of(row["id"])
    return Place(row_id, row_id, text_in(row["context"]["span_id"]))


def _span_of_query(row: Mapping[str, Any], name: str) -> Span:
    attributes = {_attribute(key): short(value) for key, value in (row["routing"] or {}).items() if value is not None}
    if row["input"] is not None:
        attributes["input.value"] = short(row["input"])
    return Span(
        span_id=text_in(row["span_id"]),
        trace_id=None,
        name=name,
        started_at=time_of(row["started"]),
        ended_at=None,
        attributes=attributes,
    )


@lru_cache(maxsize=1024)
def _attribute(key: str) -> str:
    """The name of an attribute below `routing`: a few names, in each of a million rows."""
    return storable(f"{PREFIX}{key}")


def text_in(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return storable(value)


def time_of(value: Any) -> datetime:
    time = datetime.fromisoformat(value)
    if time.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone")
    return time


def attributes_of(attributes: Mapping[str, Any]) -> dict[str, Json]:
    """The REST route flattens lists and objects; below `routing.<field>` they are put together again."""
    found: dict[str, Json] = {}
    deeper: dict[str, Any] = {}
    for name, value in attributes.items():
        if name.startswith(PREFIX) and name.count(".") > 1 and ".".join(name.split(".")[:2]) not in attributes:
            _plant(deeper, name.split("."), value)
        else:
            found[storable_json(name)] = short(value)
    for field, value in deeper.get("routing", {}).items():
        found[storable_json(f"{PREFIX}{field}")] = short(_with_lists(value))
    return found


def _plant(tree: dict[str, Any], path: list[str], value: Any) -> None:
    for key in path[:-1]:
        branch = tree.setdefault(key, {})
        if not isinstance(branch, dict):
            return
        tree = branch
    tree[path[-1]] = value


def _with_lists(value: Any) -> Any:
    """Objects with the keys 0..n-1 and objects under them were lists (Phoenix flattens only lists of objects)."""
    if not isinstance(value, dict):
        return value
    items = {key: _with_lists(item) for key, item in value.items()}
    is_list = list(items) == [str(i) for i in range(len(items))] and all(isinstance(i, dict) for i in items.values())
    return list(items.values()) if is_list else items


def short(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value if len(value) <= CUT_LENGTH else value.replace("\x00", "")[:CUT_LENGTH])
    if isinstance(value, list):
        return [short(item) for item in value[:CUT_LENGTH]]
    if isinstance(value, dict):
        return {storable_json(key): short(item) for key, item in list(value.items())[:CUT_LENGTH]}
    return value
