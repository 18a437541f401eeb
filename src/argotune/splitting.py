"""Splitting: which part of the data a question belongs to, for ever, with near-duplicates kept together.

Text and hashes only; what the questions are labelled with is no concern of this file.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from itertools import chain

import numpy as np

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


_NO_WORD = re.compile(r"[^a-z0-9]+")


def normalised(query: str) -> str:
    """The query without what people vary by accident: case, width, accents, punctuation, white space. Digits stay.

    A query of nothing but signs (an emoji, "???") keeps them.
    """
    if query.isascii():
        return " ".join(_NO_WORD.sub(" ", query.lower()).split() or query.split())
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


@lru_cache(maxsize=64)
def _shingles(text: str) -> frozenset[str]:
    padded = f" {text} "
    return frozenset([padded[i : i + 3] for i in range(max(len(padded) - 2, 1))])


def _is_near(a: frozenset[str], b: frozenset[str]) -> bool:
    """Whether the Jaccard similarity is 0.8 or more, in whole numbers."""
    common = len(a & b)
    return 5 * common >= 4 * (len(a) + len(b) - common)


_MIN_HITS = 5
"""Rare shingles that near sets have in common at least, tiny sets apart. More: longer lists, fewer candidates."""


def _prefix_length(size: int) -> int:
    """How many of its rarest shingles represent a set of `size`. At most a fifth of it is missing in a near set."""
    return min(size // 5 + _MIN_HITS, size)


@cache
def _needed_hits(size: int) -> dict[int, int]:
    """Size of another set -> how many shingles the prefixes of two near sets have in common at least.

    Near sets share at least 4/9 of the sum of their sizes, and what one lacks may all lie in its prefix.
    """
    needed = {}
    for other in range(-(-4 * size // 5), size * 5 // 4 + 1):
        common = -(-4 * (size + other) // 9)
        needed[other] = min(_prefix_length(n) - (n - common) for n in (size, other))
    return needed


class _Ranks(dict[str, int]):
    """Shingle -> place in the order from rare to frequent. What was never seen comes first."""

    def __missing__(self, shingle: str) -> int:
        return -len(self) - 1


_CROWDED = 4096
"""From so many postings on it pays to try a few before counting all: they are likely a family of alike texts."""


class _KnownTexts:
    """Texts and their splits, found again by near-duplicates. Exact: nothing near is missed.

    Sets sorted alike that have much in common have something in common among their first members (prefix filter;
    J. Wang, G. Li, J. Feng, "Can we beat the prefix filtering?", SIGMOD 2012). Sorting the rarest first keeps
    the lists short. How rare a shingle is, is counted again whenever there are four times as many texts.
    """

    def __init__(self) -> None:
        self._split_of: dict[str, Split] = {}
        self._texts: list[str] = []
        self._sizes: list[int] = []
        self._ranks = _Ranks()
        self._postings: dict[Split, dict[str, array[int]]] = {split: {} for split in Split}
        self._recount_at = 1024

    def add(self, text: str, split: Split) -> None:
        """Remember a text. One that is known stays in its split."""
        if text in self._split_of:
            return
        self._split_of[text] = split
        self._texts.append(text)
        self._sizes.append(len(_shingles(text)))
        self._index(len(self._texts) - 1)
        if len(self._texts) >= self._recount_at:
            self._recount()

    def splits_near(self, text: str) -> frozenset[Split]:
        """The split of this very text when it is known, else of all known texts near to it."""
        if text in self._split_of:
            return frozenset((self._split_of[text],))
        shingles = _shingles(text)
        prefix = self._prefix(shingles)
        found: set[Split] = set()
        lists: list[array[int]] = []
        for split, postings in self._postings.items():
            of_split = [postings[shingle] for shingle in prefix if shingle in postings]
            if self._is_family(of_split, shingles):
                found.add(split)
            else:
                lists += of_split
        return frozenset(found | self._splits_among(self._often(lists, len(shingles)), shingles))

    def _is_family(self, lists: Sequence[array[int]], shingles: frozenset[str]) -> bool:
        if sum(map(len, lists)) < _CROWDED:
            return False
        longest = sorted(lists, key=len)[-4:]
        return bool(self._splits_among((members[-1] for members in longest), shingles))

    def _splits_among(self, numbers: Iterable[int], shingles: frozenset[str]) -> set[Split]:
        found: set[Split] = set()
        for number in numbers:
            text = self._texts[number]
            if self._split_of[text] not in found and _is_near(_shingles(text), shingles):
                found.add(self._split_of[text])
        return found

    def _often(self, lists: Sequence[array[int]], size: int) -> Iterator[int]:
        """Numbers of the texts that are in enough of the lists to be near to a set of `size`."""
        needed = _needed_hits(size)
        least = min(needed.values())
        hits = np.frombuffer(bytearray().join(lists), dtype=np.intc)
        hits.sort()
        earlier, later = hits[: max(len(hits) - least + 1, 0)], hits[least - 1 :]
        for number, more in Counter(later[earlier == later].tolist()).items():
            if more + least - 1 >= needed.get(self._sizes[number], size + 1):
                yield number

    def _prefix(self, shingles: frozenset[str]) -> list[str]:
        return sorted(shingles, key=self._ranks.__getitem__)[: _prefix_length(len(shingles))]

    def _index(self, number: int) -> None:
        text = self._texts[number]
        shingles = _shingles(text)
        for shingle in [new for new in shingles if new not in self._ranks]:
            self._ranks[shingle] = -len(self._ranks) - 1
        postings = self._postings[self._split_of[text]]
        for shingle in self._prefix(shingles):
            postings.setdefault(shingle, array("i")).append(number)

    def _recount(self) -> None:
        frequency = Counter(chain.from_iterable(map(_shingles, self._texts)))
        by_rarity = sorted(frequency, key=frequency.__getitem__)
        self._ranks = _Ranks((shingle, rank) for rank, shingle in enumerate(by_rarity))
        self._postings = {split: {} for split in Split}
        for number in range(len(self._texts)):
            self._index(number)
        self._recount_at = 4 * len(self._texts)
