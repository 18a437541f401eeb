"""Dataset: what `collect` hands on for one program of one tenant: sums over its examples, and the examples that are
asked for, no more of them than the config lets a run read."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from typing import Protocol

from argotune.data.examples import Example
from argotune.data.experiences import query_of
from argotune.data.reading_list import Listed, quotas, reading_list
from argotune.data.splitting import Split
from argotune.store.sealing import digest

_MODULUS = 2**256

NO_BOUND = sys.maxsize


@dataclass
class ExampleSums:
    """Sums over the examples of a program, changed by those that come and go.

    `counts` and `trusted` are by split, `words` those of the training questions, `labels` how often each right answer
    is that of a training example, by a digest of it. `hashed` becomes `data_hash`.
    """

    counts: dict[str, int] = field(default_factory=dict)
    trusted: dict[str, int] = field(default_factory=dict)
    words: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    hashed: str = ""

    @classmethod
    def of(cls, examples: Iterable[Example]) -> ExampleSums:
        """The sums over these."""
        found = cls()
        for example in examples:
            found.add(example)
        return found

    def copied(self) -> ExampleSums:
        """The same sums, to be changed without these."""
        return replace(self, counts=dict(self.counts), trusted=dict(self.trusted), labels=dict(self.labels))

    def add(self, example: Example, sign: int = 1) -> None:
        """Count an example, or take it off with a `sign` of -1."""
        split = example.split
        self.counts[split] = self.counts.get(split, 0) + sign
        self.trusted[split] = self.trusted.get(split, 0) + sign * example.source.is_trusted
        if split is not Split.TEST:
            self.hashed = _sum(self.hashed, sign * _number(example))
        if split is Split.TRAIN:
            self.words += sign * len(query_of(example.inputs).split())
            key = digest(dict(example.expected))[:12]
            self.labels[key] = self.labels.get(key, 0) + sign
            if not self.labels[key]:
                del self.labels[key]

    def count(self, *splits: Split) -> int:
        """The number of examples in these splits, or in all."""
        return sum(self.counts.get(split, 0) for split in splits or Split)

    def trusted_share(self, *splits: Split) -> float | None:
        """The share of labels that are of people or an independent annotator; None without examples."""
        n = self.count(*splits)
        return sum(self.trusted.get(split, 0) for split in splits or Split) / n if n else None

    @property
    def words_per_query(self) -> float | None:
        """Of the training questions."""
        n = self.count(Split.TRAIN)
        return self.words / n if n else None

    @property
    def data_hash(self) -> str:
        """That of the training and dev examples."""
        return self.hashed or _sum("", 0)


class Examples(Protocol):
    """Where the examples of a program lie."""

    def each(self) -> Iterable[Example]:
        """All of them, one after the other."""

    def of(self, ids: Iterable[str]) -> Iterable[Example]:
        """The named ones in that order; those that are gone are left out."""

    def listed(self) -> Iterable[Listed]:
        """What tells each from the others; no text is read."""


@dataclass(frozen=True)
class KnownExamples(Examples):
    """Examples that are in memory."""

    known: Sequence[Example]

    def each(self) -> Iterable[Example]:
        return self.known

    def of(self, ids: Iterable[str]) -> Iterable[Example]:
        return [self._by_id[id] for id in ids if id in self._by_id]

    def listed(self) -> Iterable[Listed]:
        at = datetime.min.replace(tzinfo=UTC)
        return (Listed(e.id, e.split, digest(dict(e.expected)), e.source.is_trusted, at) for e in self.known)

    @cached_property
    def _by_id(self) -> Mapping[str, Example]:
        """An example's id is a digest: it is computed once."""
        return {example.id: example for example in self.known}


@dataclass(frozen=True)
class Dataset:
    """The examples of one program, read when they are asked for. `accuracy` is how often past decisions met trusted
    labels outside the test split; `recent_accuracy` the same since the last training, None where too few are labelled.
    `released` are test examples that were opened, by id, with the split that they belong to since. `refuted` are no
    examples: by question the spans of which people have said that the answer is wrong, and nobody what is right.
    `most`: where there are more examples, so many are read (reading_list.py); all are counted.
    """

    program: str
    sums: ExampleSums
    stored: Examples
    counts: Mapping[str, int]
    accuracy: float | None
    recent_accuracy: float | None = None
    released: Mapping[str, Split] = field(default_factory=dict)
    refuted: Mapping[str, Sequence[str]] = field(default_factory=dict)
    most: int = NO_BOUND

    @classmethod
    def of(
        cls,
        program: str,
        examples: Iterable[Example],
        counts: Mapping[str, int],
        accuracy: float | None,
        most: int = NO_BOUND,
    ) -> Dataset:
        """The dataset with these examples."""
        known = tuple(examples)
        return cls(program, ExampleSums.of(known), KnownExamples(known), counts, accuracy, most=most)

    @cached_property
    def _known_released(self) -> Mapping[str, Example]:
        """Those of the released examples that there still are: they are few."""
        return {example.id: example for example in self.pick(self.released) if example.split is Split.TEST}

    def count(self, *splits: Split) -> int:
        """The number of examples that belong to these splits by now, or to any."""
        moved = [1 for id in self._known_released if self.released[id] in splits]
        gone = len(self._known_released) if Split.TEST in splits else 0
        return self.sums.count(*splits) + len(moved) - gone

    @property
    def is_bounded(self) -> bool:
        """Whether there are more examples than are read."""
        return self.sums.count() > self.most

    def count_read(self, *splits: Split) -> int:
        """How many of those that belong to these splits, or to any, are read."""
        room = quotas({split: self.count(split) for split in Split}, self.most)
        return sum(room[split] for split in splits or Split)

    @property
    def data_hash(self) -> str:
        """That of the examples that training and choosing may see."""
        return _sum(self.sums.data_hash, sum(map(_number, self._known_released.values())))

    def ids(self, split: Split) -> tuple[str, ...]:
        """Ids of the examples that are read of those that belong to a split by now, sorted, so that equal data gives
        equal runs."""
        return self._ids[split]

    @cached_property
    def _ids(self) -> Mapping[Split, tuple[str, ...]]:
        return read_of(self.stored, self.sums.count(), self.most, self.released)

    def all_ids(self, *splits: Split) -> tuple[str, ...]:
        """Ids of all examples that belong to these splits by now, read or not."""
        found = _all_of(self.stored, self.released)
        return tuple(id for split in splits for id in found[split])

    def pick(self, ids: Iterable[str]) -> list[Example]:
        """The named examples in that order, as they are stored now; those that expired meanwhile are left out."""
        return list(self.stored.of(ids))

    def picked(self) -> list[Example]:
        """All that are read."""
        return self.pick(id for split in Split for id in self.ids(split))

    def some(self, count: int) -> list[Example]:
        """Any of them, so many at most."""
        return list(islice(self.stored.each(), count))


_NOT_RELEASED: Mapping[str, Split] = {}


def read_of(
    stored: Examples, count: int, most: int, released: Mapping[str, Split] = _NOT_RELEASED
) -> dict[Split, tuple[str, ...]]:
    """By split the ids, sorted, of the examples that are read of `count`: all, or the `most` that reading_list.py
    names. Those that were `released` of the test split belong to another one."""
    if count <= most:
        return _all_of(stored, released)
    listed = (replace(x, split=_split_now(x.id, x.split, released)) for x in stored.listed())
    return reading_list(listed, most)


def _all_of(stored: Examples, released: Mapping[str, Split]) -> dict[Split, tuple[str, ...]]:
    found: dict[Split, list[str]] = {split: [] for split in Split}
    for example in stored.each():
        id = example.id
        found[_split_now(id, example.split, released)].append(id)
    return {split: tuple(sorted(ids)) for split, ids in found.items()}


def _split_now(id: str, split: Split, released: Mapping[str, Split]) -> Split:
    return released.get(id, split) if split is Split.TEST else split


def data_hash(examples: Iterable[Example]) -> str:
    """One hash over inputs and labels, independent of order: the sum of one number for each example, so that a change
    of a few is a matter of these few (M. Bellare, D. Micciancio, "A new paradigm for collision-free hashing", 1997).
    """
    return _sum("", sum(map(_number, examples)))


def _number(example: Example) -> int:
    return int(digest([example.id, dict(example.expected)]), 16)


def _sum(hashed: str, number: int) -> str:
    return f"{(int(hashed or '0', 16) + number) % _MODULUS:064x}"
