"""Near texts: an index that answers whether a set of texts holds a near-duplicate of another text.

Near means a Jaccard similarity of character 3-grams of 0.8 or more: one typing error in thirty letters, a word
more or less in a long question. Only the first 1,000 characters are compared.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, reduce
from itertools import chain
from operator import xor
from typing import Any

import numpy as np

MAX_CHARS = 1000
"""Longer beginnings tell texts no better, and 3-grams of very long texts are all alike."""

MAX_LIST = 4000
"""How many of the newest texts of a group with one rare shingle in common are looked at."""

MAX_TRIED = 50
"""How many texts are compared in full."""


def shingles_of(text: str) -> list[str]:
    """The character 3-grams of a normalised text, its beginning and end marked by a space."""
    padded = f" {text[:MAX_CHARS]} "
    return [padded[i : i + 3] for i in range(max(len(padded) - 2, 1))]


def are_near(a: frozenset[Any], b: frozenset[Any]) -> bool:
    """Whether the Jaccard similarity of two sets is 0.8 or more, in whole numbers."""
    common = len(a & b)
    return 5 * common >= 4 * (len(a) + len(b) - common)


def _prefix_length(size: int) -> int:
    """How many of its rarest shingles represent a set of `size`: more than the fifth that a near one may lack.

    How many more is how many hits near sets have at least. Large sets need them, as chance gives them one or two.
    """
    return min(size // 5 + (1 if size <= _SMALL else 7), size)


@cache
def _needed_hits(size: int) -> np.ndarray:
    """For each size of another set: how many shingles the prefixes of two near sets have in common at least.

    Near sets share at least 4/9 of the sum of their sizes, and what one lacks may all lie in its prefix. Sizes
    that cannot be near, and the last entry for all larger ones, need more hits than there are.
    """
    needed = np.full(size * 5 // 4 + 2, size + 1, dtype=np.intc)
    for other in range(-(-4 * size // 5), size * 5 // 4 + 1):
        common = -(-4 * (size + other) // 9)
        needed[other] = min(_prefix_length(n) - (n - common) for n in (size, other))
    return needed


_SMALL = 64
"""Sets of up to this many shingles are told apart by their patterns alone."""

_BITS = 256
_BIT = [1 << position for position in range(_BITS)]
_WORDS = _BITS // 64


class _RareFirst(dict[str, int]):
    """Shingle -> place in an order that begins with the rare ones. New ones come before all."""

    def __init__(self, texts: Iterable[str]) -> None:
        frequency = Counter(chain.from_iterable(map(shingles_of, texts)))
        by_rarity = sorted(frequency, key=lambda shingle: (frequency[shingle], shingle))
        super().__init__((shingle, rank) for rank, shingle in enumerate(by_rarity))

    def __missing__(self, shingle: str) -> int:
        self[shingle] = rank = -len(self) - 1
        return rank

    def ranks(self, text: str) -> frozenset[int]:
        """The set of shingles of a text, as their places."""
        return frozenset(map(self.__getitem__, shingles_of(text)))


@dataclass(slots=True)
class _Sketch:
    """What tells a text from those that are far: its shingles by rank, the rarest of them, and a bit pattern.

    Each shingle flips one bit of the pattern. So patterns differ in no more bits than sets differ in members;
    `folded` is the pattern laid over itself, of which the same is true.
    """

    ranks: frozenset[int]
    rarest: list[int]
    pattern: bytes
    folded: int

    @property
    def most_bits(self) -> int:
        """In how many bits the pattern of a near text may differ: sets of n and of 5/4 n differ in n/4 members."""
        return len(self.ranks) // 4


def _sketch(ranks: frozenset[int]) -> _Sketch:
    bits = reduce(xor, [_BIT[rank % _BITS] for rank in ranks], 0)
    halves = bits ^ bits >> 128
    folded = (halves ^ halves >> 64) & (1 << 64) - 1
    return _Sketch(ranks, sorted(ranks)[: _prefix_length(len(ranks))], bits.to_bytes(_BITS // 8, "little"), folded)


class NearTexts:
    """Texts of several groups, found again by near-duplicates.

    Sets sorted alike, of which one lacks a fifth of the other at most, share one of the first fifth of their
    members (prefix filter; S. Chaudhuri, V. Ganti, R. Kaushik, "A primitive operator for similarity joins in data
    cleaning", ICDE 2006). Nothing near is missed while no list is longer than MAX_LIST and no more than MAX_TRIED
    texts have a pattern that a near one may have; beyond that the newest, and those with the most similar
    patterns, are tried, so that the work for one text is bounded.
    """

    def __init__(self, texts: Mapping[str, str] | None = None) -> None:
        """`texts` maps each text to its group."""
        self._order = _RareFirst(texts or ())
        self._texts: list[str] = []
        self._patterns, self._folded, self._sizes = array("Q"), array("Q"), array("i")
        self._groups: list[str] = []
        self._lists: dict[str, dict[int, array[int]]] = {}
        self._sketch_of = lru_cache(maxsize=1)(lambda text: _sketch(self._order.ranks(text)))
        for text, group in (texts or {}).items():
            self.add(text, group)

    def add(self, text: str, group: str) -> None:
        """Remember a new text."""
        sketch = self._sketch_of(text)
        lists = self._lists.setdefault(group, {})
        for rank in sketch.rarest:
            if rank in lists:
                lists[rank].append(len(self._texts))
            else:
                lists[rank] = array("i", [len(self._texts)])
        self._texts.append(text)
        self._patterns.frombytes(sketch.pattern)
        self._folded.append(sketch.folded)
        self._sizes.append(len(sketch.ranks))
        self._groups.append(group)

    def groups_near(self, text: str) -> frozenset[str]:
        """The groups that hold a text near to this one."""
        sketch = self._sketch_of(text)
        found: set[str] = set()
        rest: list[array[int]] = []
        for lists_of in self._lists.values():
            lists = [lists_of[rank] for rank in sketch.rarest if rank in lists_of]
            family = self._groups_among(_newest(lists), sketch) if sum(map(len, lists)) > MAX_LIST else set()
            found |= family
            rest += [] if family else lists
        return frozenset(found | self._groups_among(self._alike(rest, sketch), sketch))

    def _groups_among(self, numbers: Iterable[int], sketch: _Sketch) -> set[str]:
        found: set[str] = set()
        for number in numbers:
            if self._groups[number] not in found and are_near(self._order.ranks(self._texts[number]), sketch.ranks):
                found.add(self._groups[number])
        return found

    def _alike(self, lists: Sequence[array[int]], sketch: _Sketch) -> list[int]:
        """Numbers of the texts in any of the lists whose patterns a near text may have, the most similar first."""
        newest = bytearray().join([members if len(members) <= MAX_LIST else members[-MAX_LIST:] for members in lists])
        numbers = np.frombuffer(newest, dtype=np.intc)
        folded = np.frombuffer(self._folded, dtype=np.uint64)
        numbers = numbers[np.bitwise_count(folded[numbers] ^ np.uint64(sketch.folded)) <= sketch.most_bits]
        if not numbers.size:
            return []
        numbers, hits = np.unique(numbers, return_counts=True)
        needed = _needed_hits(len(sketch.ranks))
        sizes = np.frombuffer(self._sizes, dtype=np.intc)[numbers]
        numbers = numbers[hits >= needed[np.minimum(sizes, len(needed) - 1)]]
        patterns = np.frombuffer(self._patterns, dtype=np.uint64).reshape(-1, _WORDS)[numbers]
        bits = np.bitwise_count(patterns ^ np.frombuffer(sketch.pattern, dtype=np.uint64)).sum(axis=1)
        close = bits <= sketch.most_bits
        return numbers[close][np.argsort(bits[close], kind="stable")][:MAX_TRIED].tolist()


def _newest(lists: Sequence[array[int]]) -> set[int]:
    """Long lists are likely those of a family of alike texts, where any member will do."""
    return {members[-1] for members in sorted(lists, key=len)[-2:]}
