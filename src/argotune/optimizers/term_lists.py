"""Term lists: which words, or labels of entities, speak for which answer, by how often they were met with it.

A term's effectiveness for a label is the share of its examples that have the label, as if one more example, of no label
in particular, were known: one that was met once says little, and one that is met with all labels alike says nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

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
    with_label: Mapping[tuple[str, str], float]
    often: Mapping[str, int]

    def effectiveness(self, term: str, label: str) -> float:
        """In 0..1."""
        return (self.with_label.get((term, label), 0.0) + self.shares[label]) / (self.terms.get(term, 0.0) + 1)


def met(found: Sequence[Set[str]], labels: Sequence[str], weights: Sequence[float]) -> Met:
    """Of the terms of each example and its label."""
    terms, with_label, often, of_labels = Counter[str](), Counter[tuple[str, str]](), Counter[str](), Counter[str]()
    for here, label, weight in zip(found, labels, weights, strict=True):
        of_labels[label] += weight  # type: ignore[assignment]
        for term in here:
            terms[term] += weight  # type: ignore[assignment]
            with_label[term, label] += weight  # type: ignore[assignment]
            often[term] += 1
    whole = sum(of_labels.values()) or 1.0
    shares = {label: weight / whole for label, weight in of_labels.items()}
    return Met(shares, terms, with_label, often)


def effective_terms(
    known: Met, labels: Sequence[str], given: Mapping[str, Sequence[str]], by: Strictness
) -> dict[str, list[str]]:
    """The terms of each label, the most telling first: those that were learned, and those that were given and have not
    shown to speak for something else; of a given one that was never met nothing is known, and it stays."""
    found: dict[str, list[str]] = {label: [] for label in labels}
    for label in labels:
        kept = [t for t in given.get(label, ()) if t not in known.terms or _is_effective(known, t, label, by)]
        learned = [t for t in _ranked(known, label) if t not in kept and _is_effective(known, t, label, by)]
        found[label] = [*kept, *learned[: max(by.most - len(kept), 0)]]
    return found


def _is_effective(known: Met, term: str, label: str, by: Strictness) -> bool:
    return label in known.shares and known.effectiveness(term, label) >= by.least


def _ranked(known: Met, label: str) -> list[str]:
    met_enough = [
        term
        for (term, with_), weight in known.with_label.items()
        if with_ == label and weight > 0 and known.often[term] >= LEAST_MET and not term.isdigit()
    ]
    worth = {
        term: known.with_label[term, label] * (known.effectiveness(term, label) - known.shares[label])
        for term in met_enough
    }
    return sorted((term for term in met_enough if worth[term] > 0), key=lambda term: (-worth[term], term))
