"""Sentence models in ONNX, from a folder with model.onnx and tokenizer.json: the mean of the tokens' last states.

As sentence-transformers exports them. One text at a time: a quantised network scales a batch by its largest value, so
in company a text would get another vector than alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from argotune.adapters.model_files import digest_of, files_in, loading, not_loadable
from argotune.programs.embedder import Vectors, embeddable, unit_rows

FILES = ("model.onnx", "tokenizer.json")
MAX_TOKENS = 512
"""What networks of this kind were trained for; a tokenizer that says less is believed."""

_KNOWN = ("input_ids", "attention_mask", "token_type_ids")


class OnnxSentences:
    """The model of a folder, loaded when it is opened; runs on one thread."""

    def __init__(self, name: str, folder: Path) -> None:
        """Raises ConfigInvalid where a file is missing, is not what it should be, or wants other inputs than tokens."""
        files = files_in(folder, name, FILES)
        self.name, self.digest = name, digest_of(files)
        with loading(name):
            self._tokenizer = Tokenizer.from_file(str(files["tokenizer.json"]))
            self._session = onnxruntime.InferenceSession(
                str(files["model.onnx"]), _options(), providers=["CPUExecutionProvider"]
            )
        self._inputs = [wanted.name for wanted in self._session.get_inputs()]
        if unknown := [wanted for wanted in self._inputs if wanted not in _KNOWN]:
            raise not_loadable(name, ValueError(f"it wants {unknown[0]!r}, and is given only {', '.join(_KNOWN)}"))
        known = (self._tokenizer.truncation or {}).get("max_length", MAX_TOKENS)
        self._tokenizer.enable_truncation(min(known, MAX_TOKENS))
        self._tokenizer.no_padding()
        with loading(name):  # only an answer tells whether it takes what it is given
            self._size = self._vector("").shape[0]

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """As long as the network's last states are."""
        rows = [self._vector(embeddable(text)) for text in texts]
        return unit_rows(np.stack(rows)) if rows else np.zeros((0, self._size), np.float32)

    def _vector(self, text: str) -> Vectors:
        encoded = self._tokenizer.encode(text)
        ids = encoded.ids or [0]
        values = {"input_ids": ids, "attention_mask": [1] * len(ids), "token_type_ids": [0] * len(ids)}
        given = {name: np.array([values[name]], np.int64) for name in self._inputs}
        found: NDArray[np.float32] = self._session.run(None, given)[0]
        states = np.asarray(found[0], np.float32)
        vector: Vectors = states.mean(axis=0) if states.ndim == 2 else states  # a network that pools by itself
        return vector


def _options() -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return options
