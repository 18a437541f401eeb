"""Dataset: what `collect` hands on for one program of one tenant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from argotune.examples import Example, Split
from argotune.records import digest


@dataclass(frozen=True)
class Dataset:
    """The examples of one program. `accuracy` is how often past decisions met trusted labels outside the test split;
    `recent_accuracy` the same since the last training, None where too few are labelled."""

    program: str
    examples: tuple[Example, ...]
    counts: Mapping[str, int]
    accuracy: float | None
    recent_accuracy: float | None = None

    @cached_property
    def _by_id(self) -> Mapping[str, Example]:
        """An example's id is a digest: it is computed once."""
        return {example.id: example for example in self.examples}

    def ids(self, split: Split) -> tuple[str, ...]:
        """Example ids of a split, sorted, so that equal data gives equal runs."""
        return tuple(sorted(id for id, example in self._by_id.items() if example.split is split))

    def pick(self, ids: Iterable[str]) -> list[Example]:
        """The named examples in that order; those that expired meanwhile are left out."""
        return [self._by_id[id] for id in ids if id in self._by_id]


def data_hash(examples: Iterable[Example]) -> str:
    """One hash over inputs and labels, independent of order."""
    return digest(sorted([example.id, dict(example.expected)] for example in examples))
