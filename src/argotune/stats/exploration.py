"""Exploration: how often something else than the preferred is drawn, and with which probability each is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def epsilon_greedy(preferred: T, possible: Sequence[T], epsilon: float, chance: float) -> tuple[T, float]:
    """One of the possible ones and the probability with which it is drawn: the preferred one, which is among them, but
    in the share `epsilon` (0..1) of all draws any of them, each alike. `chance` is uniform in 0..1; below `epsilon` it
    draws.

    So each keeps a known probability, and what another one would have brought can be estimated later (Horvitz and
    Thompson, J. Amer. Statist. Assoc. 47, 1952).
    """
    place = min(int(chance / epsilon * len(possible)), len(possible) - 1) if chance < epsilon else None
    found = preferred if place is None else possible[place]
    return found, epsilon / len(possible) + (1 - epsilon if found == preferred else 0.0)


def decayed(epsilon: float, decay: float, floor: float, steps: int) -> float:
    """The share that is left of `epsilon` after so many steps of `decay`, each a factor in 0..1; never below `floor`.

    "Optimization Module", AdvancedOptimizerConfig: exploration_epsilon, epsilon_decay, min_epsilon.
    """
    return max(floor, epsilon * decay**steps)
