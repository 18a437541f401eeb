"""Cascades: who answers what, how a threshold is shown to be safe, and that it rarely is where it is not."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import dspy
import numpy as np
import pytest
from asked_agents import THINGS, WORDS, asked, by_words
from scripted_lm import scripted_lms
from small_routing import ROUTING, ask, example
from twin_embedders import EMBEDDERS, twins

from argotune.adapters.memory.embedder import HashedEmbedder
from argotune.data.guards.leaks import held_questions
from argotune.errors import BudgetSpent, Unavailable
from argotune.optimizers import OPTIMIZERS, TrainingTask
from argotune.optimizers.thresholds import (
    SHARES,
    by_accuracy_first,
    certified_by_accuracy,
    certified_by_agreement,
    thresholds_of,
)
from argotune.optimizers.tutor import lm_program
from argotune.programs.cascade import Cascade
from argotune.programs.embedder import Vectors
from argotune.programs.program import dspy_example
from argotune.programs.retrieval import RetrievedDemos
from argotune.programs.state import dump, load, prompts
from argotune.programs.student import Student
from argotune.tenants.optimizer_settings import OptimizerSettings

MORE = ("snow", "maps", "golf", "ants", "lego", "wine", "moss", "silk", "fish", "rust")


def bad_lm(inputs: Any, _labels: Any, _demos: Any) -> str:
    """Right on a third of the questions."""
    return "sum" if len(inputs["query"]) % 3 else by_words(inputs, None, None)


def task(answer: Any = bad_lm, **changes: Any) -> TrainingTask:
    settings = changes.pop("settings", {})
    made = TrainingTask(
        ROUTING,
        ROUTING.build(),
        asked(THINGS[:4]),
        asked(MORE[:4]),
        scripted_lms(answer, None, **changes.pop("failing", {})),
        EMBEDDERS,
        seed=3,
        max_iterations=1,
        settings=OptimizerSettings.model_validate({"cascade": settings}),
    )
    return replace(made, **changes)


def compiled(given: TrainingTask) -> dspy.Module:
    return OPTIMIZERS["cascade"].compile(given)


def bare(questions: list[dspy.Example]) -> list[dspy.Example]:
    return [dspy_example(each.inputs().toDict(), each.inputs().keys()) for each in questions]


# Who answers


def test_what_the_student_is_sure_of_costs_no_call_and_the_rest_one():
    given = task()
    cascade = compiled(given)
    lms = scripted_lms(bad_lm, None)
    sure = ask(cascade, lms, query="clip of bees", entities="", relationships="", enhanced_query="")
    assert (sure.agent, sure.by, lms.task.calls.count) == ("video", "student", 0)
    other = ask(cascade, lms, query="Как доехать до вокзала?", entities="", relationships="", enhanced_query="")
    assert (other.by, lms.task.calls.count) == ("lm", 1)
    assert "a student in front of it: on 48 held-out labels it answers" in given.notes[0]


@pytest.mark.parametrize("query", ["", "x " * 25_000, "\ud800", "?!"])
def test_whatever_is_asked_somebody_answers(query: str):
    cascade, asked_for = compiled(task()), {"query": query, "entities": "", "relationships": "", "enhanced_query": ""}
    said = ask(cascade, scripted_lms(lambda *_: "sum", None), **asked_for)
    assert said.by in ("student", "lm")
    assert said.agent in ROUTING.fields.answers["agent"]


def test_it_survives_json_and_answers_the_same():
    cascade = compiled(task())
    state = json.loads(json.dumps(dump(cascade)))
    again = load(ROUTING, state, ROUTING.signature_hash, EMBEDDERS)
    assert dump(again) == state == dump(copy.deepcopy(cascade))
    lms = scripted_lms(bad_lm, None)
    for each in [*asked(MORE[6:8]), example("¿Dónde está la biblioteca?")]:
        one, two = (ask(module, lms, **each.inputs().toDict()) for module in (cascade, again))
        assert (one.agent, one.by, one.confidence) == (two.agent, two.by, two.confidence)


def test_one_that_does_not_say_what_is_familiar_goes_by_confidence_alone():
    state = json.loads(json.dumps(dump(compiled(task()))))
    del state["familiar"]
    state["threshold"] = 0.0
    cascade = load(ROUTING, state, ROUTING.signature_hash, EMBEDDERS)
    asked_for = {"query": "Как доехать до вокзала?", "entities": "", "relationships": "", "enhanced_query": ""}
    assert ask(cascade, scripted_lms(bad_lm, None), **asked_for).by == "student"


def test_its_story_has_student_threshold_and_prompts():
    told = prompts(dump(compiled(task())))
    assert {"student", "threshold", "answer", "retrieved examples"} <= told.keys()
    assert "The student answers from a confidence of" in told["threshold"]
    assert "no loss of accuracy" in told["threshold"]


def test_when_the_lm_is_down_the_student_goes_on_and_the_rest_is_an_outage():
    cascade = compiled(task())
    down = scripted_lms(bad_lm, None, fail_at=1, error=Unavailable("the LM is down"))
    assert ask(cascade, down, query="film about bees").by == "student"
    with pytest.raises(Unavailable, match="the LM is down"):
        ask(cascade, down, query="Как доехать до вокзала?")


def test_when_the_embedder_is_down_the_lm_answers():
    cascade = compiled(task())

    class Down:
        name = digest = "api"

        def vectors(self, texts: Any) -> Any:
            raise Unavailable("the embedder is down")

    cascade.student.reader = replace(cascade.student.reader, sentences=Down())
    assert ask(cascade, scripted_lms(by_words, None), query="film about bees").by == "lm"


def test_what_its_lm_program_shows_is_what_it_holds():
    state = dump(compiled(task()))
    assert held_questions(state, {"one": {"query": "clip of bees"}, "two": {"query": "clip of foxes"}}, {"agent"}) == (
        "one",
    )


# Whether it may


def test_a_better_lm_leaves_the_lm_program_alone_and_says_so():
    noisy = [example(each.query, "sum" if n % 2 else each.agent) for n, each in enumerate(asked(THINGS[:4]))]
    given = task(by_words, train=noisy)
    found = compiled(given)
    assert isinstance(found, RetrievedDemos)
    assert given.notes[0].startswith("the LM program alone, as no threshold of a student can be trusted")


def test_without_labels_and_requests_nothing_is_trusted():
    given = task(dev=[])
    assert not isinstance(compiled(given), Cascade)
    assert "neither enough labels nor requests" in given.notes[0]


def test_requests_without_labels_tell_agreement():
    requests = bare(asked((*MORE, *THINGS)))
    given = task(by_words, dev=[], unlabelled=requests, settings={"by": "agreement", "max_other_answers": 0.1})
    found = compiled(given)
    assert isinstance(found, Cascade)
    assert "unlabelled requests it answers" in found.trust.why
    assert given.lms.task.calls.count == len(requests)  # half of them teach, half measure


def test_auto_goes_by_labels_where_there_are_enough():
    requests = bare(asked(MORE))
    for least, word in ((48, "held-out label"), (49, "unlabelled request")):
        given = task(
            by_words if least == 49 else bad_lm,
            unlabelled=requests,
            settings={"min_labels": least, "max_other_answers": 0.2},
        )
        compiled(given)
        assert word in given.notes[0]


def test_when_the_budget_ends_no_threshold_is_made_up():
    some = task(failing={"fail_at": 62, "error": BudgetSpent("all calls are used")})
    compiled(some)
    assert "20 held-out labels" in some.notes[0]  # 40 probes come first; the third batch is lost
    nothing = task(failing={"fail_at": 42, "error": BudgetSpent("all calls are used")})
    assert isinstance(compiled(nothing), RetrievedDemos)
    assert "no held-out label is there" in nothing.notes[0]


def test_held_out_questions_are_embedded_once_and_together():
    asked_for: list[int] = []

    class Counting(HashedEmbedder):
        def vectors(self, texts: Sequence[str]) -> Vectors:
            asked_for.append(len(texts))
            return super().vectors(texts)

    embedders = twins(hashed=lambda _: Counting())
    requests = bare(asked(MORE))
    for by, embedded in (("accuracy", [48, 120, 48]), ("agreement", [48, 60, 60])):  # examples, taught, held out
        compiled(task(embedders=embedders, tutor=ROUTING.build(), unlabelled=requests, settings={"by": by}))
        assert asked_for == embedded
        asked_for.clear()


def test_an_outage_ends_the_training_as_what_it_is():
    with pytest.raises(Unavailable, match="gone"):
        compiled(task(failing={"fail_at": 1, "error": Unavailable("gone")}))


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("delta", 1e-9),
        ("tolerance", 0.9),
        ("unfamiliar_share", 0.9),
        ("landmarks", 3),
        ("by", "agreement"),
        ("min_labels", 100),
    ],
)
def test_a_tenant_says_what_is_safe(name: str, other: Any):
    assert dump(compiled(task(settings={name: other}))) != dump(compiled(task()))


# Its LM program


def test_the_lm_program_is_the_champions_with_todays_examples():
    old = OPTIMIZERS["nearest"].compile(task(train=asked(THINGS[:1])))
    found = lm_program(task(tutor=old))
    assert isinstance(found, RetrievedDemos)
    assert len(found.examples) == 48
    assert lm_program(task(tutor=compiled(task()))).k == found.k
    labelled = OPTIMIZERS["labeled"].compile(task())
    assert lm_program(task(tutor=labelled)) is labelled


def test_beside_a_student_the_nearest_examples_are_shown():
    student = OPTIMIZERS["student"].compile(task())
    assert isinstance(student, Student)
    assert isinstance(lm_program(task(tutor=student)), RetrievedDemos)


# What is shown


def test_thresholds_answer_the_shares_that_they_are_made_for():
    sure = np.random.default_rng(1).uniform(size=2000)
    found = thresholds_of(sure)
    assert found[-1] == 0
    assert [float((sure >= t).mean()) for t in found] == pytest.approx(SHARES, abs=0.01)


def test_the_first_threshold_is_where_the_student_gains_most_surely():
    sure = np.linspace(1, 0, 1000)
    scores = (np.random.default_rng(2).uniform(size=1000) < sure).astype(float)
    order = by_accuracy_first(sure, scores, 0.5)
    assert order == thresholds_of(sure)[-len(order) :]
    assert 0.3 <= (sure >= order[0]).mean() <= 0.6  # it is right more often than the LM on one half
    assert by_accuracy_first(sure, scores, 0.01)[0] < 0.2


def drawn(rng: np.random.Generator, n: int, lm: float, best: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Confidences, and hits of a student that is right with the chance best - 0.5 (1 - confidence), and of an LM."""
    sure = rng.uniform(size=n)
    return sure, (rng.uniform(size=n) < best - 0.5 * (1 - sure)).astype(float), (rng.uniform(size=n) < lm).astype(float)


@pytest.mark.parametrize(("lm", "best"), [(0.75, 0.9), (0.85, 0.9), (0.5, 0.5), (0.92, 0.9)])
@pytest.mark.parametrize("n", [25, 100])
def test_a_threshold_that_loses_is_taken_no_more_often_than_delta(lm: float, best: float, n: int):
    """Real code on many held-out sets: the order by a student's folds, the test by other questions. The true gain at a
    threshold t is the integral of best - 0.5 (1 - c) - lm over c from t to 1."""
    rng, delta, rounds, wrong = np.random.default_rng(n), 0.1, 500, 0
    for _ in range(rounds):
        folds = drawn(rng, 200, lm, best)
        order = by_accuracy_first(folds[0], folds[1], float(drawn(rng, 40, lm, best)[2].mean()))
        found = certified_by_accuracy(order, *drawn(rng, n, lm, best), delta, 0.0)
        if found:
            t = found.threshold
            gain = (best - 0.5 - lm) * (1 - t) + 0.25 * (1 - t * t)
            wrong += gain < 0
    assert wrong / rounds <= delta + 3 * np.sqrt(delta * (1 - delta) / rounds)


def test_choosing_the_lm_program_on_the_same_labels_makes_it_no_less_safe():
    rng, delta, rounds, wrong = np.random.default_rng(11), 0.1, 500, 0
    for _ in range(rounds):
        sure, student, _ = drawn(rng, 60, 0.8, 0.9)
        lms = [(rng.uniform(size=60) < 0.8).astype(float) for _ in range(3)]
        best = max(lms, key=np.mean)
        found = certified_by_accuracy([0.0], sure, student, best, delta, 0.0)  # its true gain is -0.15
        wrong += found is not None
    assert wrong / rounds <= delta


def test_a_student_that_is_much_better_is_trusted_with_most_questions():
    rng = np.random.default_rng(5)
    shares = []
    for _ in range(100):
        folds = drawn(rng, 200, 0.6, 1.1)
        order = by_accuracy_first(folds[0], folds[1], 0.6)
        found = certified_by_accuracy(order, *drawn(rng, 100, 0.6, 1.1), 0.1, 0.0)
        shares.append(found.share if found else 0.0)
    assert np.mean(np.array(shares) >= 0.8) > 0.8


def test_a_student_is_trusted_though_the_lm_is_right_where_it_is_sure_too():
    """As on CLINC150: what the LM program knows, its student is sure of, so strict thresholds show nothing."""
    rng, taken = np.random.default_rng(6), 0

    def asked(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        sure = rng.choice([0.5, 0.7, 0.85, 0.95], p=[0.2, 0.15, 0.15, 0.5], size=n) + rng.uniform(-0.05, 0.05, size=n)
        student = rng.uniform(size=n) < sure
        lm = rng.uniform(size=n) < np.where(sure > 0.9, 0.93, 0.4)
        return sure, student.astype(float), lm.astype(float)

    for _ in range(100):
        sure, student, _ = asked(200)
        order = by_accuracy_first(sure, student, float(asked(40)[2].mean()))
        taken += certified_by_accuracy(order, *asked(60), 0.1, 0.0) is not None
    assert taken > 50


def test_disagreement_above_the_bound_is_taken_no_more_often_than_delta():
    rng, delta, rounds, wrong, most = np.random.default_rng(9), 0.1, 500, 0, 0.05
    for _ in range(rounds):
        sure = rng.uniform(size=150)
        differs = rng.uniform(size=150) < 0.3 * (1 - sure)
        found = certified_by_agreement(thresholds_of(rng.uniform(size=200)), sure, differs, delta, most)
        wrong += bool(found) and 0.15 * (1 - found.threshold) ** 2 > most
    assert wrong / rounds <= delta + 3 * np.sqrt(delta * (1 - delta) / rounds)


@pytest.mark.parametrize(("right", "share"), [(0.9, 1.0), (0.4, None)])
def test_confidences_that_are_all_the_same_let_the_student_answer_all_or_nothing(right: float, share: float | None):
    same, student, lm = np.full(100, 0.7), (np.arange(100) < 100 * right) * 1.0, (np.arange(100) % 2) * 1.0
    order = by_accuracy_first(same, student, lm.mean())
    assert len({threshold for threshold in order if threshold}) <= 1
    found = certified_by_accuracy(order, same, student, lm, 0.1, 0.0)
    assert (found and found.share) == share


def test_few_labels_show_nothing():
    sure, hits = np.ones(3), np.ones(3)
    assert certified_by_accuracy([0.0], sure, hits, 1 - hits, 0.1, 0.0) is None
    assert certified_by_agreement([0.0], np.ones(44), np.zeros(44, bool), 0.1, 0.05) is None
    assert certified_by_agreement([0.0], np.ones(45), np.zeros(45, bool), 0.1, 0.05) is not None


def test_every_word_of_the_questions_is_in_one_label():
    assert all(by_words(each, None, None) == each.agent for each in asked(MORE))
    assert set(WORDS) == {"video", "text", "sum"}
