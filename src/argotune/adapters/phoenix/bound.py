"""The spans of a bound stream: those of modules by their names, each with what is above it in its trace."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice

from argotune.adapters.phoenix.annotations import SPAN_IDS_AT_ONCE
from argotune.adapters.phoenix.below import signatures_below
from argotune.adapters.phoenix.connection import PhoenixHttp
from argotune.adapters.phoenix.forms import expression
from argotune.adapters.phoenix.place import Place, place_of
from argotune.adapters.phoenix.query import Query, Row, read_whole
from argotune.adapters.phoenix.reader import ModuleSpans
from argotune.adapters.phoenix.spans import attributes_of, parsed, short, text_in
from argotune.data.ancestry import MOST_LEVELS, Link, Placed, placed
from argotune.data.cursor import Cursor
from argotune.data.openinference import is_decision
from argotune.data.source import SpanRead
from argotune.data.spans import Ancestor
from argotune.data.stream import Stream
from argotune.data.tenancy import is_of_decision
from argotune.errors import RateLimited, Unavailable

AT_ONCE = 500
"""Spans of which what is above them is asked in one request a level."""

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class BoundSpans:
    """A bound stream in a project. Raises what PhoenixHttp raises."""

    def __init__(self, http: PhoenixHttp, spans: ModuleSpans, stream: Stream, clock: Callable[[], datetime]) -> None:
        self._http, self._spans, self._stream, self._clock = http, spans, stream, clock
        binding = stream.binding
        key = binding.tenant_key if binding else None
        self._key = None if key is None or is_of_decision(key) else key

    def after(self, row_id: int, since: datetime | None) -> Iterator[SpanRead]:
        """Spans with a higher row id, in order of row id, up to the first one of which something above may still be
        sent: whoever goes on from there is given it with all that is above."""
        now = self._clock()
        for chunk in _chunks(self._spans.after(row_id, since)):
            for each, found in zip(self.placed(chunk), chunk, strict=True):
                if not each.is_settled(now):
                    return
                yield SpanRead(each.span, found.cursor)

    def at_once(self, since: datetime) -> Iterator[SpanRead]:
        """All spans since then of which all above was sent, with cursors as those of `ModuleSpans.at_once`; the last
        one's is not behind any that was left out."""
        now, waiting_since, held = self._clock(), None, None
        behind: Cursor | None = None
        for chunk in _chunks(self._spans.at_once(since)):
            behind = chunk[-1].cursor
            for each, found in zip(self.placed(chunk), chunk, strict=True):
                if not each.is_settled(now):
                    started = each.span.started_at
                    waiting_since = started if waiting_since is None else min(started, waiting_since)
                    continue
                if held is not None:
                    yield held
                held = SpanRead(each.span, None if waiting_since else found.cursor)
        if held is not None:
            yield held if waiting_since is None else SpanRead(held.span, self._before(waiting_since, behind))

    def count(self, row_id: int, since: datetime | None, until: datetime | None, limit: int) -> int:
        """How many of them are decisions of the stream that started before `until`; counting stops at `limit`."""
        found = self.after(row_id, since) if row_id else self.at_once(since or BEGINNING)
        spans = (each.span for each in found if until is None or each.span.started_at < until)
        return sum(1 for _ in islice((span for span in spans if is_decision(span, self._stream)), limit))

    def _before(self, started: datetime, behind: Cursor | None) -> Cursor | None:
        """A cursor that is behind no span that started at that time or later."""
        first, newest = self._spans.first_row(started), place_of(behind) if behind else None
        if newest is None or first is None or first <= 1:
            return None
        return Place(min(first - 1, newest.row_id), newest.span_row, newest.span_id).cursor

    def parents(self, ids: Iterable[str]) -> dict[str, str | None]:
        """The span above each of these, and above those, as far up as anything is looked at."""
        known: dict[str, Link] = {}
        wanted = set(ids)
        for _ in range(MOST_LEVELS):
            if not wanted:
                break
            found = self._links(wanted)
            known.update(found)
            wanted = {link.parent_id for link in found.values() if link.parent_id} - known.keys()
        return {id: link.parent_id for id, link in known.items()}

    def placed(self, chunk: Sequence[SpanRead]) -> list[Placed]:
        """The spans with what is above them, and the signature that each asks where the stream tells by that."""
        found = placed((each.span for each in chunk), self._links)
        if self._stream.bound is None or not self._stream.bound.signature:
            return found
        asked = signatures_below([each.span.span_id for each in found], self._query)
        return [replace(each, span=replace(each.span, signature=asked.get(each.span.span_id))) for each in found]

    def _links(self, ids: Collection[str]) -> dict[str, Link]:
        found: dict[str, Link] = {}
        wanted = sorted(ids)
        for start in range(0, len(wanted), AT_ONCE):
            found.update(self._links_of(wanted[start : start + AT_ONCE]))
        return found

    def _links_of(self, ids: list[str]) -> dict[str, Link]:
        if self._spans.is_worth_querying:
            try:
                return dict(parsed(self._link_of_query, row) for row in self._query(f"span_id in {ids!r}"))
            except RateLimited:
                raise
            except Unavailable as error:
                self._spans.leave_queries(error)
        rows = (
            row
            for start in range(0, len(ids), SPAN_IDS_AT_ONCE)
            for row in self._spans.rows_of({"span_id": ids[start : start + SPAN_IDS_AT_ONCE]}, SPAN_IDS_AT_ONCE)
        )
        return dict(parsed(self._link_of_row, row) for row in rows)

    def _query(self, condition: str) -> Iterable[Row]:
        columns = {"name": "name", "kind": "span_kind", "parent": "parent_id", "started": "start_time"}
        if self._key:
            columns["key"] = expression(self._key)
        query = Query(self._spans.project_name, condition, columns)
        return read_whole(self._http, query, "what is above or below spans")

    def _link_of_query(self, row: Row) -> tuple[str, Link]:
        said = {self._key: short(row["key"])} if self._key and row.get("key") is not None else {}
        ancestor = Ancestor(text_in(row["name"]), str(row["kind"]), said)
        return text_in(row["span_id"]), Link(ancestor, row["parent"] and text_in(row["parent"]))

    def _link_of_row(self, row: Row) -> tuple[str, Link]:
        said = {n: v for n, v in attributes_of(row["attributes"]).items() if n == self._key}
        ancestor = Ancestor(text_in(row["name"]), str(row["span_kind"]), said)
        return text_in(row["context"]["span_id"]), Link(ancestor, row["parent_id"] and text_in(row["parent_id"]))


def _chunks(found: Iterator[SpanRead]) -> Iterator[list[SpanRead]]:
    while chunk := list(islice(found, AT_ONCE)):
        yield chunk
