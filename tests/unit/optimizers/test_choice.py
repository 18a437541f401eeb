"""Which optimizer is chosen, and what is said about it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argotune.errors import ConfigInvalid
from argotune.optimizers import OPTIMIZERS, OptimizerChoice, Unfit, choose

WRITER, NONE = True, False


@pytest.mark.parametrize(
    ("n_train", "accuracy", "has_writer", "optimizer", "because"),
    [
        (1, None, WRITER, "labeled", "1 training examples all fit"),
        (9, 0.2, NONE, "labeled", "9 training examples all fit"),
        (10, None, NONE, "nearest", "nothing here writes instructions"),
        (5000, 0.1, NONE, "nearest", "nothing here writes instructions"),
        (10, None, WRITER, "bootstrap", "10 training examples are a cold start"),
        (49, 0.3, WRITER, "bootstrap", "49 training examples are a cold start"),
        (50, 0.59, WRITER, "simba", "an accuracy of 59.0 % is low"),
        (900, 0.0, WRITER, "simba", "an accuracy of 0.0 % is low"),
        (50, 0.6, WRITER, "mipro", "50 training examples are enough to search"),
        (200, None, WRITER, "mipro", "200 training examples are enough to search"),
        (201, 0.9, WRITER, "gepa", "201 training examples are enough to evolve"),
    ],
)
def test_auto_follows_the_table(n_train: int, accuracy: float | None, has_writer: bool, optimizer: str, because: str):
    choice = choose("auto", n_train, accuracy, has_writer)
    assert isinstance(choice, OptimizerChoice)
    assert choice.optimizer == optimizer
    assert choice.reason.startswith(f"{optimizer}: ")
    assert because in choice.reason


@pytest.mark.parametrize(
    ("n_train", "has_writer", "optimizer"),
    [(9, NONE, "bootstrap"), (5000, NONE, "bootstrap"), (9, WRITER, "bootstrap"), (201, WRITER, "gepa")],
)
def test_examples_are_shown_as_they_are_only_where_a_predictor_can(n_train: int, has_writer: bool, optimizer: str):
    choice = choose("auto", n_train, None, has_writer, shows_examples=False)
    assert (choice.optimizer, type(choice)) == (optimizer, OptimizerChoice)
    for name in ("labeled", "nearest"):
        refusal = choose(name, 64, None, has_writer, shows_examples=False)
        assert isinstance(refusal, Unfit)
        assert "no predictor of the program has both an input and an answer" in refusal.reason


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name != "portfolio"])
def test_wish_of_a_tenant_is_met_where_it_can_be(name: str):
    assert choose(name, 64, 0.5, WRITER) == OptimizerChoice(name, f"{name}: the tenant's config asks for it")


@pytest.mark.parametrize(
    ("name", "n_train", "has_writer", "sentence"),
    [
        ("simba", 12, WRITER, "simba needs 16 training examples, 12 are here"),
        ("nearest", 3, NONE, "nearest needs 8 training examples, 3 are here"),
        ("auto", 0, WRITER, "labeled needs 1 training example, 0 are here"),
        ("gepa", 64, NONE, "gepa needs an LM that writes instructions: set lm.teacher_model"),
    ],
)
def test_refusal_says_what_is_lacking(name: str, n_train: int, has_writer: bool, sentence: str):
    refusal = choose(name, n_train, None, has_writer)
    assert isinstance(refusal, Unfit)
    assert refusal.reason.startswith(sentence)


@pytest.mark.parametrize(
    ("of", "sentence"),
    [
        ({"is_closed": False}, "student answers from closed sets only, and an answer of the program is free text"),
        ({"different_answers": 1}, "student needs two different answers to learn from"),
    ],
)
def test_a_student_is_refused_what_it_cannot_answer_or_learn(of: dict, sentence: str):
    refusal = choose("student", 64, None, NONE, **of)
    assert isinstance(refusal, Unfit)
    assert refusal.reason.startswith(sentence)


def test_unknown_name_is_refused_with_the_list():
    with pytest.raises(ConfigInvalid, match="preferred_optimizer: 'grpo' is not one of auto, bootstrap, random_search"):
        choose("grpo", 100, None, WRITER)


@given(st.integers(1, 10_000), st.none() | st.floats(0, 1), st.booleans())
def test_auto_always_finds_something_that_can_run(n_train: int, accuracy: float | None, has_writer: bool):
    choice = choose("auto", n_train, accuracy, has_writer)
    assert isinstance(choice, OptimizerChoice)
    assert OPTIMIZERS[choice.optimizer].min_examples <= n_train
    assert has_writer or not OPTIMIZERS[choice.optimizer].needs_writer
