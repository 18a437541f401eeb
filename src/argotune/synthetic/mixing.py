"""Mixing: how many synthetic examples stand beside the real ones, and what they weigh.

HYBRID: `synthetic_data_ratio` r is the share of the training weight, and of the number of examples, that is
synthetic: r / (1 - r) times the real ones. SYNTHETIC: as many as are missing up to the threshold, at half weight.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from argotune.data.examples import Example
from argotune.decisions.values import Strategy

SYNTHETIC_WEIGHT = 0.5
"""What an example counts that an LM wrote and labelled, beside a person's 1.0 and an LLM's label of a query 0.8."""

MAX_SYNTHETIC = 200
"""A ratio near 1 asks for any number."""


def synthetic_share(strategy: Strategy, n_real: int, ratio: float, synthetic_below: int) -> int:
    """How many examples to make. `synthetic_below` is the number of real ones from which on SYNTHETIC ends."""
    if ratio <= 0 or strategy in (Strategy.PURE_REAL, Strategy.SKIP):
        return 0
    if strategy is Strategy.SYNTHETIC:
        return min(MAX_SYNTHETIC, max(0, synthetic_below - n_real))
    return MAX_SYNTHETIC if ratio >= 1 else min(MAX_SYNTHETIC, math.ceil(ratio / (1 - ratio) * n_real - 1e-9))


def weighed(made: Sequence[Example], real: Sequence[Example], strategy: Strategy, ratio: float) -> list[Example]:
    """The made examples with their weight in 0..1, the same for each."""
    if not made:
        return []
    weight = SYNTHETIC_WEIGHT
    if strategy is Strategy.HYBRID:
        share = ratio / (1 - ratio) if ratio < 1 else math.inf
        weight = min(1.0, share * sum(example.weight for example in real) / len(made))
    return [replace(example, weight=weight) for example in made]
