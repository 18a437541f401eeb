"""Near texts: an index that answers whether a set of texts holds a near-duplicate of another text.

Near means a Jaccard similarity of character 3-grams of 0.8 or more: one typing error in thirty letters, a word
more or less in a long question. Only the first 1,000 characters are compared.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from math import log
from operator import xor
from typing import Any

import numpy as np

MAX_CHARS = 1000
"""Longer beginnings tell texts no better, and 3-grams of very long texts are all alike."""

MAX_TRIED = 50
"""How many texts are compared in full, those with the most similar patterns first."""

NEWEST = 2
"""Of many texts that may be near, so many of the newest are tried first: in a family of alike texts any will do."""

KEY_BYTES = 12
"""What tells a text that is kept elsewhere: the 24 hex digits of an example's id. With a narrow pattern a text takes
60 bytes here, with a wide one 156."""

TEXTS_AT_HAND = 5_000
"""Texts that were read and may be asked for again, those read last."""

SHINGLES_KNOWN = 100_000
"""Shingles whose bits are remembered, of which texts of one language have a fifth."""


def shingles_of(text: str) -> list[str]:
    """The character 3-grams of a normalised text, its beginning and end marked by a space."""
    padded = f" {text[:MAX_CHARS]} "
    return [padded[i : i + 3] for i in range(max(len(padded) - 2, 1))]


def are_near(a: frozenset[Any], b: frozenset[Any]) -> bool:
    """Whether the Jaccard similarity of two sets is 0.8 or more, in whole numbers."""
    common = len(a & b)
    return 5 * common >= 4 * (len(a) + len(b) - common)


_WIDE, _NARROW = 1024, 256
"""Bits of a pattern, for large sets and for sets of so few shingles that few bits tell them apart."""

_FOLDED = (1 << 64) - 1
_NARROW_UP_TO = 160


class _Bits(dict[str, int]):
    """Shingle -> its bit in a pattern, the same for ever."""

    def __missing__(self, shingle: str) -> int:
        self[shingle] = bit = 1 << zlib.crc32(shingle.encode("utf-8", "surrogatepass")) % _WIDE
        return bit


_BITS = _Bits()


@dataclass(frozen=True, slots=True)
class Sketch:
    """What tells a text from those that are far: how many shingles it has, and a pattern of bits.

    Each shingle flips one bit of the pattern, so patterns differ in no more bits than sets differ in members. Laid over
    itself (folded), the same is true of the narrower pattern.
    """

    size: int
    pattern: int

    @property
    def most_bits(self) -> int:
        """In how many bits the pattern of a near text may differ: sets of n and of 5/4 n differ in n/4 members."""
        return self.size // 4

    def folded(self, bits: int) -> int:
        """The pattern laid over itself until it has so many bits."""
        pattern, width = self.pattern, _WIDE
        while width > bits:
            width //= 2
            pattern = (pattern ^ pattern >> width) & (1 << width) - 1
        return pattern

    def words(self) -> bytes:
        """The pattern as it is kept: as wide as texts of this size need it."""
        return self.folded(width_of(self.size)).to_bytes(width_of(self.size) // 8, "little")


def sketch_of(text: str) -> Sketch:
    """The sketch of a normalised text."""
    shingles = frozenset(shingles_of(text))
    if len(_BITS) > SHINGLES_KNOWN:
        _BITS.clear()  # random texts in many scripts
    return Sketch(len(shingles), reduce(xor, [_BITS[shingle] for shingle in shingles], 0))


@lru_cache(maxsize=4)
def _looked_at(text: str) -> tuple[frozenset[str], Sketch]:
    """A text is looked up and then remembered."""
    return frozenset(shingles_of(text)), sketch_of(text)


def _shelf_of(size: int) -> int:
    """Near texts lie on the same shelf or on one beside it: their sizes differ by a quarter at most."""
    return int(log(size) / log(1.25))


def width_of(size: int) -> int:
    """Bits of the kept pattern of a text with so many shingles."""
    return _NARROW if _shelf_of(size) <= _shelf_of(_NARROW_UP_TO) else _WIDE


@dataclass(frozen=True)
class Sketches:
    """Sketches of texts whose patterns are equally wide, as they are kept: sizes, and a row of words for each."""

    sizes: Sequence[int]
    patterns: np.ndarray

    @classmethod
    def of(cls, texts: Sequence[str]) -> Sketches:
        """Of normalised texts of one width."""
        found = [sketch_of(text) for text in texts]
        return cls.read([sketch.size for sketch in found], b"".join(sketch.words() for sketch in found))

    @classmethod
    def read(cls, sizes: Sequence[int], words: bytes) -> Sketches:
        """What `words` has written."""
        return cls(sizes, np.frombuffer(words, dtype=np.uint64).reshape(len(sizes), -1))

    def words(self) -> bytes:
        """The patterns, one after the other."""
        return self.patterns.tobytes()


def is_wide(text: str) -> bool:
    """Whether a normalised text needs a wide pattern."""
    return width_of(_looked_at(text)[1].size) == _WIDE


class _Shelf:
    """The sketches of texts of about one size."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.numbers, self.groups = array("i"), array("i")
        self.folded, self.patterns = array("Q"), array("Q")

    def alike(self, sketch: Sketch) -> np.ndarray:
        """Places of texts whose pattern a near text may have; of small sets by the folded pattern, which is faster."""
        if self.width == _WIDE:
            return np.flatnonzero(self._bits(slice(None), sketch) <= sketch.most_bits)
        folded = np.frombuffer(self.folded, dtype=np.uint64)
        return np.flatnonzero(np.bitwise_count(folded ^ np.uint64(sketch.folded(64))) <= sketch.most_bits)

    def same(self, sketch: Sketch) -> np.ndarray:
        """Places of texts with this folded pattern."""
        return np.flatnonzero(np.frombuffer(self.folded, dtype=np.uint64) == np.uint64(sketch.folded(64)))

    def without(self, places: np.ndarray, found: Iterable[int]) -> np.ndarray:
        """The places that are of other groups."""
        for group in found:
            places = places[np.frombuffer(self.groups, dtype=np.intc)[places] != group]
        return places

    def pairs(self, places: np.ndarray) -> list[tuple[int, int]]:
        """Number and group of the texts at these places."""
        return [(self.numbers[place], self.groups[place]) for place in places]

    def closest(self, places: np.ndarray, sketch: Sketch) -> list[tuple[int, int, int]]:
        """(bits that differ, number, group) of the MAX_TRIED most similar of those that may be near."""
        bits = self._bits(places, sketch)
        order = np.argsort(bits, kind="stable")[:MAX_TRIED]
        order = order[bits[order] <= sketch.most_bits]
        return [(int(bits[n]), self.numbers[places[n]], self.groups[places[n]]) for n in order]

    def _bits(self, places: np.ndarray | slice, sketch: Sketch) -> np.ndarray:
        """In how many bits the patterns of texts at these places differ from this one."""
        patterns = np.frombuffer(self.patterns, dtype=np.uint64).reshape(-1, self.width // 64)[places]
        asked = sketch.folded(self.width).to_bytes(self.width // 8, "little")
        differing: np.ndarray = np.bitwise_count(patterns ^ np.frombuffer(asked, dtype=np.uint64))
        bits: np.ndarray = differing.sum(axis=1, dtype=np.intc)
        return bits


class _Texts:
    """Texts by number: those without a key are kept, others are read again when they are asked for."""

    def __init__(self, read: Callable[[str], str]) -> None:
        self._read = read
        self._keys = bytearray()
        self._kept: dict[int, str] = {}
        self._at_hand: dict[int, str] = {}
        self._unwritten: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._keys) // KEY_BYTES

    def add(self, text: str, key: str) -> None:
        """Put the text of the next number; one with a `key` is kept until it is `written`."""
        (self._unwritten if key else self._kept)[len(self)] = text
        self._keys += bytes.fromhex(key) if key else bytes(KEY_BYTES)

    def add_known(self, keys: Iterable[str]) -> None:
        """Count texts that lie elsewhere already."""
        self._keys += bytes.fromhex("".join(keys))

    def written(self) -> None:
        """From here on those with a key can be read."""
        self._unwritten.clear()

    def text(self, number: int) -> str:
        for known in (self._kept, self._unwritten, self._at_hand):
            if number in known:
                return known[number]
        text = self._read(self._keys[number * KEY_BYTES : (number + 1) * KEY_BYTES].hex())
        if len(self._at_hand) >= TEXTS_AT_HAND:
            del self._at_hand[next(iter(self._at_hand))]
        self._at_hand[number] = text
        return text


class NearTexts:
    """Texts of several groups, found again by near-duplicates.

    All patterns of texts of about the same size are compared, which takes a tenth of a millisecond for 100,000. Nothing
    near is missed while no more than MAX_TRIED texts have a pattern that a near one may have.
    """

    def __init__(self, texts: Mapping[str, str] | None = None, read: Callable[[str], str] = str) -> None:
        """`texts` maps each text to its group; `read` gives the text of a key."""
        self._texts = _Texts(read)
        self._groups: dict[str, int] = {}
        self._names: list[str] = []
        self._shelves: dict[int, _Shelf] = {}
        for text, group in (texts or {}).items():
            self.add(text, group)

    def add(self, text: str, group: str, key: str = "") -> None:
        """Remember a new text; under a key, from which `read` gives it once it is `written`, its sketch alone."""
        _, sketch = _looked_at(text)
        shelf = self._shelf(_shelf_of(sketch.size), width_of(sketch.size))
        shelf.numbers.append(len(self._texts))
        shelf.groups.append(self._code(group))
        shelf.folded.append(sketch.folded(64))
        shelf.patterns.frombytes(sketch.words())
        self._texts.add(text, key)

    def written(self) -> None:
        """All texts with a key can be read from here on."""
        self._texts.written()

    def add_known(self, keys: Sequence[str], groups: Sequence[str], sketches: Sketches) -> None:
        """Remember texts by sketches that were made before. They are read when they have to be compared."""
        first = len(self._texts)
        self._texts.add_known(keys)
        numbers, codes = np.arange(first, first + len(keys), dtype=np.intc), np.array([self._code(g) for g in groups])
        shelves = np.array([_shelf_of(size) for size in sketches.sizes])
        for place in np.unique(shelves).tolist():
            own, shelf = shelves == place, self._shelf(place, sketches.patterns.shape[1] * 64)
            shelf.numbers.frombytes(numbers[own].tobytes())
            shelf.groups.extend(codes[own].tolist())
            shelf.folded.frombytes(np.bitwise_xor.reduce(sketches.patterns[own], axis=1).tobytes())
            shelf.patterns.frombytes(sketches.patterns[own].tobytes())

    def _shelf(self, place: int, width: int) -> _Shelf:
        if place not in self._shelves:
            self._shelves[place] = _Shelf(width)
        return self._shelves[place]

    def _code(self, group: str) -> int:
        if group not in self._groups:
            self._groups[group] = len(self._names)
            self._names.append(group)
        return self._groups[group]

    def equal(self, text: str) -> str | None:
        """The group of this very text, None where it is not known."""
        _, sketch = _looked_at(text)
        shelf = self._shelves.get(_shelf_of(sketch.size))
        if shelf is None:
            return None
        for place in shelf.same(sketch):
            number = shelf.numbers[place]
            if self._texts.text(number) == text:
                group: int = shelf.groups[place]
                return self._names[group]
        return None

    def groups_near(self, text: str) -> frozenset[str]:
        """The groups that hold a text near to this one."""
        shingles, sketch = _looked_at(text)
        found, rest = set[int](), list[tuple[int, int, int]]()
        shelf_of = _shelf_of(sketch.size)
        for shelf in (self._shelves[n] for n in range(shelf_of - 1, shelf_of + 2) if n in self._shelves):
            places = shelf.alike(sketch)
            if len(places) > MAX_TRIED:
                self._try(shelf.pairs(places[-NEWEST:]), shingles, found)
                places = shelf.without(places, found)
            rest += shelf.closest(places, sketch)
        self._try([(number, group) for _, number, group in sorted(rest)[:MAX_TRIED]], shingles, found)
        return frozenset(self._names[group] for group in found)

    def _try(self, pairs: Iterable[tuple[int, int]], shingles: frozenset[str], found: set[int]) -> None:
        """Add to `found` the groups of those (number, group) that are near."""
        for number, group in pairs:
            if group in found:
                continue
            if are_near(frozenset(shingles_of(self._texts.text(number))), shingles):
                found.add(group)
