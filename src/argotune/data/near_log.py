"""Near log: the sketches of all examples of a program, by which near-duplicates are found, CHUNK of them a record."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from argotune.data.near_texts import NearTexts, Sketches, is_wide
from argotune.errors import Corrupt
from argotune.store.port import Record, Store
from argotune.store.sealing import seal, unseal

CHUNK = 1000
"""Sketches of one record."""


class _KeptChunk(TypedDict):
    ids: list[str]
    splits: list[str]
    sizes: list[int]
    words: str


@dataclass
class _Chunk:
    name: str
    ids: list[str] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    words: bytearray = field(default_factory=bytearray)

    @property
    def kept(self) -> _KeptChunk:
        return {"ids": self.ids, "splits": self.splits, "sizes": self.sizes, "words": b64encode(self.words).decode()}

    def put(self, new: Sequence[tuple[str, str, str]]) -> None:
        """Put examples, (id, split, normalised text), into it."""
        sketches = Sketches.of([text for _, _, text in new])
        self.ids += [id for id, _, _ in new]
        self.splits += [split for _, split, _ in new]
        self.sizes += sketches.sizes
        self.words += sketches.words()

    def without(self, gone: frozenset[str]) -> _Chunk:
        kept = [n for n, id in enumerate(self.ids) if id not in gone]
        width = len(self.words) // max(len(self.ids), 1)
        words = bytearray().join(self.words[n * width : (n + 1) * width] for n in kept)
        return _Chunk(
            self.name, [self.ids[n] for n in kept], [self.splits[n] for n in kept], [self.sizes[n] for n in kept], words
        )


class NearLog:
    """The sketches of one program in its collection `gathered`. `counts` are how many records of narrow and wide ones
    there are."""

    def __init__(self, store: Store, tenant_id: str, gathered: str) -> None:
        self._store, self._tenant_id, self._gathered = store, tenant_id, gathered

    def index(self, counts: Mapping[str, int], read: Callable[[str], str]) -> NearTexts:
        """All examples by split; `read` gives the normalised text of one by its id. Raises Corrupt."""
        found = NearTexts(read=read)
        for name in _names(counts):
            chunk = self._chunk(name)
            if chunk.ids:
                found.add_known(chunk.ids, chunk.splits, Sketches.read(chunk.sizes, bytes(chunk.words)))
        return found

    def changed(
        self, counts: Mapping[str, int], gone: frozenset[str], new: Sequence[tuple[str, str, str]]
    ) -> tuple[dict[str, int], list[Record]]:
        """How many records there are without those that are gone and with new ones, (id, split, normalised text), and
        those that are to be written. Raises Corrupt."""
        changed: dict[str, _Chunk] = {}
        for name in _names(counts) if gone else ():
            chunk = self._chunk(name)
            if not gone.isdisjoint(chunk.ids):
                changed[name] = chunk.without(gone)
        after = dict(counts)
        for kind, wide in (("narrow", False), ("wide", True)):
            after[kind] = self._append(changed, kind, after.get(kind, 0), [x for x in new if is_wide(x[2]) is wide])
        return after, [Record(self._gathered, name, seal("near", chunk.kept)) for name, chunk in changed.items()]

    def _append(self, changed: dict[str, _Chunk], kind: str, count: int, new: Sequence[tuple[str, str, str]]) -> int:
        """Put new ones into the last of so many records and into further ones; how many there are then."""
        rest = list(new)
        while rest:
            chunk = self._last(changed, kind, count)
            some, rest = rest[: CHUNK - len(chunk.ids)], rest[CHUNK - len(chunk.ids) :]
            if some:
                chunk.put(some)
            count = max(count, 1)
            if rest:
                count += 1
                changed[_name(kind, count - 1)] = _Chunk(_name(kind, count - 1))
        return count

    def _last(self, changed: dict[str, _Chunk], kind: str, count: int) -> _Chunk:
        name = _name(kind, max(count - 1, 0))
        if name not in changed:
            changed[name] = self._chunk(name) if count > 0 else _Chunk(name)
        return changed[name]

    def _chunk(self, name: str) -> _Chunk:
        text = self._store.read(self._tenant_id, self._gathered, name)
        if text is None:
            raise Corrupt(f"{self._gathered}: {name} is gone")
        body: _KeptChunk = unseal("near", text)
        return _Chunk(name, body["ids"], body["splits"], body["sizes"], bytearray(b64decode(body["words"])))


def _name(kind: str, number: int) -> str:
    return f"near/{kind}/{number:05}"


def _names(counts: Mapping[str, int]) -> Iterator[str]:
    return (_name(kind, n) for kind, count in counts.items() for n in range(count))
