"""Near texts: an index that answers whether a set of texts holds a near-duplicate of another text.

Near means a Jaccard similarity of character 3-grams of 0.8 or more: one typing error in thirty letters, a word
more or less in a long question. Only the first 1,000 characters are compared.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from itertools import chain

import numpy as np

MAX_CHARS = 1000
"""Longer beginnings tell texts no better, and 3-grams of very long texts are all alike."""

MAX_LIST = 4000
"""How many of the newest texts of a group with one rare shingle in common are looked at."""

MAX_TRIED = 100
"""How many texts are compared in full."""


@lru_cache(maxsize=64)
def shingles_of(text: str) -> frozenset[str]:
    """The character 3-grams of a normalised text, its beginning and end marked by a space."""
    padded = f" {text[:MAX_CHARS]} "
    return frozenset([padded[i : i + 3] for i in range(max(len(padded) - 2, 1))])


def are_near(a: frozenset[str], b: frozenset[str]) -> bool:
    """Whether the Jaccard similarity of two sets is 0.8 or more, in whole numbers."""
    common = len(a & b)
    return 5 * common >= 4 * (len(a) + len(b) - common)


_MIN_HITS = 7
"""Rare shingles that near sets have in common at least, tiny sets apart. More: longer lists, fewer candidates."""


def _prefix_length(size: int) -> int:
    """How many of its rarest shingles represent a set of `size`. At most a fifth of it is missing in a near set."""
    return min(size // 5 + _MIN_HITS, size)


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


class _RareFirst(dict[str, int]):
    """Shingle -> place in an order that begins with the rare ones. What was never seen comes before all."""

    def __init__(self, texts: Iterable[str]) -> None:
        frequency = Counter(chain.from_iterable(map(shingles_of, texts)))
        by_rarity = sorted(frequency, key=lambda shingle: (frequency[shingle], shingle))
        super().__init__((shingle, rank) for rank, shingle in enumerate(by_rarity))

    def __missing__(self, shingle: str) -> int:
        return -len(self) - 1

    def learn(self, shingles: Iterable[str]) -> None:
        for shingle in sorted(shingle for shingle in shingles if shingle not in self):
            self[shingle] = -len(self) - 1

    def prefix(self, shingles: frozenset[str]) -> list[str]:
        return sorted(shingles, key=self.__getitem__)[: _prefix_length(len(shingles))]


class NearTexts:
    """Texts of several groups, found again by near-duplicates.

    Sets sorted alike that have much in common have something in common among their first members (prefix filter;
    J. Wang, G. Li, J. Feng, "Can we beat the prefix filtering?", SIGMOD 2012). Nothing near is missed while
    no list is longer than MAX_LIST and no more than MAX_TRIED texts have as many rare shingles in common; beyond
    that the newest, and those with most in common, are tried, so that the work for one text is bounded.
    """

    def __init__(self, texts: Mapping[str, str] | None = None) -> None:
        """`texts` maps each text to its group."""
        self._order = _RareFirst(texts or ())
        self._texts: list[str] = []
        self._sizes = array("i")
        self._groups: list[str] = []
        self._lists: dict[str, dict[str, array[int]]] = {}
        for text, group in (texts or {}).items():
            self.add(text, group)

    def add(self, text: str, group: str) -> None:
        """Remember a new text."""
        shingles = shingles_of(text)
        self._order.learn(shingles)
        lists = self._lists.setdefault(group, {})
        for shingle in self._order.prefix(shingles):
            lists.setdefault(shingle, array("i")).append(len(self._texts))
        self._texts.append(text)
        self._sizes.append(len(shingles))
        self._groups.append(group)

    def groups_near(self, text: str) -> frozenset[str]:
        """The groups that hold a text near to this one."""
        shingles = shingles_of(text)
        prefix = self._order.prefix(shingles)
        found: set[str] = set()
        rest: list[array[int]] = []
        for lists_of in self._lists.values():
            lists = [lists_of[shingle] for shingle in prefix if shingle in lists_of]
            family = self._groups_among(_newest(lists), shingles) if sum(map(len, lists)) > MAX_LIST else set()
            found |= family
            rest += [] if family else lists
        return frozenset(found | self._groups_among(self._candidates(rest, len(shingles)), shingles))

    def _groups_among(self, numbers: Iterable[int], shingles: frozenset[str]) -> set[str]:
        found: set[str] = set()
        for number in numbers:
            if self._groups[number] not in found and are_near(shingles_of(self._texts[number]), shingles):
                found.add(self._groups[number])
        return found

    def _candidates(self, lists: Sequence[array[int]], size: int) -> list[int]:
        """Numbers of the texts in enough of the lists to be near to a set of `size`, most in common first."""
        needed = _needed_hits(size)
        least = int(needed.min())
        if len(lists) < least:
            return []
        newest = [members if len(members) <= MAX_LIST else members[-MAX_LIST:] for members in lists]
        hits = np.frombuffer(bytearray().join(newest), dtype=np.intc)
        hits.sort()
        often = hits[least - 1 :][hits[least - 1 :] == hits[: len(hits) - least + 1]]
        if not often.size:
            return []
        numbers, repeats = np.unique(often, return_counts=True)
        counts = repeats + (least - 1)
        sizes = np.frombuffer(self._sizes, dtype=np.intc)[numbers]
        enough = counts >= needed[np.minimum(sizes, len(needed) - 1)]
        return numbers[enough][np.argsort(-counts[enough], kind="stable")][:MAX_TRIED].tolist()


def _newest(lists: Sequence[array[int]]) -> set[int]:
    """Long lists are likely those of a family of alike texts, where any member will do."""
    return {members[-1] for members in sorted(lists, key=len)[-2:]}
