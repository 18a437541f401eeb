"""Bounds: what two answers can differ by where people have said of some answers only that they are wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

MOST_RIGHT = 1000
"""Of more answers that could be right none is tried."""


@dataclass(frozen=True)
class Bounds:
    """The scores of champion and challenger where their difference is the lowest that it can be, and the highest."""

    champion: float
    challenger: float
    highest: float


def may_be_right(answers: Mapping[str, Sequence[str] | None]) -> list[dict[str, str]] | None:
    """All answers from closed sets; None where a set is open, or too much could be right."""
    sets = [labels for labels in answers.values() if labels is not None]
    if len(sets) < len(answers) or prod(map(len, sets)) > MOST_RIGHT:
        return None
    return [dict(zip(answers, labels, strict=True)) for labels in product(*sets)]


def bounds_of(
    rights: Sequence[Mapping[str, str]], scored: Callable[[Mapping[str, str]], tuple[float, float]]
) -> Bounds:
    """Over all answers that may be right, by the scores of champion and challenger if one was.

    The true difference is among those tried, whichever is right. With one left it is known.
    """
    pairs = [scored(right) for right in rights]
    champion, challenger = min(pairs, key=_difference)
    return Bounds(champion, challenger, max(map(_difference, pairs)))


def _difference(scores: tuple[float, float]) -> float:
    champion, challenger = scores
    return challenger - champion
