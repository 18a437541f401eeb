"""The weights of the embedded LM, and the server that runs them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from argotune.adapters.llama_cpp.server import (
    NAME,
    LlamaServer,
    shared_server,
)


@dataclass(frozen=True)
class EmbeddedModel:
    """Weights in use, and the threads to run them on."""

    weights: Path
    threads: int

    @cached_property
    def identity(self) -> dict[str, str | int]:
        """Name and size of the weights, to tell their answers from those of others."""
        return {"lm": NAME, "weights": self.weights.name, "bytes": self.weights.stat().st_size}

    def server(self) -> LlamaServer:
        """The server of this process, loaded when it is asked for the first time (0.4 s)."""
        return shared_server(self.weights, self.threads)
