"""Phoenix's cursor: the rows of a project up to one, and a span by which another database is noticed. Where rows behind
it were given already, it says which."""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass, replace

from argotune.data.cursor import Cursor

_KIND = "phoenix"
_GIVEN = "phoenix-given"

MOST_WAITING = 200
"""Of more, none is said: all rows behind the cursor are given again."""


@dataclass(frozen=True)
class Place:
    """How far a project was read: all its rows up to `row_id`, and those up to `given_to` that do not lie `waiting`.

    The span `span_id` was in row `span_row` then. In cursors of earlier releases each may be unknown: "" and 0.
    """

    row_id: int
    span_row: int
    span_id: str
    given_to: int = 0
    waiting: Set[str] = frozenset()

    @property
    def cursor(self) -> Cursor:
        """As it is kept."""
        read = f"{self.row_id}:{self.span_row}"
        if self.given_to <= self.row_id or len(self.waiting) > MOST_WAITING or not all(map(_is_hex, self.waiting)):
            return Cursor(f"{_KIND}:{read}:{self.span_id}")
        return Cursor(f"{_GIVEN}:{read}:{self.given_to}:{','.join(sorted(self.waiting))}:{self.span_id}")

    def was_given(self, place: Place) -> bool:
        """Whether the span of a place behind this one was given when this one was."""
        return place.row_id <= self.given_to and place.span_id not in self.waiting

    def moved(self, to: Place) -> Place:
        """Further on, with the same rows given."""
        return replace(to, given_to=self.given_to, waiting=self.waiting)


def place_of(cursor: str) -> Place | None:
    """The place that a cursor names, None for one that another trace source gave."""
    kind, _, said = cursor.partition(":")
    if kind == _KIND:
        row_id, span_row, span_id = [*said.split(":", 2), "", ""][:3]
        given_to, waiting = "0", ""
    elif kind == _GIVEN:
        row_id, span_row, given_to, waiting, span_id = [*said.split(":", 4), "", "", "", ""][:5]
    else:
        return None
    if not all(number.isdecimal() and number.isascii() for number in (row_id, span_row, given_to)):
        return None
    return Place(int(row_id), int(span_row), span_id, int(given_to), frozenset(filter(None, waiting.split(","))))


def _is_hex(text: str) -> bool:
    return bool(re.fullmatch("[0-9a-f]+", text))
