"""Replay: which experiences a batch is drawn from, those more often that surprise and were chosen with confidence.

Schaul, Quan, Antonoglou and Silver, "Prioritized experience replay", ICLR 2016, cited as Schaul. Priorities lie in a
tree of sums (Schaul, appendix B.2.1): a draw takes as many steps as the logarithm of how many experiences there are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from argotune.stats.calibration import Numbers

LEAST_SURPRISE = 0.01
"""What surprises nobody any more is drawn now and then."""

Places = NDArray[np.intp]


@dataclass(frozen=True)
class Drawn:
    """Places of what was drawn, and by what each counts so that means over draws are means over all."""

    places: Places
    weights: Numbers


class Replay:
    """Draws by P(i) = p_i^exponent / sum p^exponent, where p is surprise times confidence (Schaul, equation 1).

    `confidences` lie in 0..1. At first all surprise alike.
    """

    def __init__(self, confidences: Numbers, exponent: float) -> None:
        self._sure = (1.0 + confidences) / 2
        self._exponent = exponent
        self._tree = _Sums(len(confidences))
        self.surprised(np.arange(len(confidences)), np.ones(len(confidences)))

    def draw(self, size: int, importance: float, rng: np.random.Generator) -> Drawn:
        """`size` places with repetition. Weights are (N P(i))^-importance: with 1 means over draws are unbiased
        whatever the priorities are (Schaul, section 3.4)."""
        places = self._tree.below(rng.random(size))
        return Drawn(places, (len(self._sure) * self._tree.shares(places)) ** -importance)

    def surprised(self, places: Places, surprise: Numbers) -> None:
        """Remember by how much outcomes were other than expected (the size of the TD error)."""
        self._tree.put(places, ((np.abs(surprise) + LEAST_SURPRISE) * self._sure[places]) ** self._exponent)


class _Sums:
    """Numbers that are not below 0 as the leaves of a binary tree, each node above them the sum of its two."""

    def __init__(self, size: int) -> None:
        self._last, self._depth = max(size - 1, 0), max(size - 1, 0).bit_length()
        self._nodes = np.zeros(2 << self._depth)

    def put(self, places: Places, numbers: Numbers) -> None:
        """In the place of those that are there."""
        nodes = places + (1 << self._depth)
        self._nodes[nodes] = numbers
        for _ in range(self._depth):
            nodes = nodes >> 1
            self._nodes[nodes] = self._nodes[2 * nodes] + self._nodes[2 * nodes + 1]

    def shares(self, places: Places) -> Numbers:
        """Of the sum of all."""
        found: Numbers = self._nodes[places + (1 << self._depth)] / self._nodes[1]
        return found

    def below(self, shares: Numbers) -> Places:
        """The places at which the sum of all before reaches these shares of the whole."""
        sought, nodes = shares * self._nodes[1], np.ones(len(shares), np.intp)
        for _ in range(self._depth):
            nodes = 2 * nodes
            is_right = sought >= self._nodes[nodes]
            sought = sought - np.where(is_right, self._nodes[nodes], 0.0)
            nodes = nodes + is_right
        return np.minimum(nodes - (1 << self._depth), self._last)
