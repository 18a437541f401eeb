"""The spans of a bound stream: those of modules by their names, each with what is above it in its trace; of
orchestrated requests with the tree below too."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice

from argotune.adapters.phoenix.annotations import SPAN_IDS_AT_ONCE
from argotune.adapters.phoenix.below import signatures_below
from argotune.adapters.phoenix.connection import PhoenixHttp
from argotune.adapters.phoenix.forms import expression
from argotune.adapters.phoenix.place import Place, place_of
from argotune.adapters.phoenix.query import Query, Row, Window, read, read_whole
from argotune.adapters.phoenix.reader import ModuleSpans
from argotune.adapters.phoenix.roots import Roots
from argotune.adapters.phoenix.spans import attributes_of, parsed, short, text_in
from argotune.adapters.phoenix.trees import in_tree, trees_of
from argotune.data.ancestry import MOST_LEVELS, Link, Placed, placed
from argotune.data.cursor import Cursor
from argotune.data.openinference import is_decision
from argotune.data.source import SpanRead
from argotune.data.spans import Ancestor, Span
from argotune.data.stream import Stream
from argotune.data.tenancy import is_of_decision

AT_ONCE = 8000
"""Spans of which what is above them is asked in one request a level. A request costs Phoenix a look at the whole
project, for 25 ids as for thousands (1.4 to 4 s among 500,000 spans); a database takes no more than 32,766 values."""

BELOW_AT_ONCE = 2000
"""Spans of which what is below them is asked in one request: that may be several times as many."""

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class BoundSpans:
    """A bound stream in a project. Raises what PhoenixHttp raises."""

    def __init__(self, http: PhoenixHttp, spans: ModuleSpans, stream: Stream, clock: Callable[[], datetime]) -> None:
        self._http, self._spans, self._stream, self._clock = http, spans, stream, clock
        binding = stream.binding
        key = binding.tenant_key if binding else None
        self._key = None if key is None or is_of_decision(key) else key
        self._roots = Roots(self._roots_of)

    def after(self, place: Place, since: datetime | None) -> Iterator[SpanRead]:
        """Spans behind a place that were not given with it, in order of row id, up to the first one of which something
        above may still be sent: whoever goes on from there is given it with all that is above."""
        now = self._clock()
        for chunk in _chunks(self._not_given(place, since)):
            for each, found in zip(self._whole(chunk, now), chunk, strict=True):
                if not each.is_settled(now):
                    return
                yield SpanRead(each.span, found.cursor)

    def _not_given(self, place: Place, since: datetime | None) -> Iterator[SpanRead]:
        for found in self._spans.after(place.row_id, since):
            at = place_of(found.cursor or "")
            if at is None or at.row_id > place.given_to:
                yield found
            elif not place.was_given(at):
                yield SpanRead(found.span, place.moved(at).cursor)

    def at_once(self, since: datetime) -> Iterator[SpanRead]:
        """All spans since then of which all above was sent, with cursors as those of `ModuleSpans.at_once`; the last
        one's is not behind any that was left out, and says which were."""
        now, held = self._clock(), None
        waiting: dict[str, datetime] = {}
        behind: Cursor | None = None
        for chunk in _chunks(self._spans.at_once(since)):
            behind = chunk[-1].cursor
            for each, found in zip(self._whole(chunk, now), chunk, strict=True):
                if not each.is_settled(now):
                    waiting[each.span.span_id] = each.span.started_at
                    continue
                if held is not None:
                    yield held
                held = SpanRead(each.span, None if waiting else found.cursor)
        if held is not None:
            yield SpanRead(held.span, self._before(waiting, behind)) if waiting else held

    def count(self, place: Place, since: datetime | None, until: datetime | None, limit: int) -> int:
        """How many of them are decisions of the stream that started before `until`; counting stops at `limit`."""
        found = (x.span for x in self.after(place, since)) if place.row_id else self._between(since, until, limit)
        spans = (span for span in found if until is None or span.started_at < until)
        return sum(1 for _ in islice((span for span in spans if is_decision(span, self._stream)), limit))

    def _between(self, since: datetime | None, until: datetime | None, about: int) -> Iterator[Span]:
        """Spans of which all above was sent. `about`: how many of them are needed."""
        now = self._clock()
        found = (SpanRead(span, None) for span in self._spans.between(since or BEGINNING, until, about))
        for chunk in _chunks(found, min(2 * about, AT_ONCE)):
            yield from (each.span for each in self.placed(chunk) if each.is_settled(now))

    def _before(self, waiting: Mapping[str, datetime], behind: Cursor | None) -> Cursor | None:
        """A cursor that is behind none of these spans, by when they started."""
        first, newest = self._spans.first_row(min(waiting.values())), place_of(behind) if behind else None
        if newest is None or first is None or first <= 1:
            return None
        row_id = min(first - 1, newest.row_id)
        return replace(newest, row_id=row_id, given_to=newest.row_id, waiting=frozenset(waiting)).cursor

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

    def _whole(self, chunk: Sequence[SpanRead], now: datetime) -> list[Placed]:
        """The spans with all that is read of what lies around them, as far as they are settled."""
        found = self.placed(chunk)
        if not self._stream.is_orchestration:
            return found
        settled = {each.span.trace_id for each in found if each.span.trace_id and each.is_settled(now)}
        trees = trees_of(self._http, self._spans, sorted(settled))
        return [replace(each, span=in_tree(each.span, trees)) for each in found]

    def placed(self, chunk: Sequence[SpanRead]) -> list[Placed]:
        """The spans with what is above them, and the signature that each asks where the stream tells by that."""
        roots = self._roots.around([each.span for each in chunk])
        found = placed((each.span for each in chunk), partial(self._above, roots))
        if self._stream.is_orchestration:
            # What lies below one may be sent by another process, and nothing tells that it is missing.
            return [replace(each, is_whole=False) for each in found]
        if self._stream.bound is None or not self._stream.bound.signature:
            return found
        asked: dict[str, str] = {}
        for start in range(0, len(found), BELOW_AT_ONCE):
            some = found[start : start + BELOW_AT_ONCE]
            asked |= signatures_below([each.span.span_id for each in some], self._query)
        return [replace(each, span=replace(each.span, signature=asked.get(each.span.span_id))) for each in found]

    def _above(self, roots: Mapping[str, Link], ids: Collection[str]) -> dict[str, Link]:
        known = {id: roots[id] for id in ids if id in roots}
        return known | self._links([id for id in ids if id not in known])

    def _roots_of(self, window: Window) -> dict[str, Link] | None:
        found = self._spans.by_query(lambda: read(self._http, self._query_of("parent_id is None"), window))
        return None if found is None else dict(parsed(self._link_of_query, row) for row in found)

    def _links(self, ids: Collection[str]) -> dict[str, Link]:
        found: dict[str, Link] = {}
        wanted = sorted(ids)
        for start in range(0, len(wanted), AT_ONCE):
            found.update(self._links_of(wanted[start : start + AT_ONCE]))
        return found

    def _links_of(self, ids: list[str]) -> dict[str, Link]:
        found = self._spans.by_query(lambda: self._links_by_query(ids))
        if found is not None:
            return found
        rows = (
            row
            for start in range(0, len(ids), SPAN_IDS_AT_ONCE)
            for row in self._spans.rows_of({"span_id": ids[start : start + SPAN_IDS_AT_ONCE]}, SPAN_IDS_AT_ONCE)
        )
        return dict(parsed(self._link_of_row, row) for row in rows)

    def _links_by_query(self, ids: list[str]) -> dict[str, Link]:
        return dict(parsed(self._link_of_query, row) for row in self._query(f"span_id in {ids!r}"))

    def _query(self, condition: str) -> Iterable[Row]:
        return read_whole(self._http, self._query_of(condition), "what is above or below spans")

    def _query_of(self, condition: str) -> Query:
        columns = {"name": "name", "kind": "span_kind", "parent": "parent_id", "started": "start_time"}
        if self._key:
            columns["key"] = expression(self._key)
        return Query(self._spans.project_name, condition, columns)

    def _link_of_query(self, row: Row) -> tuple[str, Link]:
        said = {self._key: short(row["key"])} if self._key and row.get("key") is not None else {}
        ancestor = Ancestor(text_in(row["name"]), str(row["kind"]), said)
        return text_in(row["span_id"]), Link(ancestor, row["parent"] and text_in(row["parent"]))

    def _link_of_row(self, row: Row) -> tuple[str, Link]:
        said = {n: v for n, v in attributes_of(row["attributes"]).items() if n == self._key}
        ancestor = Ancestor(text_in(row["name"]), str(row["span_kind"]), said)
        return text_in(row["context"]["span_id"]), Link(ancestor, row["parent_id"] and text_in(row["parent_id"]))


def _chunks(found: Iterator[SpanRead], size: int = AT_ONCE) -> Iterator[list[SpanRead]]:
    while chunk := list(islice(found, size)):
        yield chunk
