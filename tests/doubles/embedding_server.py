"""Answers to requests for embeddings, for the OpenAI-compatible server."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from openai_server import Answer

from argotune.adapters.memory.embedder import HashedEmbedder


def embeddings(body: Mapping[str, Any]) -> Answer:
    """Vectors of the texts that were asked for, a token each."""
    return Answer(200, vectors_of(HashedEmbedder().vectors(body["input"]).tolist()))


def vectors_of(rows: Sequence[Sequence[float]]) -> str:
    """The body of an answer with these vectors."""
    data = [{"object": "embedding", "index": n, "embedding": row} for n, row in enumerate(rows)]
    usage = {"prompt_tokens": len(rows), "total_tokens": len(rows)}
    return json.dumps({"object": "list", "model": "m", "data": data, "usage": usage})
