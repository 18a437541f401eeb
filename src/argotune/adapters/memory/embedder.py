"""The SentenceEmbedder port without a model: hashed n-grams of characters. Texts that share word parts are near."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from argotune.programs.embedder import Vectors, embeddable, unit_rows

_GRAM_CHARS = (2, 3, 4)


class HashedEmbedder:
    """The same vectors in every process. `name` and `digest` may be others, to try what happens then."""

    def __init__(self, name: str = "hashed", digest: str = "n-grams", size: int = 256) -> None:
        self.name, self.digest = name, digest
        self._size = size

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """Counts of n-grams by their hash."""
        rows = np.zeros((len(texts), self._size), np.float32)
        for row, text in zip(rows, texts, strict=True):
            np.add.at(row, [zlib.crc32(gram.encode()) % self._size for gram in _grams(text)], 1.0)
        return unit_rows(rows)


def _grams(text: str) -> list[str]:
    padded = [f" {word} " for word in embeddable(text).lower().split()]
    return [word[i : i + size] for word in padded for size in _GRAM_CHARS for i in range(len(word) - size + 1)]
