"""Term lists: which words, or labels of entities, speak for which answer, by how often they were met with it.

A term's effectiveness for a label is the share of its examples that have the label, as if one more example, of no label
in particular, were known: one that was met once says little, and one that is met with all labels alike says nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property

LEAST_MET = 2
"""Examples in which a term must have been met to be learned."""


@dataclass(frozen=True)
class Strictness:
    """How effective a term must be, in 0..1, and how many a label may have."""

    least: float
    most: int


@dataclass(frozen=True)
class Met:
    """In how many examples each term was met, by weight, in all and with each label. `shares` are those of the labels;
    `often` counts examples."""

    shares: Mapping[str, float]
    terms: Mapping[str, float]
    with_label: Mapping[str, Mapping[str, float]]
    often: Mapping[str, int]

    def effectiveness(self, term: str, label: str) -> float:
        """In 0..1, for a label that was met."""
        return (self.with_label[label].get(term, 0.0) + self.shares[label]) / (self.terms.get(term, 0.0) + 1)

    @cached_property
    def telling(self) -> Mapping[str, Sequence[str]]:
        """By label the terms that were met often enough, and with it more often than others, the most telling first."""
        return {label: self._telling(label) for label in self.with_label}

    def _telling(self, label: str) -> list[str]:
        worth = {
            term: weight * (self.effectiveness(term, label) - self.shares[label])
            for term, weight in self.with_label[label].items()
            if self.often[term] >= LEAST_MET and not term.isdigit()
        }
        return sorted((term for term in worth if worth[term] > 0), key=lambda term: (-worth[term], term))


def met(found: Sequence[Set[str]], labels: Sequence[str], weights: Sequence[float]) -> Met:
    """Of the terms of each example and its label."""
    terms, of_labels, often = defaultdict[str, float](float), defaultdict[str, float](float), Counter[str]()
    with_label = {label: defaultdict[str, float](float) for label in labels}
    for here, label, weight in zip(found, labels, weights, strict=True):
        of_labels[label] += weight
        often.update(here)
        for term in here:
            terms[term] += weight
            with_label[label][term] += weight
    whole = sum(of_labels.values()) or 1.0
    return Met({label: weight / whole for label, weight in of_labels.items()}, terms, with_label, often)


def effective_terms(
    known: Met, labels: Sequence[str], given: Mapping[str, Sequence[str]], by: Strictness
) -> dict[str, list[str]]:
    """The terms of each label, the most telling first: those that were learned, and those that were given and have not
    shown to speak for something else; of a given one that was never met nothing is known, and it stays."""
    return {label: _of_label(known, label, given.get(label, ()), by) for label in labels}


def _of_label(known: Met, label: str, given: Sequence[str], by: Strictness) -> list[str]:
    kept = [t for t in given if t not in known.terms or _is_effective(known, t, label, by)]
    told = known.telling.get(label, ())
    learned = [t for t in told if t not in kept and _is_effective(known, t, label, by)]
    return [*kept, *learned[: max(by.most - len(kept), 0)]]


def _is_effective(known: Met, term: str, label: str, by: Strictness) -> bool:
    return label in known.shares and known.effectiveness(term, label) >= by.least
