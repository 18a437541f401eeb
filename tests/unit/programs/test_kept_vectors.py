"""Vectors that are kept: made once, never more than is set, and never in the way of a run."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from factories import LATER, NOON

from argotune.adapters.memory.embedder import HashedEmbedder
from argotune.adapters.memory.store import MemoryStore
from argotune.data.vector_log import VectorLog
from argotune.errors import Unavailable
from argotune.programs.embedder import Vectors
from argotune.programs.kept_vectors import KeptVectors, RecentVectors
from argotune.store.collections import Collection
from argotune.store.port import Record


class Counting(HashedEmbedder):
    """Notes what it was asked."""

    def __init__(self, digest: str = "n-grams") -> None:
        super().__init__(digest=digest)
        self.asked: list[str] = []

    def vectors(self, texts: list[str]) -> Vectors:
        self.asked += texts
        return super().vectors(texts)


def kept(embedder: HashedEmbedder, store: MemoryStore, most: int = 100, tenant: str = "acme") -> KeptVectors:
    return KeptVectors(embedder, VectorLog(store, tenant), lambda: NOON, most)


def ids(store: MemoryStore) -> set[str]:
    return {record.id for record in store.scan("acme", Collection.VECTORS)}


def test_a_text_is_embedded_once_for_all_runs_of_a_tenant():
    store, embedder = MemoryStore(), Counting()
    first = kept(embedder, store).vectors(["a", "b", "a", "\ud800"])
    again = kept(embedder, store).vectors(["\ud800", "a", "c"])
    assert embedder.asked == ["a", "b", "\ud800", "c"]
    assert np.array_equal(first, HashedEmbedder().vectors(["a", "b", "a", "\ud800"]))
    assert np.array_equal(again[:2], first[[3, 0]])
    kept(embedder, store, tenant="other").vectors(["a"])
    assert embedder.asked[-1] == "a", "another tenant's vectors are another's"


def test_other_weights_under_a_name_find_no_vectors_of_the_former():
    store, other = MemoryStore(), Counting("other weights")
    kept(Counting(), store).vectors(["a"])
    kept(other, store).vectors(["a"])
    assert other.asked == ["a"]


@pytest.mark.parametrize(("most", "left"), [(0, 0), (2, 2), (9, 3)])
def test_no_more_are_kept_than_is_set(most: int, left: int):
    store = MemoryStore()
    assert kept(HashedEmbedder(), store, most).vectors(["a", "b", "c"]).shape[0] == 3
    assert len(ids(store)) == left


def test_the_oldest_and_the_too_old_and_the_damaged_are_forgotten():
    store = MemoryStore()
    log = VectorLog(store, "acme")
    for hours, text in enumerate("abcd"):
        log.keep("digest", {text: b"1234"}, NOON + timedelta(hours=hours))
    store.write("acme", [Record(Collection.VECTORS, "digest/damaged", "{}")])
    assert log.forget(3) == 2, "the oldest and the damaged"
    assert log.find("digest", ["a", "d"]) == {"d": b"1234"}
    assert log.forget(3, NOON + timedelta(hours=3)) == 2
    assert log.forget(3, LATER) == 1


def test_a_damaged_vector_is_made_again():
    store, embedder = MemoryStore(), Counting()
    kept(embedder, store).vectors(["a"])
    (id,) = ids(store)
    for text in ("{}", next(store.scan("acme", Collection.VECTORS)).text.replace("A", "B")):
        store.write("acme", [Record(Collection.VECTORS, id, text)])
        assert np.array_equal(kept(embedder, store).vectors(["a"]), HashedEmbedder().vectors(["a"]))
    assert embedder.asked == ["a"] * 3
    VectorLog(store, "acme").keep("n-grams", {"a": b"123"}, NOON)
    kept(embedder, store).vectors(["a"])
    assert embedder.asked == ["a"] * 4, "half a number is none"


@pytest.mark.parametrize("fails", ["read_many", "write"])
def test_a_store_that_fails_stops_no_run(fails: str, monkeypatch: pytest.MonkeyPatch, caplog):
    store, calls = MemoryStore(), []

    def away(*_arguments: object) -> None:
        calls.append(1)
        raise Unavailable("the store is down")

    monkeypatch.setattr(store, fails, away)
    embedder = kept(HashedEmbedder(), store)
    for _ in range(3):
        assert embedder.vectors(["a", "b"]).shape[0] == 2
    assert len(calls) == 1, "it is not asked again"
    assert caplog.messages == ["vectors are not kept, they are made anew: the store is down"]


def test_serving_remembers_the_questions_it_was_asked_lately():
    embedder = Counting()
    recent = RecentVectors(embedder, most=2)
    assert (recent.name, recent.digest) == (embedder.name, embedder.digest)
    for text in ("a", "a", "b", "a", "c", "b", "a"):
        assert np.array_equal(recent.vectors([text]), HashedEmbedder().vectors([text]))
    assert embedder.asked == ["a", "b", "c", "a"]
    recent.vectors(["a", "b"])
    assert embedder.asked[-2:] == ["a", "b"]
