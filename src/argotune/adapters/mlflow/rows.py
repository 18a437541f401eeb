"""Rows: traces and spans as MLflow's routes, and its files of traces, give them.

What it gives is checked where it is read: a name that is missing, or a value that is none of its type, is a BadAnswer
(`documented`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

from argotune.data.spans import Json


class KeyedRow(TypedDict):
    """An attribute: its value is an OTLP AnyValue, an object with one of the names `string_value`, `int_value`, ..."""

    key: str
    value: NotRequired[Mapping[str, Json] | None]


class EventRow(TypedDict):
    """Something that happened in a span, such as an exception."""

    name: NotRequired[str]
    attributes: NotRequired[Sequence[KeyedRow] | Mapping[str, Json] | None]


class StatusRow(TypedDict):
    """How a span ended."""

    code: NotRequired[str]
    message: NotRequired[str | None]


class SpanRow(TypedDict):
    """A span. Its ids are 8 bytes in base64; a file of traces has its attributes as an object of JSON texts."""

    span_id: str
    parent_span_id: NotRequired[str | None]
    name: str
    start_time_unix_nano: int | str
    end_time_unix_nano: NotRequired[int | str | None]
    status: NotRequired[StatusRow | None]
    attributes: NotRequired[Sequence[KeyedRow] | Mapping[str, Json] | None]
    events: NotRequired[Sequence[EventRow] | None]


class TraceRow(TypedDict):
    """A whole trace."""

    spans: Sequence[SpanRow]
