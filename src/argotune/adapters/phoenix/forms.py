"""Forms: which spans of a project are a stream's, what of them is asked for, and how a row of either route is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from argotune.adapters.phoenix.query import Row
from argotune.adapters.phoenix.spans import (
    CUT_LENGTH,
    QUERY_COLUMNS,
    attributes_of,
    parsed,
    short,
    span_of_query,
    span_of_row,
    text_in,
    time_of,
)
from argotune.data.openinference import INPUTS, KIND, OUTPUTS, TAGS, VERSION
from argotune.data.spans import Json, Span
from argotune.data.stream import Stream
from argotune.data.tenancy import SESSION, is_of_decision

_FIELDS = {
    "name": "name",
    "kind": "span_kind",
    "started": "start_time",
    "ended": "end_time",
    "parent": "parent_id",
    "status": "status_code",
    "trace": "trace_id",
}
"""What tells of a module's span where it lies: label -> expression of Phoenix's query language."""

_SAID = {"message": "status_message", "routing": "routing"}
"""What is read besides, where what was said in a span matters too."""


@dataclass(frozen=True)
class Form:
    """Spans with one of the `names` that meet `condition`; `filters` are the same for the paged route, or wider.
    `columns` is what the query route is asked for. `may_be_split`: a query row may not show all of a span."""

    names: tuple[str, ...]
    condition: str
    filters: Mapping[str, str | list[str]]
    columns: Mapping[str, str]
    of_row: Callable[[Row], Span]
    of_query: Callable[[Row], Span]
    may_be_split: bool = False


def form_of(stream: Stream, prefix: str, *, is_light: bool = False) -> Form:
    """The form of a stream's spans. `is_light`: only whose they are and where they lie is asked for."""
    names = stream.span_names(prefix)
    if not stream.reads_around:
        (name,) = names
        of_query = partial(span_of_query, name=name)
        return Form(names, named(names), {"name": [name]}, QUERY_COLUMNS, span_of_row, of_query, may_be_split=True)
    wanted = _wanted(stream, is_light)
    columns = {**_FIELDS, **({} if is_light else _SAID), **{name: expression(name) for name in wanted}}
    filters: dict[str, str | list[str]] = {"name": list(names)}
    condition, tenant = named(names), _tenant(stream)
    if tenant:
        filters["attribute"] = f"{tenant[0]}:{json.dumps(tenant[1])}"
        condition += f" and {expression(tenant[0])} == {tenant[1]!r}"
    return Form(names, condition, filters, columns, partial(_of_row, wanted=wanted), partial(_of_query, wanted=wanted))


def named(names: Sequence[str]) -> str:
    """Of spans with one of the names, in Phoenix's query language."""
    return f"name == {names[0]!r}" if len(names) == 1 else f"name in {list(names)!r}"


def expression(attribute: str) -> str:
    """A dotted attribute in Phoenix's query language."""
    return "attributes" + "".join(f"[{part!r}]" for part in attribute.split("."))


def _wanted(stream: Stream, is_light: bool) -> tuple[str, ...]:
    """The attributes of a stream's spans, besides our own, that somebody reads."""
    binding, said = stream.binding, () if is_light else (INPUTS, OUTPUTS, VERSION)
    if binding is None:
        return said
    tags = (TAGS,) if binding.leave_out_tags else ()
    session = (SESSION,) if binding.needs_session or not is_light else ()
    return tuple(dict.fromkeys((*said, *tags, *session, *((binding.tenant_key,) if binding.tenant_key else ()))))


def _tenant(stream: Stream) -> tuple[str, str] | None:
    """The attribute and value by which Phoenix itself can tell a tenant's decisions from others."""
    binding = stream.binding
    if binding is None or not binding.tenant_key or not is_of_decision(binding.tenant_key):
        return None
    return binding.tenant_key, binding.tenant_value or stream.tenant_id


def whole_of_row(row: Row) -> Span:
    """A row of the paged route with all its attributes. Raises BadAnswer."""
    return parsed(lambda r: _span(labelled_row(r), _all_attributes(r["attributes"])), row)


def _all_attributes(attributes: Row) -> dict[str, Json]:
    return attributes_of(attributes) | {
        name: slim(attributes[name]) for name in (INPUTS, OUTPUTS) if name in attributes
    }


def _of_row(row: Row, wanted: Sequence[str]) -> Span:
    return parsed(lambda r: _span(labelled_row(r), _of_attributes(r["attributes"], wanted)), row)


def _of_query(row: Row, wanted: Sequence[str]) -> Span:
    return parsed(lambda r: _span(r, _of_columns(r, wanted)), row)


def labelled_row(row: Row) -> Row:
    """A row of the paged route under the labels of the query route."""
    columns = {**_FIELDS, **_SAID}
    own = {"span_id": row["context"]["span_id"], "trace": row["context"]["trace_id"]}
    return {label: row.get(columns[label]) for label in columns} | own


def _of_attributes(attributes: Row, wanted: Sequence[str]) -> dict[str, Json]:
    kept = {n: v for n, v in attributes_of(attributes).items() if n in wanted or n.startswith("routing.")}
    return kept | {name: slim(attributes[name]) for name in (INPUTS, OUTPUTS) if name in kept}


def _of_columns(row: Row, wanted: Sequence[str]) -> dict[str, Json]:
    routing = row.get("routing")
    found = {f"routing.{n}": short(v) for n, v in routing.items() if v is not None} if isinstance(routing, dict) else {}
    for name in wanted:
        if row[name] is not None:
            found[name] = slim(row[name]) if name in (INPUTS, OUTPUTS) else short(row[name])
    return found


def _span(row: Row, attributes: Mapping[str, Json]) -> Span:
    return Span(
        span_id=text_in(row["span_id"]),
        trace_id=text_in(row["trace"]),
        name=text_in(row["name"]),
        started_at=time_of(row["started"]),
        ended_at=time_of(row["ended"]) if row["ended"] else None,
        attributes={**attributes, KIND: str(row["kind"])},
        status=str(row["status"]),
        parent_id=text_in(row["parent"]) if row["parent"] else None,
        failure=str(row.get("message") or "")[:CUT_LENGTH],
    )


def slim(value: Any) -> Any:
    """A JSON text whose long fields are cut, so that one field too many or too long costs none of the others. What is
    no JSON is cut as it stands."""
    if not isinstance(value, str) or len(value) <= CUT_LENGTH:
        return short(value)
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return short(value)
    if isinstance(found, dict) and len(found) == 1:
        (name, inner), *_ = found.items()
        return json.dumps({name: _cut_fields(inner)}, ensure_ascii=False)
    return json.dumps(_cut_fields(found), ensure_ascii=False)


MOST_FIELDS = 100


def _cut_fields(value: Any) -> Any:
    if not isinstance(value, dict):
        return _cut_field(value)
    return {str(name)[:CUT_LENGTH]: _cut_field(field) for name, field in list(value.items())[:MOST_FIELDS]}


def _cut_field(value: Any) -> Any:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return value if len(text) <= CUT_LENGTH else text[:CUT_LENGTH]
