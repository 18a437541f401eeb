"""Static token vectors in a folder, in model2vec's format: a text is the mean of its tokens' vectors.

Of Minish Lab's model2vec: `model.safetensors` with `embeddings` and, where tokens share rows or count differently,
`mapping` and `weights`; `tokenizer.json` beside it. Fifty times as fast as a network, and less exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from argotune.adapters.model_files import digest_of, files_in, loading, not_loadable
from argotune.programs.embedder import Vectors, embeddable, unit_rows

FILES = ("model.safetensors", "tokenizer.json")


class StaticVectors:
    """The model of a folder, read as a whole when it is opened."""

    def __init__(self, name: str, folder: Path) -> None:
        """Raises ConfigInvalid where a file is missing or is not what it should be."""
        files = files_in(folder, name, FILES)
        self.name, self.digest = name, digest_of(files)
        self._tokenizer = _tokenizer(files["tokenizer.json"], name)
        self._unknown = self._tokenizer.token_to_id(getattr(self._tokenizer.model, "unk_token", None) or "")
        try:
            tensors = load_file(files["model.safetensors"])
            self._rows, self._mapping, self._weights = _checked(tensors, self._tokenizer.get_vocab_size())
        except (SafetensorError, KeyError, ValueError) as error:
            raise not_loadable(name, error) from error

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """As long as the folder's token vectors are."""
        if not texts:
            return np.zeros((0, self._rows.shape[1]), np.float32)
        read = [embeddable(text) for text in texts]
        encoded = self._tokenizer.encode_batch_fast(read, add_special_tokens=False)
        known = ([id for id in each.ids if id != self._unknown] for each in encoded)
        return unit_rows(np.stack([self._mean(np.asarray(ids, np.intp)) for ids in known]))

    def _mean(self, ids: NDArray[np.intp]) -> Vectors:
        if not len(ids):
            return np.zeros(self._rows.shape[1], np.float32)
        rows = self._rows[self._mapping[ids]].astype(np.float32)
        mean: Vectors = (rows * self._weights[ids, None]).mean(axis=0)
        return mean


def _tokenizer(path: Path, name: str) -> Tokenizer:
    with loading(name):
        found = Tokenizer.from_file(str(path))
    found.no_padding()
    found.no_truncation()
    return found


def _checked(
    tensors: dict[str, NDArray[np.generic]], n_tokens: int
) -> tuple[NDArray[np.generic], NDArray[np.intp], NDArray[np.float32]]:
    """Rows, the row of each token, and what each token counts. Raises KeyError or ValueError."""
    rows = tensors["embeddings"]
    mapping = tensors.get("mapping", np.arange(len(rows))).astype(np.intp)
    weights = tensors.get("weights", np.ones(len(mapping))).astype(np.float32)
    if rows.ndim != 2 or not rows.shape[1]:
        raise ValueError(f"embeddings have {rows.ndim} dimensions and not 2")
    if len(mapping) < n_tokens or len(weights) < n_tokens:
        raise ValueError(f"the tokenizer has {n_tokens} tokens and the model {min(len(mapping), len(weights))}")
    if mapping.min() < 0 or mapping.max() >= len(rows):
        raise ValueError(f"tokens are mapped to rows that are not there; there are {len(rows)}")
    return rows, mapping, weights
