"""Reading list: which examples of a program a pass reads, where there are more than `training.max_examples`.

No text is read to make it: labels and times lie beside the questions (question_rows.py). However many examples there
are, 30 bytes of each are in memory while it is made.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from argotune.data.splitting import Split

LEAST_OF_AN_ANSWER = 20
"""Training examples of a right answer that are read before others have more: what is rare stays known."""

_ID_BYTES = 12
_SPLITS = tuple(Split)


@dataclass(frozen=True, slots=True)
class Listed:
    """What tells an example from others without its text. `answer` is a digest of the right one, in hex digits; `at`
    is when its question was asked last."""

    id: str
    split: Split
    answer: str
    is_trusted: bool
    at: datetime


def quotas(counts: Mapping[Split, int], most: int) -> dict[Split, int]:
    """How many of each split are read where there are so many: the same share of each, and one at least."""
    total = sum(counts.values())
    if total <= most:
        return dict(counts)
    found = {split: max(1, most * n // total) if n else 0 for split, n in counts.items()}
    largest_first = sorted(counts, key=lambda split: -counts[split])
    found[largest_first[0]] -= max(0, sum(found.values()) - most)
    for split in largest_first:
        found[split] += found[split] < counts[split] and sum(found.values()) < most
    return found


def reading_list(listed: Iterable[Listed], most: int) -> dict[Split, tuple[str, ...]]:
    """The ids of those that are read, sorted, by split: the same ones in whatever order they come.

    Those with trusted labels go first, then those that were asked last. Of the training examples LEAST_OF_AN_ANSWER of
    each right answer are read, if there are as many, and of the rest the same share of each answer. Dev and test
    measure, so nothing else is looked at there: they stay as answers are distributed.
    """
    columns = _Columns()
    for example in listed:
        columns.add(example)
    return columns.chosen(most)


class _Columns:
    """What is known of each example, in columns."""

    def __init__(self) -> None:
        self._ids, self._splits, self._trusted = bytearray(), bytearray(), bytearray()
        self._at, self._answers = array("d"), array("Q")

    def add(self, example: Listed) -> None:
        self._ids += bytes.fromhex(example.id)
        self._splits.append(_SPLITS.index(example.split))
        self._trusted.append(example.is_trusted)
        self._at.append(example.at.timestamp())
        self._answers.append(int(example.answer[:16], 16))

    def chosen(self, most: int) -> dict[Split, tuple[str, ...]]:
        splits = np.frombuffer(self._splits, dtype=np.uint8)
        places = {split: np.flatnonzero(splits == code) for code, split in enumerate(_SPLITS)}
        room = quotas({split: len(own) for split, own in places.items()}, most)
        return {split: self._named(self._first(own, split)[: room[split]]) for split, own in places.items()}

    def _first(self, places: np.ndarray, split: Split) -> np.ndarray:
        """These, in the order in which they are read."""
        ids = np.frombuffer(self._ids, dtype=f"S{_ID_BYTES}")[places]
        at = np.frombuffer(self._at, dtype=np.float64)[places]
        trusted = np.frombuffer(self._trusted, dtype=np.uint8)[places]
        by_worth = places[np.lexsort((ids, -at, trusted == 0))]
        if split is not Split.TRAIN:
            return by_worth
        answers = np.frombuffer(self._answers, dtype=np.uint64)[by_worth]
        found: np.ndarray = by_worth[np.argsort(_depth(answers), kind="stable")]
        return found

    def _named(self, places: np.ndarray) -> tuple[str, ...]:
        starts = (_ID_BYTES * int(place) for place in places)
        return tuple(sorted(self._ids[start : start + _ID_BYTES].hex() for start in starts))


def _depth(answers: np.ndarray) -> np.ndarray:
    """How deep an example stands among those of its answer, the best first: below 1 the first LEAST_OF_AN_ANSWER, above
    it by the share of them that stand before it, so that a cut leaves the same share of each answer."""
    _, codes, counts = np.unique(answers, return_inverse=True, return_counts=True)
    ranks = np.empty(len(answers), dtype=np.int64)
    ranks[np.argsort(codes, kind="stable")] = np.arange(len(answers)) - np.repeat(np.cumsum(counts) - counts, counts)
    shares = (ranks + 0.5) / counts[codes]
    depth: np.ndarray = np.where(ranks < LEAST_OF_AN_ANSWER, ranks / LEAST_OF_AN_ANSWER, 1 + shares)
    return depth
