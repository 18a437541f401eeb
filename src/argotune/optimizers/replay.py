"""Replay: which experiences a batch is drawn from, those more often that surprise and were chosen with confidence.

Schaul, Quan, Antonoglou and Silver, "Prioritized experience replay", ICLR 2016, cited as Schaul.
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
        self._surprise = np.ones(len(confidences))

    def draw(self, size: int, importance: float, rng: np.random.Generator) -> Drawn:
        """`size` places with repetition. Weights are (N P(i))^-importance: with 1 means over draws are unbiased
        whatever the priorities are (Schaul, section 3.4)."""
        priorities = ((self._surprise + LEAST_SURPRISE) * self._sure) ** self._exponent
        chances = priorities / priorities.sum()
        places = rng.choice(len(chances), size=size, p=chances)
        return Drawn(places, (len(chances) * chances[places]) ** -importance)

    def surprised(self, places: Places, surprise: Numbers) -> None:
        """Remember by how much outcomes were other than expected (the size of the TD error)."""
        self._surprise[places] = np.abs(surprise)
