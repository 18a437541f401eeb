"""Familiar questions: how many of those like training are taken for others, and what becomes of all others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from asked_agents import THINGS, asked
from scripted_lm import scripted_lms
from small_routing import ROUTING
from twin_embedders import EMBEDDERS

from argotune.optimizers import TrainingTask
from argotune.optimizers.familiar import familiar_of
from argotune.optimizers.student import FittedStudent, fitted_student
from argotune.programs.arrays import Floats
from argotune.programs.cascade import EVERYTHING_FAMILIAR, Cascade, Familiar, FellThrough, Trust, read_familiar
from argotune.programs.student import LabelModel, QuestionReader, Schooling, Student
from argotune.tenants.optimizer_settings import CascadeSettings

MORE = ("snow", "maps", "golf", "ants", "lego", "wine", "moss", "silk", "fish", "rust")
STRANGE = ("Как доехать?", "汉字", "zzz qqq", "")


def fitted(n: int = 200, *labels: str) -> FittedStudent:
    train = [each for each in asked(THINGS) if not labels or each.agent in labels][:n]
    lms = scripted_lms(lambda *_: "sum", None)
    return fitted_student(TrainingTask(ROUTING, ROUTING.build(), train, [], lms, EMBEDDERS, 3, max_iterations=1), [])


def are_familiar(familiar: Familiar, student: Student, texts: list[str] | tuple[str, ...]) -> list[bool]:
    rows = student.reader.rows([{"query": text} for text in texts])
    return [familiar.has(row, student.said_of(row)["confidence"]) for row in rows]


def test_questions_like_those_of_training_are_familiar_and_others_are_not():
    of = fitted()
    familiar = familiar_of(of, CascadeSettings(unfamiliar_share=0.1), seed=1)
    assert np.mean(are_familiar(familiar, of.student, [each.query for each in asked(MORE)])) > 0.8
    assert not any(are_familiar(familiar, of.student, STRANGE))
    assert familiar_of(of, CascadeSettings(unfamiliar_share=0.0), seed=1) is EVERYTHING_FAMILIAR
    assert all(are_familiar(EVERYTHING_FAMILIAR, of.student, STRANGE))


@pytest.mark.parametrize(
    ("examples", "share", "is_told"), [(3, 0.1, False), (8, 0.1, False), (9, 0.1, True), (3, 0.25, True)]
)
def test_few_examples_tell_nothing_of_what_is_familiar(examples: int, share: float, is_told: bool):
    """The lowest p-value of n examples is 1 / (n + 1)."""
    found = familiar_of(fitted(examples), CascadeSettings(unfamiliar_share=share), seed=1)
    assert (found is not EVERYTHING_FAMILIAR) == is_told


def test_examples_of_one_label_tell_what_is_familiar():
    of = fitted(200, "sum")
    familiar = familiar_of(of, CascadeSettings(), seed=1)
    assert not any(are_familiar(familiar, of.student, STRANGE))


def on_a_sphere(rng: np.random.Generator, n: int, middles: Floats) -> Floats:
    drawn = middles[rng.integers(len(middles), size=n)] + 0.35 * rng.normal(size=(n, middles.shape[1]))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize("share", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("n", [30, 200])
def test_of_questions_like_those_of_training_no_more_than_the_share_is_unfamiliar(share: float, n: int):
    """Real code on many draws. What is sent is a mean over draws of training examples, each of another size."""
    rng, of, sent = np.random.default_rng(n), fitted(), list[float]()
    reader = QuestionReader(of.student.reader.sentences, {})
    for _ in range(60):
        middles = rng.normal(size=(6, 16)).astype(np.float32)
        rows, folds = on_a_sphere(rng, n, middles), rng.permutation(n) % 5
        confidences = rng.uniform(0.3, 1.0, size=n)
        given = replace(of, student=Student(reader, of.student.models, of.student.schooling), rows=rows)
        familiar = familiar_of(
            replace(given, folds=folds, confidences=confidences), CascadeSettings(unfamiliar_share=share), 1
        )
        asked_for = zip(on_a_sphere(rng, 100, middles), rng.uniform(0.3, 1.0, size=100), strict=True)
        sent.append(float(np.mean([not familiar.has(row, sure) for row, sure in asked_for])))
    error = float(np.std(sent)) / np.sqrt(len(sent))
    assert share / 3 < np.mean(sent) <= share + 2.5 * error


class Given:
    """A vector for each text that it knows, NaN for others."""

    name = digest = "given"

    def vectors(self, texts: list[str]) -> Floats:
        known = {"near": [1.0, 0.0], "far": [0.0, 1.0], "between": [0.8, 0.6]}
        return np.array([known.get(text, [np.nan, np.nan]) for text in texts], np.float32)


def cascade(weights: list[list[float]], threshold: float, sureness: float = 0.0) -> Cascade:
    model = LabelModel(("video", "sum"), np.array(weights, np.float32), np.zeros(2, np.float32), 1.0, (), 0.0)
    student = Student(QuestionReader(Given(), {}), {"agent": model}, Schooling(1, 0, 1.0, 1.0, 0.0))
    familiar = Familiar(np.array([[1.0, 0.0]], np.float32), 0.5, sureness)
    return Cascade(student, ROUTING.build(), familiar, Trust(threshold, ""))


SURE, EVEN = [[9.0, 9.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize(
    ("query", "weights", "sureness", "found"),
    [
        ("near", SURE, 0.0, "video"),
        ("between", SURE, 1.0, "video"),
        ("near", EVEN, 0.0, FellThrough.UNSURE),
        ("between", EVEN, 0.0, FellThrough.UNSURE),
        ("between", EVEN, 1.0, FellThrough.UNFAMILIAR),  # 0.8 + log 0.5 is below 0.5
        ("far", SURE, 0.0, FellThrough.UNFAMILIAR),
        ("far", EVEN, 0.0, FellThrough.UNFAMILIAR),
        ("no number", SURE, 1.0, FellThrough.UNFAMILIAR),
    ],
)
def test_a_question_is_answered_where_it_is_familiar_and_the_student_sure(query, weights, sureness, found):
    said = cascade(weights, 0.9, sureness).by_student({"query": query})
    assert (said if isinstance(said, FellThrough) else said.agent) == found


def test_what_an_earlier_release_stored_is_familiar_as_it_was():
    landmarks = {"shape": [1, 2], "float32": "AACAPwAAAAA="}
    old = read_familiar({"landmarks": landmarks, "least": 0.5})
    assert (old.landmarks.tolist(), old.least, old.sureness) == ([[1.0, 0.0]], 0.5, 0.0)
    assert read_familiar(None) is EVERYTHING_FAMILIAR


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ({"landmarks": {"shape": [2], "int8": "AAE=", "step": 1.0}, "least": 0.5}, "landmarks are rows of numbers"),
        ({"landmarks": {"shape": [1, 2], "int8": "AAE=", "step": float("nan")}, "least": 0.5}, "finite"),
        ({"landmarks": {"shape": [1, 2], "int8": "AAE=", "step": 1.0}, "least": float("nan")}, "are numbers"),
        (
            {"landmarks": {"shape": [1, 2], "int8": "AAE=", "step": 1.0}, "least": 0.5, "sureness": float("inf")},
            "are numbers",
        ),
        ({"landmarks": {"shape": [1, 3], "int8": "AAE=", "step": 1.0}, "least": 0.5}, "shape"),
    ],
)
def test_what_is_no_state_is_refused(state, why):
    with pytest.raises(ValueError, match=why):
        read_familiar(state)
