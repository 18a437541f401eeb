"""The embedded LM as DSPy sees it.

`local/smollm2` scores labels for closed sets (a DSPy decision client) and writes text as a teacher;
`local/smollm2:chat` writes text as the task LM too.
"""

from __future__ import annotations

from pathlib import Path

from argotune.adapters.llama_cpp.model import EmbeddedModel
from argotune.adapters.llama_cpp.scorer import LabelScorer
from argotune.adapters.llama_cpp.server import (
    NAME,
    find_weights,
    load_runtime,
)
from argotune.adapters.llama_cpp.writer import LlamaWriter
from argotune.errors import ConfigInvalid
from argotune.lm.kept_answers import PaidAnswers
from argotune.tenants.config import LMChoice

CHAT_NAME = f"{NAME}:chat"


TEACHER_TEMPERATURE = 0.7


class EmbeddedLMs:
    """Opens `local/smollm2` and `local/smollm2:chat`."""

    prefix = "local/"
    num_threads = 1
    """The model itself uses the cores."""

    def __init__(self, weights: Path | None = None, threads: int = 2) -> None:
        self._weights = weights
        self._threads = threads

    def scorer(self, name: str, paid: PaidAnswers) -> LabelScorer | None:
        """The decision client, None for the name that asks for text. Raises ConfigInvalid when nothing is installed."""
        model = self._model(name)
        return None if name == CHAT_NAME else LabelScorer(model, paid)

    def writer(self, name: str, _choice: LMChoice, is_teacher: bool) -> LlamaWriter:
        """The LM that writes. Raises ConfigInvalid when nothing is installed."""
        return LlamaWriter(self._model(name), TEACHER_TEMPERATURE if is_teacher else 0.0)

    def _model(self, name: str) -> EmbeddedModel:
        if name not in (NAME, CHAT_NAME):
            raise ConfigInvalid(f"lm: {name!r} is no embedded LM; there are {NAME} and {CHAT_NAME}")
        load_runtime()
        return EmbeddedModel(find_weights(self._weights), self._threads)
