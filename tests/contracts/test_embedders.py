"""What every sentence embedder does, whatever model is behind it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from twin_embedders import EMBEDDERS

from argotune.adapters.memory.embedder import HashedEmbedder
from argotune.errors import ConfigInvalid
from argotune.programs.embedder import MAX_CHARS, SentenceEmbedder, VectorNeighbours, unit_rows

OPENED: dict[str, Callable[[], SentenceEmbedder]] = {"hashed": HashedEmbedder}

TEXTS = ("show me the balance of my account", "", "   ", "?!", "Wie wird das Wetter?", "\ud800 lone", "a" * 50_000)


@pytest.fixture(params=OPENED)
def embedder(request: pytest.FixtureRequest) -> SentenceEmbedder:
    return OPENED[request.param]()


def test_every_text_has_a_vector_of_length_1(embedder: SentenceEmbedder):
    found = embedder.vectors(TEXTS)
    assert found.dtype == np.float32
    assert found.shape[0] == len(TEXTS)
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-5)


def test_no_texts_are_no_rows(embedder: SentenceEmbedder):
    assert embedder.vectors([]).shape[0] == 0


def test_vectors_are_the_same_alone_and_in_company(embedder: SentenceEmbedder):
    together = embedder.vectors(TEXTS)
    alone = np.concatenate([embedder.vectors([text]) for text in TEXTS])
    assert together == pytest.approx(alone, abs=2e-3)


def test_of_a_long_text_only_the_beginning_counts(embedder: SentenceEmbedder):
    text = "weather in berlin " * MAX_CHARS
    assert embedder.vectors([text]) == pytest.approx(embedder.vectors([text[:MAX_CHARS]]), abs=1e-4)


def test_name_and_digest_are_told(embedder: SentenceEmbedder):
    assert embedder.name
    assert embedder.digest


def test_like_texts_are_nearest(embedder: SentenceEmbedder):
    near = VectorNeighbours(embedder)
    near.fit(["what is the weather in berlin", "pay my electricity bill", "tell me the weather in paris"])
    assert set(near.neighbours("weather in berlin today", 2)) == {0, 2}
    assert near.neighbours("pay the bill", 1) == [1]


def test_nothing_fitted_has_no_neighbours(embedder: SentenceEmbedder):
    near = VectorNeighbours(embedder)
    near.fit([])
    assert near.neighbours("weather", 3) == []


@pytest.mark.parametrize("name", ["minilm", "onnx:", "hashed:x", "x" * 500, "a\nb"])
def test_a_name_that_nothing_opens_is_told_in_one_line(name: str):
    with pytest.raises(ConfigInvalid, match=r"^embedder: .* is not known here; there are hashed$") as told:
        EMBEDDERS.sentences(name)
    assert len(str(told.value)) < 200


def test_an_embedder_is_opened_once():
    assert EMBEDDERS.sentences("hashed") is EMBEDDERS.sentences()


@pytest.mark.parametrize("row", [[0.0, 0.0], [np.nan, np.nan], [np.inf, 0.0]])
def test_a_row_without_direction_is_still_a_unit_vector(row: list[float]):
    assert np.array_equal(unit_rows(np.array([row], np.float32)), [[1.0, 0.0]])
