"""Pointer: what is in force now, moved by compare-and-set together with a line of history that says why.

So nothing is in force without an explanation, and a pointer that is damaged or lost is made again from its last line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from argotune.errors import Corrupt, NewerRecord
from argotune.store.port import Record, Store
from argotune.store.records import StoredValue, find, find_renewable, from_text, readable, tag_there, to_record

P = TypeVar("P", bound=StoredValue)
L = TypeVar("L", bound=StoredValue)


@dataclass(frozen=True)
class Move(Generic[L]):
    """A line of history. `number` counts the moves of a pointer from 1; `also` is written in the same step, if what
    `expect` says of it is met."""

    line: L
    number: int
    also: Sequence[Record] = ()
    expect: Mapping[tuple[str, str], str | None] | None = None


@dataclass(frozen=True)
class Pointer(Generic[P, L]):
    """One pointer of a tenant at `place` (collection and id), its history in `lines` under `prefix` and a number.

    `follows` makes the pointer of its last line.
    """

    store: Store
    tenant_id: str
    place: tuple[str, str]
    kind: type[P]
    lines: str
    prefix: str
    line_kind: type[L]
    follows: Callable[[L], P]

    def read(self) -> tuple[P, str] | tuple[None, None]:
        """The pointer, and the tag that a move must expect. Raises Corrupt."""
        return find(self.store, self.tenant_id, *self.place, self.kind)

    def believed(self) -> tuple[P | None, str | None]:
        """As `read`; what the history says where the pointer is damaged or lost. Raises NewerRecord."""
        found, tag = find_renewable(self.store, self.tenant_id, *self.place, self.kind)
        return (found or self.by_history(), tag)

    def by_history(self) -> P | None:
        """What the last line says; None without a line."""
        last = next(reversed(self.history()), None)
        return self.follows(last) if last else None

    def move(self, move: Move[L], tag: str | None) -> P:
        """Write pointer and line in one step, where the pointer still has `tag`. Raises Conflict."""
        moved = self.follows(move.line)
        line = to_record(self.lines, self._id(move.number), move.line)
        expect = {self.place: tag, (line.collection, line.id): None, **(move.expect or {})}
        self.store.write(self.tenant_id, [to_record(*self.place, moved), line, *move.also], expect)
        return moved

    def restore(self) -> P | None:
        """Make the pointer again where it is damaged or lost; None where there is nothing to do. Raises Conflict."""
        text = self.store.read(self.tenant_id, *self.place)
        if (text is not None and self._is_whole(text)) or (last := self.by_history()) is None:
            return None
        self.store.write(self.tenant_id, [to_record(*self.place, last)], {self.place: tag_there(text)})
        return last

    def history(self) -> list[L]:
        """Every move that is kept and can be read, oldest first."""
        records = sorted(self._records(), key=self._number)
        return list(readable(self.tenant_id, records, lambda text: from_text(self.line_kind, text)))

    def next_number(self, known: int = 0) -> int:
        """The number of the next move: above that of the pointer and of all lines, those that cannot be read too."""
        return max([known, *map(self._number, self._records())]) + 1

    def forget(self, kept: int) -> int:
        """Drop the lines before the last `kept`, at least one; how many were dropped."""
        old = [record.id for record in sorted(self._records(), key=self._number)[: -max(kept, 1)]]
        return self.store.remove(self.tenant_id, self.lines, old) if old else 0

    def _records(self) -> list[Record]:
        found = self.store.scan(self.tenant_id, self.lines)
        return [r for r in found if r.id.startswith(self.prefix) and _is_number(r.id.removeprefix(self.prefix))]

    def _number(self, record: Record) -> int:
        return int(record.id.removeprefix(self.prefix))

    def _id(self, number: int) -> str:
        return f"{self.prefix}{number:08d}"

    def _is_whole(self, text: str) -> bool:
        try:
            from_text(self.kind, text)
        except NewerRecord:
            return True
        except Corrupt:
            return False
        return True


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()
