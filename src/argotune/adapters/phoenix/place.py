"""Phoenix's cursor: the rows of a project up to one, and a span by which another database is noticed."""

from __future__ import annotations

from dataclasses import dataclass

from argotune.data.cursor import Cursor

_KIND = "phoenix"


@dataclass(frozen=True)
class Place:
    """How far a project was read: all its rows up to `row_id`.

    The span `span_id` was in row `span_row` then. In cursors of earlier releases each may be unknown: "" and 0.
    """

    row_id: int
    span_row: int
    span_id: str

    @property
    def cursor(self) -> Cursor:
        """As it is kept."""
        return Cursor(f"{_KIND}:{self.row_id}:{self.span_row}:{self.span_id}")


def place_of(cursor: str) -> Place | None:
    """The place that a cursor names, None for one that another trace source gave."""
    kind, *numbers, span_id = [*cursor.split(":", 3), "", "", ""][:4]
    if kind != _KIND or not all(number.isdecimal() and number.isascii() for number in numbers):
        return None
    row_id, span_row = map(int, numbers)
    return Place(row_id, span_row, span_id)
