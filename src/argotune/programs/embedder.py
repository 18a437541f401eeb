"""The port of embedders: texts as vectors, for neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Embedder(Protocol):
    """Texts to unit vectors, for finding neighbours. Saved with a version by its name and its state."""

    name: str

    def fit(self, texts: Sequence[str]) -> None:
        """Learn what it needs from training texts; a pretrained embedder does nothing."""

    def neighbours(self, text: str, k: int) -> list[int]:
        """Indices of the k fitted texts nearest to `text`, nearest first."""
