"""Ids of spans, in their order."""

from __future__ import annotations

from collections.abc import Iterable

from argotune.data.source import SpanRead
from argotune.data.spans import Span


def ids(found: Iterable[SpanRead]) -> list[str]:
    return [read.span.span_id for read in found]


def own_ids(sent: Iterable[Span]) -> list[str]:
    return [span.span_id for span in sent]
