"""Splitting: which part of the data a question belongs to, for ever, with near-duplicates kept together.

Text and hashes only; what the questions are labelled with is no concern of this file.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from argotune.data.near_texts import NearTexts
from argotune.tenants.config import SplitShares


class Split(StrEnum):
    """Which part of the data an example belongs to, for ever. Only `evaluate` opens TEST."""

    TRAIN = "train"
    DEV = "dev"
    TEST = "test"


def split_when_opened(id: str, shares: SplitShares) -> Split:
    """Where a test example with this id belongs when it was opened: by a hash of its id, in the proportion of the
    shares that are left."""
    place = int.from_bytes(hashlib.sha256(f"opened\n{id}".encode()).digest()[:8], "big") / 2**64
    return Split.DEV if place < shares.dev / (shares.dev + shares.train) else Split.TRAIN


@dataclass(frozen=True)
class Bridged:
    """A question near to known ones of several splits: in any of them it would leak text of another."""

    splits: frozenset[Split]


_ACCENTS = 200
"""Canonical combining classes from here on are accents. Lower ones are vowels and other parts of letters in
Indic, Thai, Hebrew, Arabic and Japanese writing, without which words would fall together."""


_NO_WORD = re.compile(r"[^a-z0-9]+")


class _Replaced(dict[int, str]):
    """A table for `str.translate` that asks `rule` about each character once."""

    def __init__(self, rule: Callable[[str], str]) -> None:
        super().__init__()
        self._rule = rule

    def __missing__(self, code: int) -> str:
        self[code] = replacement = self._rule(chr(code))
        return replacement


_WITHOUT_ACCENTS = _Replaced(lambda c: c if unicodedata.combining(c) < _ACCENTS else "")
_WORDS_ONLY = _Replaced(lambda c: c if unicodedata.category(c)[0] in "LNM" else " ")


def normalised(query: str) -> str:
    """The query without what people vary by accident: case, width, accents, punctuation, white space. Digits stay.

    A query of nothing but signs (an emoji, "???") keeps them.
    """
    if query.isascii():
        return " ".join(_NO_WORD.sub(" ", query.lower()).split() or query.split())
    plain = unicodedata.normalize("NFKD", query).translate(_WITHOUT_ACCENTS).casefold()
    words = unicodedata.normalize("NFKC", plain).translate(_WORDS_ONLY).split()
    return " ".join(words or query.split())


def split_of_key(key: str, shares: SplitShares) -> Split:
    """The split of a normalised query, by its SHA-256: the same in every run and release."""
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64
    if position < shares.test:
        return Split.TEST
    return Split.DEV if position < shares.test + shares.dev else Split.TRAIN


def sealed_first(known: Iterable[tuple[str, Split]]) -> dict[str, Split]:
    """The splits of questions whose texts were changed after they were placed, by normalised question.

    Of questions that became equal or near in different splits the sealed one keeps its place, then dev; the others
    are left out, to be placed anew: a test question never becomes training data by this.
    """
    pairs, splits, near = list(known), dict[str, Split](), NearTexts()
    for split in (Split.TEST, Split.DEV, Split.TRAIN):
        for key in sorted({normalised(query) for query, its_split in pairs if its_split is split}):
            if near.groups_near(key) <= {split}:
                splits[key] = split
                near.add(key, split)
    return splits


class Splitter:
    """Places questions one after the other; the same known ones and the same sequence always give the same splits.

    `known` are (query, split) pairs that earlier splitters answered, `promised` those of questions that were chosen to
    become known; the order within each does not matter. `near` is an index of further known questions. A promise that
    known ones have overtaken, as masking may make questions equal, is not kept.
    """

    def __init__(
        self,
        shares: SplitShares,
        known: Iterable[tuple[str, Split]] = (),
        promised: Iterable[tuple[str, Split]] = (),
        near: NearTexts | None = None,
    ) -> None:
        self._shares = shares
        self._near, self._has_index = near or NearTexts(), near is not None
        self._split_of: dict[str, Split] = {}
        for key, split in sorted((normalised(query), split) for query, split in known):
            if key not in self._split_of:
                self._remember(key, split)
        for key, split in sorted((normalised(query), split) for query, split in promised):
            if self._known(key) is None and self._near.groups_near(key) <= {split}:
                self._remember(key, split)

    def place(self, query: str, id: str = "") -> Split | Bridged:
        """The split of the known question that is equal or near to this one, else what its hash says. `id` is that of
        the question's example, by which the index of known ones can read it.

        What is placed becomes known, a bridged question does not. When all near ones are in one split it does
        not matter which of them is nearest.
        """
        key = normalised(query)
        split = self._look(key)
        if isinstance(split, Split) and self._known(key) is None:
            self._remember(key, split, id)
        return split

    def preview(self, query: str) -> Split | Bridged:
        """What `place` would answer now; nothing becomes known."""
        return self._look(normalised(query))

    def is_known(self, query: str) -> bool:
        """Whether this very question has a place."""
        return self._known(normalised(query)) is not None

    def _look(self, key: str) -> Split | Bridged:
        known = self._known(key)
        if known is not None:
            return known
        splits = frozenset(map(Split, self._near.groups_near(key)))
        if len(splits) > 1:
            return Bridged(splits)
        return next(iter(splits), None) or split_of_key(key, self._shares)

    def _known(self, key: str) -> Split | None:
        if key in self._split_of or not self._has_index:
            return self._split_of.get(key)
        found = self._near.equal(key)
        return None if found is None else Split(found)

    def _remember(self, key: str, split: Split, id: str = "") -> None:
        if not (id and self._has_index):
            self._split_of[key] = split
        self._near.add(key, split, id if self._has_index else "")
