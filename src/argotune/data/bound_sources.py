"""Bound sources: one trace source out of those of several products; each stream is read where it is bound to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import get_args

from argotune.data.annotations import Annotation
from argotune.data.cursor import Cursor
from argotune.data.source import SpanRead, TraceSource
from argotune.data.stream import Stream
from argotune.errors import ConfigInvalid
from argotune.tenants.binding import SourceName, TraceProject


class BoundSources:
    """TraceSource on all products of an installation. Each is opened when it is first asked.

    Raises, beside what the sources raise, ConfigInvalid for a product that the installation does not have.
    """

    def __init__(self, usual: SourceName, openers: Mapping[SourceName, Callable[[], TraceSource]]) -> None:
        """`usual`: where streams are that are not bound."""
        self._usual, self._openers = usual, openers
        self._opened: dict[SourceName, TraceSource] = {}

    def spans_after(self, stream: Stream, cursor: Cursor | None, since: datetime | None = None) -> Iterator[SpanRead]:
        """As its source."""
        return self._of(stream).spans_after(stream, cursor, since)

    def count_after(
        self,
        stream: Stream,
        cursor: Cursor | None,
        limit: int,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> int:
        """As its source."""
        return self._of(stream).count_after(stream, cursor, limit, since, until)

    def holds(self, stream: Stream, cursor: Cursor) -> bool:
        """As its source."""
        return self._of(stream).holds(stream, cursor)

    def annotations(self, stream: Stream, names: Sequence[str], since: datetime) -> Iterator[Annotation]:
        """As its source."""
        return self._of(stream).annotations(stream, names, since)

    def count_labels(self, stream: Stream, names: Sequence[str], since: datetime | None = None) -> int:
        """As its source."""
        return self._of(stream).count_labels(stream, names, since)

    def annotate(self, stream: Stream, annotations: Sequence[Annotation]) -> None:
        """As its source."""
        self._of(stream).annotate(stream, annotations)

    def newest(self, bound: Mapping[str, TraceProject]) -> Mapping[str, datetime]:
        """The newest of what all sources say of a tenant. Sources that no tenant is bound to are not asked."""
        found: dict[str, datetime] = {}
        for name in self._asked(bound):
            own = {tenant_id: place for tenant_id, place in bound.items() if place.source == name}
            for tenant_id, ended_at in self._named(name).newest(own).items():
                found[tenant_id] = max(ended_at, found.get(tenant_id, ended_at))
        return found

    def ping(self) -> str:
        """The version of the usual product; another one is asked by those who are bound to it."""
        return self._named(self._usual).ping()

    def _asked(self, bound: Mapping[str, TraceProject]) -> list[SourceName]:
        names: tuple[SourceName, ...] = get_args(SourceName)
        return [name for name in names if name == self._usual or any(place.source == name for place in bound.values())]

    def _of(self, stream: Stream) -> TraceSource:
        return self._named(stream.binding.source if stream.binding else self._usual)

    def _named(self, name: SourceName) -> TraceSource:
        if name not in self._opened:
            if name not in self._openers:
                raise ConfigInvalid(f"traces.source: {name}: this installation has none")
            self._opened[name] = self._openers[name]()
        return self._opened[name]
