"""Embedders of tests: TF-IDF for neighbours, and a twin without a model for sentences."""

from __future__ import annotations

from collections.abc import Callable

from argotune.adapters.memory.embedder import HashedEmbedder
from argotune.adapters.tfidf import TfidfEmbedder
from argotune.programs.embedder import Embedders, SentenceEmbedder


def twins(default: str = "hashed", **others: Callable[[str], SentenceEmbedder]) -> Embedders:
    """`hashed`, and others by their names."""
    return Embedders({"tfidf": TfidfEmbedder}, {"hashed": lambda _: HashedEmbedder(), **others}, default)


EMBEDDERS = twins()
