"""Splitting: which part of the data a question belongs to, for ever, with near-duplicates kept together.

Text and hashes only; what the questions are labelled with is no concern of this file.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import chain

from argotune.tenants import SplitShares


class Split(StrEnum):
    """Which part of the data an example belongs to, for ever. Only `evaluate` opens TEST."""

    TRAIN = "train"
    DEV = "dev"
    TEST = "test"


@dataclass(frozen=True)
class Bridged:
    """A question near to known ones of several splits: in any of them it would leak text of another."""

    splits: frozenset[Split]


_ACCENTS = 200
"""Canonical combining classes from here on are accents. Lower ones are vowels and other parts of letters in
Indic, Thai, Hebrew, Arabic and Japanese writing, without which words would fall together."""


def normalised(query: str) -> str:
    """The query without what people vary by accident: case, width, accents, punctuation, white space. Digits stay.

    A query of nothing but signs (an emoji, "???") keeps them.
    """
    decomposed = unicodedata.normalize("NFKD", query)
    plain = "".join(c for c in decomposed if unicodedata.combining(c) < _ACCENTS).casefold()
    composed = unicodedata.normalize("NFKC", plain)
    words = "".join(c if unicodedata.category(c)[0] in "LNM" else " " for c in composed).split()
    return " ".join(words or query.split())


def split_of_key(key: str, shares: SplitShares) -> Split:
    """The split of a normalised query, by its SHA-256: the same in every run and release."""
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64
    if position < shares.test:
        return Split.TEST
    return Split.DEV if position < shares.test + shares.dev else Split.TRAIN


class Splitter:
    """Places questions one after the other; the same known ones and the same sequence always give the same splits.

    `known` are (query, split) pairs that earlier splitters answered. Their order does not matter.
    """

    def __init__(self, shares: SplitShares, known: Iterable[tuple[str, Split]] = ()) -> None:
        self._shares = shares
        self._known = _KnownTexts()
        for query, split in known:
            self._known.add(normalised(query), split)

    def place(self, query: str) -> Split | Bridged:
        """The split of the known question that is equal or near to this one, else what its hash says.

        What is placed becomes known, a bridged question does not. The whole family of near-duplicates of a
        question must be in one split, so asking for the nearest and asking for any gives the same answer.
        """
        key = normalised(query)
        splits = self._known.splits_near(key)
        if len(splits) > 1:
            return Bridged(splits)
        split = next(iter(splits), None) or split_of_key(key, self._shares)
        self._known.add(key, split)
        return split


def are_near(a: str, b: str) -> bool:
    """Whether two normalised queries are near-duplicates: Jaccard similarity of character 3-grams of 0.8 or more."""
    return _is_near(_shingles(a), _shingles(b))


def _shingles(text: str) -> set[str]:
    padded = f" {text} "
    return {padded[i : i + 3] for i in range(max(len(padded) - 2, 1))}


def _is_near(a: set[str], b: set[str]) -> bool:
    common = len(a & b)
    return 5 * common >= 4 * (len(a) + len(b) - common)


def _least_common(size: int) -> int:
    """How many shingles a set of `size` must share with any set that is near to it: 0.8 of them, rounded up."""
    return -(-4 * size // 5)


_SHARED = 3
"""Rare shingles that two near texts must share; more means longer lists and fewer false candidates."""

@cache
def _needed_hits(size: int) -> dict[int, int]:
    """How many shingles the prefixes of two near sets share at least: size of the other set -> number.

    Sets that are near have at least 4/9 of their sizes' sum in common; what either lacks may all be in its prefix.
    """
    others = range(_least_common(size), size * 5 // 4 + 1)
    return {other: min(_spare(size, other), _spare(other, size)) for other in others}


def _spare(size: int, other: int) -> int:
    common = -(-4 * (size + other) // 9)
    return min(_prefix_length(size), size) - (size - common)


def _prefix_length(size: int) -> int:
    return size - _least_common(size) + _SHARED


_CROWDED = 64
"""Posting lists longer than this belong to families of alike texts; their newest members are tried first."""


class _KnownTexts:
    """Texts and their splits, found again by near-duplicates. Exact: nothing near is missed.

    Two near sets that are sorted alike share `_SHARED` members among the first `size - 0.8 * size + _SHARED`
    (prefix filter; J. Wang, G. Li, J. Feng, "Can we beat the prefix filtering?", SIGMOD 2012). Sorting the rarest
    first keeps the lists short. How rare a shingle is, is counted again whenever there are four times as many texts.
    """

    def __init__(self) -> None:
        self._split_of: dict[str, Split] = {}
        self._texts: list[str] = []
        self._sizes: list[int] = []
        self._rank: dict[str, int] = {}
        self._lowest_rank = 0
        self._postings: dict[Split, dict[str, list[int]]] = {split: {} for split in Split}
        self._recount_at = 1024

    def add(self, text: str, split: Split) -> None:
        """Remember a text. One that is known stays in its split."""
        if text in self._split_of:
            return
        self._split_of[text] = split
        self._texts.append(text)
        shingles = _shingles(text)
        self._sizes.append(len(shingles))
        self._index(len(self._texts) - 1, shingles)
        if len(self._texts) >= self._recount_at:
            self._recount()

    def splits_near(self, text: str) -> frozenset[Split]:
        """The split of this very text when it is known, else of all known texts near to it."""
        if text in self._split_of:
            return frozenset((self._split_of[text],))
        shingles = _shingles(text)
        prefix = self._prefix(shingles)
        return frozenset(split for split in Split if self._has_near(split, shingles, prefix))

    def _has_near(self, split: Split, shingles: set[str], prefix: Sequence[str]) -> bool:
        postings = self._postings[split]
        lists = [postings[shingle] for shingle in prefix if shingle in postings]
        crowded = chain.from_iterable(members[-2:] for members in lists if len(members) > _CROWDED)
        if any(self._near(number, shingles) for number in crowded):
            return True
        needed = _needed_hits(len(shingles))
        sizes = self._sizes
        hits = Counter(chain.from_iterable(lists))
        candidates = [number for number, count in hits.items() if count >= needed.get(sizes[number], count + 1)]
        return any(self._near(number, shingles) for number in candidates)

    def _near(self, number: int, shingles: set[str]) -> bool:
        small, large = sorted((self._sizes[number], len(shingles)))
        return small >= _least_common(large) and _is_near(_shingles(self._texts[number]), shingles)

    def _prefix(self, shingles: set[str]) -> list[str]:
        # Shingles without a rank are in no known text, so their order among themselves cannot matter.
        rank, lowest = self._rank, self._lowest_rank
        ordered = sorted(shingles, key=lambda shingle: rank.get(shingle, lowest))
        return ordered[: _prefix_length(len(ordered))]

    def _index(self, number: int, shingles: set[str]) -> None:
        for shingle in shingles:
            if shingle not in self._rank:
                self._lowest_rank -= 1
                self._rank[shingle] = self._lowest_rank
        postings = self._postings[self._split_of[self._texts[number]]]
        for shingle in self._prefix(shingles):
            postings.setdefault(shingle, []).append(number)

    def _recount(self) -> None:
        frequency = Counter(chain.from_iterable(map(_shingles, self._texts)))
        self._rank = {shingle: rank for rank, shingle in enumerate(sorted(frequency, key=frequency.__getitem__))}
        self._lowest_rank = 0
        self._postings = {split: {} for split in Split}
        for number, text in enumerate(self._texts):
            self._index(number, _shingles(text))
        self._recount_at = 4 * len(self._texts)
