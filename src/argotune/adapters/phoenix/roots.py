"""Roots: the spans that begin traces, asked by time. What lies above many spans is mostly among them, and a window of
them costs Phoenix a third of what naming ids does, for which it looks at the whole project."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from argotune.adapters.phoenix.query import Window
from argotune.data.ancestry import Link
from argotune.data.spans import Span

FROM = 100
"""For fewer spans than these their ids are asked."""

AROUND = timedelta(minutes=1)
"""A trace may have begun so long before a span in it, or after it by another clock."""

MOST = 4
"""With more roots than so many a span most traces hold none of them: ids are asked from there on."""

Read = Callable[[Window], Mapping[str, Link] | None]
"""The roots of a window by id, None where no one answer gives them."""


class Roots:
    """Those around spans, for one reading. Those of the last window are held: spans of a window come in no order."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._window: Window | None = None
        self._found: Mapping[str, Link] | None = {}

    def around(self, spans: Sequence[Span]) -> Mapping[str, Link]:
        """The roots at the time of these spans, none where that is not worth asking."""
        below = [span.started_at for span in spans if span.parent_id]
        if len(below) < FROM or self._found is None:
            return {}
        first, last = min(below), max(below)
        held = self._window
        if held is None or held.end is None or first < held.start or last > held.end:
            self._window = Window(first - AROUND, last + AROUND)
            found = self._read(self._window)
            self._found = None if found is None or len(found) > MOST * len(below) else found
        return self._found or {}
