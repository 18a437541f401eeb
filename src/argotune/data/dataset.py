"""Dataset: what `collect` hands on for one program of one tenant: sums over its examples, and the examples if asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from argotune.data.examples import Example
from argotune.data.experiences import query_of
from argotune.data.splitting import Split
from argotune.store.sealing import digest

_MODULUS = 2**256


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


@dataclass(frozen=True)
class Dataset:
    """The examples of one program, read when they are asked for. `accuracy` is how often past decisions met trusted
    labels outside the test split; `recent_accuracy` the same since the last training, None where too few are labelled.
    `released` are test examples that were opened, by id, with the split that they belong to since. `refuted` are no
    examples: by question the spans of which people have said that the answer is wrong, and nobody what is right.
    """

    program: str
    sums: ExampleSums
    load: Callable[[], Iterable[Example]]
    counts: Mapping[str, int]
    accuracy: float | None
    recent_accuracy: float | None = None
    released: Mapping[str, Split] = field(default_factory=dict)
    read: Callable[[Iterable[str]], Iterable[Example]] | None = None
    refuted: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, program: str, examples: Iterable[Example], counts: Mapping[str, int], accuracy: float | None
    ) -> Dataset:
        """The dataset with these examples."""
        known = tuple(examples)
        return cls(program, ExampleSums.of(known), lambda: known, counts, accuracy)

    @cached_property
    def examples(self) -> tuple[Example, ...]:
        """All examples: as many as the tenant has questions, so they are read for a training and not before."""
        return tuple(self.load())

    @cached_property
    def _by_id(self) -> Mapping[str, Example]:
        """An example's id is a digest: it is computed once."""
        return {example.id: example for example in self.examples}

    @cached_property
    def _known_released(self) -> Mapping[str, Example]:
        """Those of the released examples that there still are. Where all are not read yet, these few are."""
        found = self.read(self.released) if self.read else self.pick(self.released)
        return {example.id: example for example in found if example.split is Split.TEST}

    def count(self, *splits: Split) -> int:
        """The number of examples that belong to these splits by now, or to any."""
        moved = [1 for id in self._known_released if self.released[id] in splits]
        gone = len(self._known_released) if Split.TEST in splits else 0
        return self.sums.count(*splits) + len(moved) - gone

    @property
    def data_hash(self) -> str:
        """That of the examples that training and choosing may see."""
        return _sum(self.sums.data_hash, sum(map(_number, self._known_released.values())))

    def ids(self, split: Split) -> tuple[str, ...]:
        """Ids of the examples that belong to a split by now, sorted, so that equal data gives equal runs."""
        return tuple(sorted(id for id, example in self._by_id.items() if self._split_of(id, example) is split))

    def _split_of(self, id: str, example: Example) -> Split:
        return self.released[id] if id in self._known_released else example.split

    def pick(self, ids: Iterable[str]) -> list[Example]:
        """The named examples in that order; those that expired meanwhile are left out."""
        return [self._by_id[id] for id in ids if id in self._by_id]


def data_hash(examples: Iterable[Example]) -> str:
    """One hash over inputs and labels, independent of order: the sum of one number for each example, so that a change
    of a few is a matter of these few (M. Bellare, D. Micciancio, "A new paradigm for collision-free hashing", 1997).
    """
    return _sum("", sum(map(_number, examples)))


def _number(example: Example) -> int:
    return int(digest([example.id, dict(example.expected)]), 16)


def _sum(hashed: str, number: int) -> str:
    return f"{(int(hashed or '0', 16) + number) % _MODULUS:064x}"
