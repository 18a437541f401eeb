"""What every sentence embedder does, whatever model is behind it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from embedding_server import embeddings, vectors_of
from openai_server import Answer, OpenAIServer, failure, running
from small_models import WORDS, onnx_folder, static_folder
from twin_embedders import EMBEDDERS

from argotune import wiring
from argotune.adapters.litellm.embedder import TEXTS_A_REQUEST, RemoteSentences
from argotune.adapters.memory.embedder import HashedEmbedder
from argotune.adapters.onnx import OnnxSentences
from argotune.adapters.retrying import Patience
from argotune.adapters.static_vectors import StaticVectors
from argotune.adapters.universal_sentence_encoder import PINNED, UniversalSentenceEncoder
from argotune.errors import (
    AccessDenied,
    ArgotuneError,
    BadAnswer,
    BudgetSpent,
    ConfigInvalid,
    RateLimited,
    RequestRefused,
    Unavailable,
)
from argotune.lm.meter import Meter
from argotune.programs.embedder import MAX_CHARS, SentenceEmbedder, VectorNeighbours, unit_rows
from argotune.settings import read_settings
from argotune.tenants.config import BudgetLimits

TEXTS = ("show me the balance of my account", "", "   ", "?!", "Wie wird das Wetter?", "\ud800 lone \x00", "a" * 50_000)
REMOTE = "litellm:openai/text-embedding-3-small"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    with running() as found:
        found.answers = [embeddings]
        monkeypatch.setenv("OPENAI_BASE_URL", found.url)
        monkeypatch.setenv("OPENAI_API_BASE", found.url)
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        yield found


def remote(key: str | None = "sk-of-the-embedder", name: str = REMOTE) -> RemoteSentences:
    patience = Patience(sleep=lambda _s: None, chance=lambda: 0.0)
    return RemoteSentences(name, key, "ARGOTUNE_EMBEDDER_KEY", patience)


OPENED: dict[str, Callable[[Path], SentenceEmbedder]] = {
    "hashed": lambda _: HashedEmbedder(),
    "use-multilingual": lambda _: UniversalSentenceEncoder(),
    "static": lambda folder: StaticVectors("static:words", static_folder(folder)),
    "onnx": lambda folder: OnnxSentences("onnx:words", onnx_folder(folder)),
    "litellm": lambda _: remote(),
}


@pytest.fixture(params=OPENED)
def embedder(request: pytest.FixtureRequest, tmp_path: Path, server: OpenAIServer) -> SentenceEmbedder:
    return OPENED[request.param](tmp_path)


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
    assert together == pytest.approx(alone, abs=1e-5)


def test_of_a_long_text_only_the_beginning_counts(embedder: SentenceEmbedder):
    beginning = ("weather " * MAX_CHARS)[:MAX_CHARS]
    text = beginning + "pay my electricity bill " * MAX_CHARS
    assert embedder.vectors([text]) == pytest.approx(embedder.vectors([beginning]), abs=1e-5)


def test_name_and_digest_are_told(embedder: SentenceEmbedder):
    assert embedder.name
    assert len(embedder.digest) >= len("n-grams")


def test_like_texts_are_nearest(embedder: SentenceEmbedder):
    near = VectorNeighbours(embedder)
    near.fit(["what is the weather in berlin", "pay my electricity bill", "is the weather in paris"])
    assert set(near.neighbours("weather in berlin", 2)) == {0, 2}
    assert near.neighbours("pay the bill", 1) == [1]


def test_nothing_fitted_has_no_neighbours(embedder: SentenceEmbedder):
    near = VectorNeighbours(embedder)
    near.fit([])
    assert near.neighbours("weather", 3) == []


# The bundle


@pytest.mark.parametrize("name", ["minilm", "onnx:", "hashed:x", "x" * 500, "a\nb"])
def test_a_name_that_nothing_opens_is_told_in_one_line(name: str):
    with pytest.raises(ConfigInvalid, match=r"^embedder: .* is not known here; there are hashed$") as told:
        EMBEDDERS.sentences(name)
    assert len(str(told.value)) < 200


def test_what_finds_neighbours_alone_makes_no_vectors():
    assert EMBEDDERS.neighbours("tfidf").name == "tfidf"
    with pytest.raises(ConfigInvalid, match="embedder: tfidf finds neighbours and makes no vectors; name a sentence"):
        EMBEDDERS.sentences("tfidf")


def test_an_embedder_is_opened_once_for_all_tenants():
    other = EMBEDDERS.for_tenant(None, lambda embedder: embedder)
    assert EMBEDDERS.sentences("hashed") is EMBEDDERS.sentences() is other.sentences()


@pytest.mark.parametrize("row", [[0.0, 0.0], [np.nan, np.nan], [np.inf, 0.0]])
def test_a_row_without_direction_is_still_a_unit_vector(row: list[float]):
    assert np.array_equal(unit_rows(np.array([row], np.float32)), [[1.0, 0.0]])


# The default


def test_default_understands_german_and_french():
    near = VectorNeighbours(wiring.open_embedders(read_settings()).sentences())
    near.fit(["what is the weather like in berlin", "transfer money to my savings account", "play some jazz music"])
    assert near.neighbours("Überweise Geld auf mein Sparkonto", 1) == [1]
    assert near.neighbours("joue de la musique jazz", 1) == [2]


def test_what_answers_by_sentence_vectors_alone_waits_for_no_import_of_scikit_learn():
    asks = "wiring.open_embedders(read_settings()).sentences().vectors(['hello'])"
    code = f"import sys; from argotune import wiring; from argotune.settings import read_settings; {asks}"
    told = f"{code}; print(sorted({{name.partition('.')[0] for name in sys.modules}} & {{'sklearn', 'pandas'}}))"
    assert subprocess.run([sys.executable, "-c", told], check=True, capture_output=True, text=True).stdout == "[]\n"


def test_default_with_other_weights_than_were_measured_is_refused():
    with pytest.raises(ConfigInvalid, match=r"use-multilingual: sp.model has the hash \w{12} and not 0{12}: install"):
        UniversalSentenceEncoder({**PINNED, "sp.model": "0" * 64})


def test_default_answers_a_question_of_50_kb_in_time():
    embedder = wiring.open_embedders(read_settings()).sentences()
    embedder.vectors(["warm"])
    started = time.process_time()
    embedder.vectors(["weather in berlin " * 3_000])
    assert time.process_time() - started < 2


# Folders


@pytest.mark.parametrize("kind", ["onnx", "static"])
def test_a_folder_that_is_no_model_is_told_in_one_line(kind: str, tmp_path: Path):
    make = {"onnx": onnx_folder, "static": static_folder}[kind]
    weights = {"onnx": "model.onnx", "static": "model.safetensors"}[kind]
    for name in ("no-tokenizer", "no-weights", "bad-weights", "bad-tokenizer"):
        make(tmp_path / name)
    (tmp_path / "no-tokenizer/tokenizer.json").unlink()
    (tmp_path / "no-weights" / weights).unlink()
    (tmp_path / "bad-weights" / weights).write_bytes(b"\x00" * 100)
    (tmp_path / "bad-tokenizer/tokenizer.json").write_text('{"a": ')
    for name, why in {
        "no-tokenizer": "has no tokenizer.json",
        "no-weights": f"has no {weights}",
        "bad-weights": "cannot be loaded: ",
        "bad-tokenizer": "cannot be loaded: ",
        "none": ": no such folder",
    }.items():
        assert f"embedder: '{kind}:{name}'{'' if name == 'none' else ' '}{why}" in refused(f"{kind}:{name}", tmp_path)


def refused(name: str, models: Path | None, own: str = "use-multilingual") -> str:
    """Why an embedder cannot be opened, "" where it can."""
    settings, told = read_settings(embedder=own, embedder_dir=models), ""
    try:
        wiring.open_embedders(settings).sentences(name)
    except ConfigInvalid as error:
        told = str(error)
    assert "\n" not in told
    return told


@pytest.mark.parametrize("path", ["{0}/words", "../words", "a/../../words", ".", "link"])
def test_a_tenant_names_no_folder_but_those_of_models(path: str, tmp_path: Path):
    models = tmp_path / "models"
    static_folder(tmp_path / "words"), static_folder(models / "mine")
    (models / "link").symlink_to(tmp_path / "words")
    name = f"static:{path.format(tmp_path)}"
    assert "is no folder in ARGOTUNE_EMBEDDER_DIR; name one that is" in refused(name, models)
    assert refused("static:mine", models) == ""
    assert "this installation has no ARGOTUNE_EMBEDDER_DIR" in refused("static:mine", None)


def test_an_installation_names_any_folder(tmp_path: Path):
    name = f"static:{static_folder(tmp_path / 'words')}"
    assert refused(name, None, own=name) == ""
    assert refused("static:words", tmp_path, own="static:words") == ""


def test_a_model_that_changed_under_its_name_has_another_digest(tmp_path: Path):
    first = StaticVectors("static:words", static_folder(tmp_path)).digest
    again = StaticVectors("static:words", static_folder(tmp_path)).digest
    other = StaticVectors("static:words", static_folder(tmp_path, weights=np.ones(len(WORDS), np.float32) * 2)).digest
    assert first == again != other


@pytest.mark.parametrize(
    ("tensors", "why"),
    [
        ({"embeddings": np.ones((3, 4), np.float32)}, "the tokenizer has 12 tokens and the model 3"),
        ({"embeddings": np.ones(12, np.float32)}, "embeddings have 1 dimensions and not 2"),
        ({"mapping": np.full(12, 99)}, "tokens are mapped to rows that are not there; there are 12"),
    ],
)
def test_static_vectors_that_do_not_fit_their_tokenizer_are_refused(tensors: dict, why: str, tmp_path: Path):
    with pytest.raises(ConfigInvalid, match=f"'static:words' cannot be loaded: {why}"):
        StaticVectors("static:words", static_folder(tmp_path, **tensors))


def test_tokens_share_rows_and_count_as_the_model_says(tmp_path: Path):
    mapping = np.zeros(len(WORDS), np.int64)
    found = StaticVectors("static:words", static_folder(tmp_path, mapping=mapping)).vectors(["weather", "bill"])
    assert np.allclose(found[0], found[1])
    weights = np.ones(len(WORDS), np.float32)
    weights[WORDS.index("bill")] = 0
    pay, both = StaticVectors("static:words", static_folder(tmp_path, weights=weights)).vectors(["pay", "pay bill"])
    assert np.allclose(pay, both)


def test_a_network_that_wants_more_than_tokens_is_refused(tmp_path: Path):
    with pytest.raises(ConfigInvalid, match="cannot be loaded: it wants 'pixels', and is given only input_ids"):
        OnnxSentences("onnx:words", onnx_folder(tmp_path, asked="pixels"))


def test_a_network_that_fails_on_what_it_is_given_is_refused_when_it_is_opened(tmp_path: Path):
    with pytest.raises(ConfigInvalid, match=r"'onnx:words' cannot be loaded: InvalidArgument: .*data type"):
        OnnxSentences("onnx:words", onnx_folder(tmp_path, is_narrow=True))


# Behind an API


def test_requests_are_counted_and_a_spent_budget_stops_them(server: OpenAIServer):
    meter = Meter(BudgetLimits(max_lm_calls=2))
    paid = remote().paid_by(meter)
    paid.vectors(["text"] * (2 * TEXTS_A_REQUEST))
    assert (meter.spent.calls, meter.spent.tokens) == (2, 2 * TEXTS_A_REQUEST)
    assert [len(asked["input"]) for asked in server.bodies] == [TEXTS_A_REQUEST] * 2
    with pytest.raises(BudgetSpent):
        paid.vectors(["text"])
    remote().vectors(["text"])  # serving counts nothing


@pytest.mark.parametrize(
    ("answers", "kind", "why", "asked"),
    [
        ([failure(401, "bad key")], AccessDenied, "bad key.*; check ARGOTUNE_EMBEDDER_KEY", 1),
        ([failure(429, "slow down")], RateLimited, "slow down", 4),
        ([failure(500, "oops")], Unavailable, "oops", 4),
        ([failure(400, "too long")], RequestRefused, "too long", 1),
        ([failure(404, "no such model", code="model_not_found")], ConfigInvalid, "no such model", 1),
        ([Answer(200, '{"data": []}')], BadAnswer, "0 vectors for 1 texts|without vectors", 4),
        ([Answer(200, vectors_of([[1.0, float("nan")]]))], ArgotuneError, "litellm:openai/text", 4),
        ([failure(500, "oops"), embeddings], None, "", 2),
    ],
)
def test_what_a_server_answers_is_told_and_tried_again_as_for_lms(
    server: OpenAIServer, answers: list, kind: type[ArgotuneError] | None, why: str, asked: int
):
    server.answers = answers
    if kind is None:
        assert remote().vectors(["text"]).shape[0] == 1
    else:
        with pytest.raises(kind, match=why) as told:
            remote().vectors(["text"])
        assert "\n" not in str(told.value)
    assert len(server.bodies) == asked


def test_a_name_without_a_key_says_which_variable_is_missing(server: OpenAIServer):
    with pytest.raises(ArgotuneError, match="ARGOTUNE_EMBEDDER_KEY") as told:
        remote(key=None).vectors(["text"])
    assert told.value.exit_code == 2
    assert not server.bodies


@pytest.mark.parametrize("name", ["litellm:two words", "litellm: x", "litellm:a\x07"])
def test_what_is_no_name_is_refused_when_it_is_opened(name: str):
    with pytest.raises(ConfigInvalid, match="is no LiteLLM name"):
        remote(name=name)


def test_the_key_of_the_installation_goes_to_its_own_model_alone(server: OpenAIServer, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "of-the-provider")
    embedders = wiring.open_embedders(read_settings(embedder=REMOTE, embedder_key="of-the-installation"))
    embedders.sentences().vectors(["a"])
    embedders.sentences("litellm:openai/other").vectors(["a"])
    assert server.keys == ["of-the-installation", "of-the-provider"]


def test_the_digest_of_a_model_behind_an_api_follows_its_size(server: OpenAIServer):
    first = remote().digest
    assert remote().digest == first
    server.answers = [Answer(200, vectors_of([[1.0, 0.0, 0.0]]))]
    assert remote().digest != first
