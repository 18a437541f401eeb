"""Vector log: what texts of a tenant look like to an embedder, so that no run embeds them again.

Vectors tell of the texts that they were made of, so they lie where those lie, are made of masked texts only, and go
when those go.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from argotune.errors import Corrupt
from argotune.store.collections import Collection
from argotune.store.port import Record, Store
from argotune.store.records import readable
from argotune.store.sealing import digest, seal, unseal

_AT_ONCE = 200
"""Records in one write or reading."""

_REMEMBERED = 10_000
"""Vectors that one of these remembers, 20 MB of 512 numbers: each version that is loaded asks for its examples."""


class VectorLog:
    """The vectors of a tenant as bytes, by embedder and text. Raises what the store raises, and Corrupt."""

    def __init__(self, store: Store, tenant_id: str) -> None:
        self._store, self._tenant_id = store, tenant_id
        self._known: dict[str, bytes] = {}
        self.added = 0
        """How many were kept through this value."""

    def find(self, embedder: str, texts: Sequence[str]) -> dict[str, bytes]:
        """What is known of texts; `embedder` is the digest of the one that made it. Damaged records are left out."""
        found: dict[str, bytes] = {}
        for start in range(0, len(texts), _AT_ONCE):
            by_id = {_id(embedder, text): text for text in texts[start : start + _AT_ONCE]}
            found |= {by_id[id]: vector for id, vector in self._vectors(list(by_id)).items()}
        return found

    def _vectors(self, ids: Sequence[str]) -> dict[str, bytes]:
        known = {id: self._known[id] for id in ids if id in self._known}
        missing = [id for id in ids if id not in known]
        texts = self._store.read_many(self._tenant_id, Collection.VECTORS, missing) if missing else {}
        read = {id: vector for id, text in texts.items() for vector in self._readable(id, text)}
        self._remember(read)
        return known | read

    def _readable(self, id: str, text: str) -> Iterator[bytes]:
        stored = [Record(Collection.VECTORS, id, text)]
        return readable(self._tenant_id, stored, lambda text: _read(text)[0])

    def keep(self, embedder: str, vectors: Mapping[str, bytes], at: datetime) -> None:
        """Store the vectors of texts that were made at that time."""
        made, by_id = at.isoformat(), {_id(embedder, text): vector for text, vector in vectors.items()}
        self._remember(by_id)
        records = [Record(Collection.VECTORS, id, _sealed(vector, made)) for id, vector in by_id.items()]
        for start in range(0, len(records), _AT_ONCE):
            self._store.write(self._tenant_id, records[start : start + _AT_ONCE])
        self.added += len(records)

    def _remember(self, vectors: Mapping[str, bytes]) -> None:
        if len(self._known) + len(vectors) > _REMEMBERED:
            self._known.clear()
        self._known.update(vectors)

    def forget(self, keep: int, oldest: datetime | None = None) -> int:
        """Drop those made before `oldest`, the damaged ones, and the oldest beyond `keep`; the number dropped."""
        before = oldest.isoformat() if oldest else "0"
        ages = sorted((_made_at(r.text), r.id) for r in self._store.scan(self._tenant_id, Collection.VECTORS))
        gone = [id for place, (at, id) in enumerate(reversed(ages)) if place >= keep or at < before]
        self._known.clear()
        return self._store.remove(self._tenant_id, Collection.VECTORS, gone) if gone else 0


def _id(embedder: str, text: str) -> str:
    return f"{embedder[:16]}/{digest(text)[:40]}"


def _sealed(vector: bytes, at: str) -> str:
    return seal("vector", {"vector": base64.b64encode(vector).decode(), "at": at})


def _read(text: str) -> tuple[bytes, str]:
    """A vector and the ISO time at which it was made. Raises Corrupt."""
    body = unseal("vector", text)
    if not isinstance(body, dict) or not isinstance(body.get("vector"), str) or not isinstance(body.get("at"), str):
        raise Corrupt("a record of a vector holds no vector and time")
    try:
        return base64.b64decode(body["vector"], validate=True), body["at"]
    except binascii.Error as error:
        raise Corrupt("a record of a vector holds no numbers") from error


def _made_at(text: str) -> str:
    try:
        return _read(text)[1]
    except Corrupt:
        return ""
