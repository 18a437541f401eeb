"""Two ports: what finds neighbours among texts, and what makes vectors of texts; and both by name in one bundle.

A fitted embedder learns from the very texts it points at (TF-IDF); a sentence embedder is pretrained, and
`VectorNeighbours` finds neighbours by it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from argotune.errors import ConfigInvalid, ProgramChanged
from argotune.lm.meter import Meter
from argotune.store.texts import storable

MAX_CHARS = 4_000
"""Of a longer text only the beginning is embedded: it says what the text is about, and nobody waits for the rest."""

Vectors = NDArray[np.float32]


class Embedder(Protocol):
    """Finds neighbours. Saved with a version by its name and digest, and fitted again at load."""

    @property
    def name(self) -> str:
        """What it is opened by."""

    @property
    def digest(self) -> str:
        """What tells it from another of that name: a hash of pretrained weights, "" where there are none."""

    def fit(self, texts: Sequence[str]) -> None:
        """Learn what it needs from training texts."""

    def neighbours(self, text: str, k: int) -> list[int]:
        """Indices of the k fitted texts nearest to `text`, nearest first."""


class SentenceEmbedder(Protocol):
    """Texts to vectors that lie near each other where texts mean the same. Threads may share it."""

    @property
    def name(self) -> str:
        """What a config calls it."""

    @property
    def digest(self) -> str:
        """A hash of its weights, or of what is known of them where they lie behind an API."""

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """A row of length 1 for each text, an empty one too; of a long text the first MAX_CHARS count.

        Raises what the product raises: Unavailable and its like where it lies behind an API.
        """


class PaidEmbedder(ABC):
    """A sentence embedder whose requests cost something."""

    @abstractmethod
    def paid_by(self, meter: Meter) -> SentenceEmbedder:
        """The same, each request counted by a run's meter; `vectors` raises BudgetSpent too."""


class VectorNeighbours:
    """An Embedder over a sentence embedder: texts whose vectors point the same way are neighbours."""

    def __init__(self, sentences: SentenceEmbedder) -> None:
        self.name, self.digest = sentences.name, sentences.digest
        self._sentences = sentences
        self._fitted: Vectors = np.zeros((0, 0), np.float32)

    def fit(self, texts: Sequence[str]) -> None:
        """Keep their vectors."""
        self._fitted = self._sentences.vectors(texts)

    def neighbours(self, text: str, k: int) -> list[int]:
        """Indices of the k fitted texts nearest to `text` by cosine, nearest first; ties in the order of fitting."""
        if not len(self._fitted):
            return []
        likeness = self._fitted @ self._sentences.vectors([text])[0]
        nearest: list[int] = np.argsort(-likeness, kind="stable")[:k].tolist()
        return nearest


class Embedders:
    """Embedders by name. `fitted` are those that learn from the texts; `pretrained` opens sentence embedders, by whole
    name or, where a key ends in a colon, by what a name begins with. Each is opened once.

    `around` is put about each sentence embedder: what keeps vectors, or counts what they cost.
    """

    def __init__(
        self,
        fitted: Mapping[str, Callable[[], Embedder]],
        pretrained: Mapping[str, Callable[[str], SentenceEmbedder]],
        default: str,
        around: Callable[[SentenceEmbedder], SentenceEmbedder] = lambda embedder: embedder,
    ) -> None:
        self._fitted, self._pretrained = fitted, pretrained
        self._default, self._around = default, around
        self._open: dict[str, SentenceEmbedder] = {}

    def for_tenant(self, name: str | None, around: Callable[[SentenceEmbedder], SentenceEmbedder]) -> Embedders:
        """The same embedders, with the tenant's own as default where it names one, and `around` about each."""
        twin = Embedders(self._fitted, self._pretrained, name or self._default, around)
        twin._open = self._open
        return twin

    def neighbours(self, name: str | None = None) -> Embedder:
        """A fresh one, not yet fitted; None: the default. Raises ConfigInvalid as `sentences`."""
        name = name or self._default
        return self._fitted[name]() if name in self._fitted else VectorNeighbours(self.sentences(name))

    def sentences(self, name: str | None = None) -> SentenceEmbedder:
        """The sentence embedder of that name; None: the default. Raises ConfigInvalid where it cannot be opened."""
        name = name or self._default
        if name not in self._open:  # without a lock, which a fork could leave taken: opening one twice does no harm
            self._open.setdefault(name, self._opener(name)(name))
        return self._around(self._open[name])

    def saved(self, name: str, digest: str) -> SentenceEmbedder:
        """The one that a version was made with. Raises ProgramChanged where another answers to its name by now."""
        found = self.sentences(name)
        refuse_changed(name, digest, found.digest)
        return found

    def _opener(self, name: str) -> Callable[[str], SentenceEmbedder]:
        beginning = name[: name.find(":") + 1]
        if name in self._pretrained:
            return self._pretrained[name]
        if beginning in self._pretrained and name != beginning:
            return self._pretrained[beginning]
        if name in self._fitted:
            raise ConfigInvalid(f"embedder: {name} finds neighbours and makes no vectors; name a sentence embedder")
        known = ", ".join(f"{key}..." if key.endswith(":") else key for key in self._pretrained)
        raise ConfigInvalid(f"embedder: {name[:80]!r} is not known here; there are {known}")


def refuse_changed(name: str, saved: str, found: str) -> None:
    """Raise ProgramChanged where a version was made with other weights than answer to that name now."""
    if saved != found:
        raise ProgramChanged(
            f"embedder: {name[:80]!r} was {saved[:12] or 'without weights'} when the version was made and is "
            f"{found[:12] or 'without weights'} now. Restore its weights, or train again"
        )


def embeddable(text: str) -> str:
    """What of a text is embedded: its beginning, without what UTF-8 cannot hold."""
    return storable(text[:MAX_CHARS])


def unit_rows(rows: Vectors) -> Vectors:
    """The rows at length 1. One without a direction (a text of which the model knows nothing) points along the first
    axis, so that such texts are near to each other and to no others in particular."""
    known: Vectors = np.nan_to_num(np.asarray(rows, np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    lengths = np.linalg.norm(known, axis=1, keepdims=True)
    found: Vectors = known / np.maximum(lengths, np.finfo(np.float32).tiny)
    found[lengths[:, 0] == 0, :1] = 1.0
    return found
