"""Sealed records of a tenant, as the contract of the stores writes them."""

from __future__ import annotations

import pytest

from argotune.errors import Corrupt
from argotune.store.port import Record, Store
from argotune.store.sealing import seal, unseal

ACME = "acme_corp"


def made(id: str, body: object = 0, collection: str = "runs") -> Record:
    return Record(collection, id, seal("made", body))


def only_r1_is_corrupt(store: Store) -> None:
    """Of the runs r1 and r2, read and scanned."""
    texts = {record.id: record.text for record in store.scan(ACME, "runs")}
    for text in (texts["r1"], store.read(ACME, "runs", "r1")):
        with pytest.raises(Corrupt):
            unseal("made", text or "")
    assert unseal("made", texts["r2"]) == 0
