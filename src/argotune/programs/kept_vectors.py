"""Kept vectors: sentence embedders that embed no text twice, in a run by the tenant's store, in serving by memory.

A store that fails costs time and nothing else.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime

import numpy as np

from argotune.data.vector_log import VectorLog
from argotune.errors import ArgotuneError, Corrupt
from argotune.programs.embedder import SentenceEmbedder, Vectors

log = logging.getLogger(__name__)

RECENT_TEXTS = 1_000
"""Vectors that a process keeps of the questions it was asked: 2 MB of 512 numbers each."""


class _Wrapped:
    """Is called as the embedder inside is, as the vectors are the same."""

    def __init__(self, embedder: SentenceEmbedder) -> None:
        self._embedder = embedder

    @property
    def name(self) -> str:
        return self._embedder.name

    @property
    def digest(self) -> str:
        return self._embedder.digest


class KeptVectors(_Wrapped):
    """For runs. One of these adds at most `most` vectors to the log; a pass forgets those too many at its end."""

    def __init__(self, embedder: SentenceEmbedder, kept: VectorLog, now: Callable[[], datetime], most: int) -> None:
        super().__init__(embedder)
        self._kept, self._now = kept, now
        self._left = most
        self._is_usable = most > 0

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """As the embedder's; those of equal texts are made once."""
        if not texts or not self._is_usable:
            return self._embedder.vectors(texts)
        different = list(dict.fromkeys(texts))
        found = self._found(different)
        if missing := [text for text in different if text not in found]:
            made = dict(zip(missing, self._embedder.vectors(missing), strict=True))
            self._keep(made)
            found |= made
        return np.stack([found[text] for text in texts])

    def _found(self, texts: Sequence[str]) -> dict[str, Vectors]:
        found: dict[str, Vectors] = {}
        for text, known in self._known(texts).items():
            try:
                found[text] = _vector(known)
            except Corrupt as error:
                log.warning("a kept vector is not used and made again: %s", error)
        return found

    def _known(self, texts: Sequence[str]) -> dict[str, bytes]:
        try:
            return self._kept.find(self.digest, texts)
        except ArgotuneError as error:
            self._give_up(error)
            return {}

    def _keep(self, made: dict[str, Vectors]) -> None:
        some = dict(list(made.items())[: self._left])
        if not some or not self._is_usable:
            return
        try:
            self._kept.keep(self.digest, {text: v.astype("<f4").tobytes() for text, v in some.items()}, self._now())
        except ArgotuneError as error:
            self._give_up(error)
        self._left -= len(some)

    def _give_up(self, error: ArgotuneError) -> None:
        log.warning("vectors are not kept, they are made anew: %s", error)
        self._is_usable = False


def _vector(known: bytes) -> Vectors:
    try:
        return np.frombuffer(known, "<f4").astype(np.float32)
    except ValueError as error:
        raise Corrupt("a record of a vector holds half a number") from error


class RecentVectors(_Wrapped):
    """For serving: remembers the questions that it was asked lately, in this process alone."""

    def __init__(self, embedder: SentenceEmbedder, most: int = RECENT_TEXTS) -> None:
        super().__init__(embedder)
        self._most = most
        self._known: OrderedDict[str, Vectors] = OrderedDict()

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """As the embedder's. Many at once are no question, and are not remembered."""
        if len(texts) != 1:
            return self._embedder.vectors(texts)
        found = self._known.get(texts[0])
        if found is None:
            found = self._known[texts[0]] = self._embedder.vectors(texts)
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        return found
