"""Policy network: how likely each answer is to be chosen for a question, as arrays and the operations on them.

A question's row of numbers goes through one hidden layer (batch-normalised: Ioffe and Szegedy, ICML 2015) to a head for
each modality. An attention over the heads, read from the same layer, says how much each of them counts: the modality
that is asked for need not be known when the answer is given. The row also reaches the answers directly, as in a linear
model, so that few examples suffice for what a linear model can tell (Cheng et al., "Wide & Deep Learning", 2016).

Every function takes the numpy that it computes with: numpy itself to answer, autograd's to learn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from argotune.programs.arrays import Floats

Arrays = Mapping[str, Any]
"""Arrays by name, or what stands for them while a gradient is taken."""

_FLATTEST = np.float32(1e-5)
_CHUNK = 1024


@dataclass(frozen=True)
class NetworkSize:
    """Numbers in a row, in the hidden layer, answers and heads."""

    inputs: int
    hidden: int
    answers: int
    heads: int


def fresh_arrays(size: NetworkSize, rng: np.random.Generator) -> dict[str, Floats]:
    """What learning begins with: all answers alike, the hidden layer drawn at random (He et al., ICCV 2015)."""

    def drawn(rows: int, columns: int, scale: float) -> Floats:
        return (rng.standard_normal((rows, columns)) * scale).astype(np.float32)

    def none(*shape: int) -> Floats:
        return np.zeros(shape, np.float32)

    spread = float(np.sqrt(2 / size.inputs))
    return {
        "in": drawn(size.inputs, size.hidden, spread),
        "scale": np.ones(size.hidden, np.float32),
        "shift": none(size.hidden),
        "direct": none(size.inputs, size.answers),
        "heads": drawn(size.hidden, size.heads * size.answers, 0.01),
        "bias": none(size.answers),
        "attention": none(size.hidden, size.heads),
        "attention_bias": none(size.heads),
        "mean": none(size.hidden),
        "variance": np.ones(size.hidden, np.float32),
    }


FIXED = ("mean", "variance")
"""What is not learned by gradients: the hidden layer's usual numbers, by which single questions are normalised."""


def hidden_of(xp: Any, arrays: Arrays, sums: Any, mean: Any, variance: Any) -> Any:
    """The hidden layer, from the sums that reach it: normalised, scaled, and none below 0."""
    level = (sums - mean) / xp.sqrt(variance + _FLATTEST)
    return xp.maximum(arrays["scale"] * level + arrays["shift"], 0.0)


def attention_of(arrays: Arrays, hidden: Any) -> Any:
    """Logits of the heads."""
    return hidden @ arrays["attention"] + arrays["attention_bias"]


def logits_of(xp: Any, arrays: Arrays, rows: Any, hidden: Any) -> Any:
    """Logits of the answers."""
    attention = attention_of(arrays, hidden)
    heads = attention.shape[1]
    shares = xp.exp(log_shares(xp, attention))
    by_head = xp.reshape(hidden @ arrays["heads"], (hidden.shape[0], heads, -1))
    mixed = xp.sum(shares[:, :, None] * by_head, axis=1)
    return mixed + math.sqrt(rows.shape[1]) * (rows @ arrays["direct"]) + arrays["bias"]


def log_shares(xp: Any, logits: Any) -> Any:
    """Logarithms of the softmax of each row."""
    highest = xp.max(logits, axis=1, keepdims=True)
    return logits - highest - xp.log(xp.sum(xp.exp(logits - highest), axis=1, keepdims=True))


def answered(arrays: Mapping[str, Floats], rows: Floats) -> Floats:
    """Logits of the answers to each row, a thousand rows at a time."""
    parts = [_answered(arrays, rows[first : first + _CHUNK]) for first in range(0, len(rows), _CHUNK)]
    return np.concatenate(parts) if parts else np.zeros((0, len(arrays["bias"])), np.float32)


def _answered(arrays: Mapping[str, Floats], rows: Floats) -> Floats:
    hidden = hidden_of(np, arrays, rows @ arrays["in"], arrays["mean"], arrays["variance"])
    found: Floats = logits_of(np, arrays, rows, hidden)
    return found
