"""Students: what they learn from labels and from a tutor, what they say of themselves, and what they do without."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import dspy
import numpy as np
import pytest
from asked_agents import THINGS, WORDS, asked, by_words
from scripted_lm import scripted_lms
from small_routing import CROSS, ROUTING, ask, config_with, example
from twin_embedders import EMBEDDERS, twins

from argotune.adapters.memory.embedder import HashedEmbedder
from argotune.data.fields import Fields
from argotune.data.guards.leaks import held_questions
from argotune.errors import BudgetSpent, ConfigInvalid, Corrupt, ProgramChanged, Unavailable
from argotune.lm.port import LMs
from argotune.optimizers import OPTIMIZERS, TrainingTask
from argotune.optimizers.linear_models import folds_of
from argotune.optimizers.student import known_values
from argotune.programs.program import Program, dspy_example
from argotune.programs.state import dump, load, prompts
from argotune.programs.student import Student
from argotune.tenants.optimizer_settings import OptimizerSettings

NOBODY = scripted_lms(lambda *_: "video", None, fail_at=1, error=Unavailable("no LM is there"))


def task(train: list[dspy.Example] | None = None, lms: LMs = NOBODY, **changes: Any) -> TrainingTask:
    train = asked(THINGS[:4]) if train is None else train
    made = TrainingTask(ROUTING, ROUTING.build(), train, [], lms, EMBEDDERS, seed=3, max_iterations=1)
    return replace(made, **changes)


def trained(**changes: Any) -> Any:
    return OPTIMIZERS["student"].compile(task(**changes))


def hits(module: dspy.Module, questions: list[dspy.Example]) -> float:
    return float(np.mean([module(**each.inputs().toDict()).agent == each.agent for each in questions]))


def schooling(module: dspy.Module) -> Any:
    return module.schooling


# What it answers


def test_a_student_answers_questions_that_it_never_saw_without_an_lm():
    student = trained()
    assert hits(student, asked(THINGS[6:])) > 0.9
    found = ask(student, NOBODY, query="clip of a cat")
    assert (found.agent, found.by) == ("video", "student")
    assert 1 / 3 < found.confidence <= 1
    assert not list(student.predictors())


def test_it_survives_json_in_milliseconds_and_answers_the_same():
    student = trained()
    state = json.loads(json.dumps(dump(student)))
    again = load(ROUTING, state, ROUTING.signature_hash, EMBEDDERS)
    assert dump(again) == state == dump(copy.deepcopy(student))
    questions = [each.inputs().toDict() for each in asked(THINGS[4:])]
    assert [again(**q).toDict() for q in questions] == [student(**q).toDict() for q in questions]


def test_equal_tasks_make_equal_students():
    assert dump(trained()) == dump(trained())


def test_its_confidence_is_the_share_of_right_answers():
    rng = np.random.default_rng(5)
    noisy = [example(each.query, each.agent if rng.uniform() < 0.7 else "sum") for each in asked(THINGS)]
    student = trained(train=noisy)
    assert schooling(student).ece < 0.15
    sure = [student(**each.inputs().toDict()).confidence for each in noisy]
    assert np.mean(sure) < 0.97  # a third of the labels cannot be known


def test_several_answers_have_a_model_each_and_the_least_certain_one_says_how_sure_it_is():
    inputs = {"query": "", "context": ""}
    rows = [("clip and paper of {}", "yes", "video+document", "score"), ("just a clip of {}", "no", "none", "none")]
    train = [
        dspy_example(
            {**inputs, "query": text.format(thing), "needs_fusion": a, "fusion_modalities": b, "fusion_strategy": c},
            inputs,
        )
        for thing in THINGS
        for text, a, b, c in rows
    ]
    student = OPTIMIZERS["student"].compile(task(train, program=CROSS, student=CROSS.build()))
    found = student(query="clip and paper of snow", context="")
    assert (found.needs_fusion, found.fusion_modalities, found.fusion_strategy) == ("yes", "video+document", "score")
    assert len(student.models) == 3
    each = [
        model.answer(student.reader.rows([{"query": "clip and paper of snow", "context": ""}])[0])
        for model in student.models.values()
    ]
    assert found.confidence == min(sure for _, sure in each)


@pytest.mark.parametrize("query", ["", "x " * 25_000, "\ud800", "🤷" * 300, "Wie wird das Wetter morgen in Köln?"])
def test_whatever_is_asked_it_answers_with_a_number(query: str):
    found = trained()(query=query, entities="", relationships="", enhanced_query="")
    assert found.agent in WORDS
    assert np.isfinite(found.confidence)


# What it learns from


def test_inputs_with_few_values_count_and_unknown_values_are_nothing():
    kinds = {"video": "film", "text": "page", "sum": "page"}
    train = [example(f"about {thing}", agent, entities=kinds[agent]) for thing in THINGS for agent in ("video", "text")]
    student = trained(train=train)
    assert student.reader.known == {"entities": ("film", "page")}
    answers = [student(query="about snow", entities=kind).agent for kind in ("film", "page")]
    assert answers == ["video", "text"]
    assert student(query="about snow", entities="never met").agent in WORDS


def test_texts_are_no_context():
    train = [example(each.query, each.agent, entities=f"{each.query} and more") for each in asked(THINGS)]
    assert known_values(train) == {}


def test_labels_that_training_never_saw_keep_a_small_share():
    only = [each for each in asked(THINGS) if each.agent != "sum"]
    student = trained(train=only)
    model = student.models["agent"]
    assert model.unseen == ("sum",)
    assert 0 < model.floor < 0.05
    assert "never seen: sum" in prompts(dump(student))["student"]
    sure = student(query="clip of bees").confidence
    assert 0.5 < sure < 1 - model.floor


def test_one_label_alone_is_answered_always_and_it_says_so():
    student = trained(train=[each for each in asked(THINGS) if each.agent == "video"])
    found = student(query="paper on bees")
    assert (found.agent, found.confidence > 0.9) == ("video", True)
    assert "agent is always 'video'" in prompts(dump(student))["student"]


def test_questions_that_say_nothing_make_one_that_says_so():
    train = [example("hello", agent) for agent in WORDS for _ in range(10)]
    assert "its confidence says nothing" in prompts(dump(trained(train=train)))["student"]


def test_a_heavier_label_wins_over_a_lighter_one():
    train = asked(THINGS[:4]) + [example("hello there", "video"), example("hello there", "text")] * 8
    for heavy in ("video", "text"):
        weights = [1.0 if each.query != "hello there" or each.agent == heavy else 0.05 for each in train]
        assert trained(train=train, weights=weights)(query="hello there").agent == heavy


def test_no_weight_at_all_is_no_reason_to_fail():
    assert hits(trained(weights=[0.0] * 48), asked(THINGS[4:])) > 0.5


def test_a_fold_holds_every_copy_of_a_text_and_a_part_of_every_label():
    labels = ["a"] * 10 + ["b"] * 5 + ["c"]
    texts = [f"q{number // 2}" for number in range(16)]
    folds = folds_of(labels, texts, seed=1)
    assert all(folds[n] == folds[n + 1] for n in range(0, 16, 2))
    assert len(set(folds[:10])) == 5


# Its tutor

UNLABELLED = [dspy_example(each.inputs().toDict(), each.inputs().keys()) for each in asked(THINGS[3:7])]
FEW = [each for n, each in enumerate(asked(THINGS[:1])) if n % 4 < 3]
"""Three phrases of four, each once: what a fold holds out is news to it."""


def test_a_good_tutor_is_learned_from():
    lms = scripted_lms(by_words, None)
    student = trained(train=FEW, lms=lms, unlabelled=UNLABELLED)
    assert lms.task.calls.count == len(UNLABELLED) == schooling(student).taught
    assert "of the tutor learned from" in schooling(student).sentence
    assert hits(student, asked(THINGS[7:])) > hits(trained(train=FEW), asked(THINGS[7:]))


def test_a_bad_tutor_is_left_out():
    student = trained(lms=scripted_lms(lambda *_: "video", None), unlabelled=UNLABELLED)
    assert schooling(student).taught == 0
    assert "48 answers of the tutor left out, no gain" in schooling(student).sentence
    assert dump(student)["answers"] == dump(trained())["answers"]


def test_when_the_budget_ends_what_was_answered_before_teaches(caplog: pytest.LogCaptureFixture):
    lms = scripted_lms(by_words, None, fail_at=25, error=BudgetSpent("all calls are used"))
    student = trained(train=FEW, lms=lms, unlabelled=UNLABELLED)
    assert schooling(student).taught == 20
    assert "20 of 48 questions were answered: all calls are used" in caplog.text


@pytest.mark.parametrize(("name", "other"), [("tutor_queries", 7), ("tutor_weight", 0.01)])
def test_a_tenant_says_how_many_and_what_they_count(name: str, other: float):
    settings = OptimizerSettings.model_validate({"student": {name: other}})
    changed = trained(train=FEW, lms=scripted_lms(by_words, None), unlabelled=UNLABELLED, settings=settings)
    assert dump(changed) != dump(trained(train=FEW, lms=scripted_lms(by_words, None), unlabelled=UNLABELLED))


def test_an_outage_of_the_tutor_ends_the_training_as_what_it_is():
    with pytest.raises(Unavailable, match="no LM is there"):
        trained(unlabelled=UNLABELLED)


# What it refuses


def test_free_text_is_refused_with_a_sentence():
    fields = Fields("reply", ("query",), {"text": None})
    free = Program("reply", "reply", fields, lambda: dspy.Predict("query -> text"), None)
    with pytest.raises(ConfigInvalid, match="reply: a student answers closed sets only"):
        OPTIMIZERS["student"].compile(task(program=free))


def test_another_embedder_under_the_old_name_is_told():
    state = dump(trained())
    changed = twins(hashed=lambda _: HashedEmbedder(digest="other weights"))
    with pytest.raises(ProgramChanged, match="embedder"):
        load(ROUTING, state, ROUTING.signature_hash, changed)


def test_another_set_of_labels_is_told():
    from argotune.programs import programs_of

    other = programs_of(config_with(agents={"video": "", "text": ""}), "routing")[0]
    with pytest.raises(ProgramChanged, match="other inputs, answers or labels"):
        load(other, dump(trained()), ROUTING.signature_hash, EMBEDDERS)


@pytest.mark.parametrize(
    "damage",
    [
        {"known": None},
        {"answers": {"agent": {}}},
        {"schooling": {}},
        {"embedder": None, "embedder_digest": None},
    ],
)
def test_a_damaged_state_is_corrupt_and_nothing_else(damage: dict[str, Any]):
    with pytest.raises((Corrupt, ConfigInvalid)):
        load(ROUTING, {**dump(trained()), **damage}, ROUTING.signature_hash, EMBEDDERS)


@pytest.mark.parametrize(
    "array",
    [{"shape": [3, 3], "float32": "AAAA"}, {"shape": [1], "float32": "AADAfw=="}, {"shape": [1], "float32": "*"}],
)
def test_an_array_that_is_none_is_corrupt(array: dict[str, Any]):
    state = dump(trained())
    state["answers"]["agent"]["bias"] = array
    with pytest.raises(Corrupt, match="cannot be read"):
        load(ROUTING, state, ROUTING.signature_hash, EMBEDDERS)


def test_it_holds_no_question_by_heart():
    student = trained()
    assert isinstance(student, Student)
    assert held_questions(dump(student), {"one": {"query": "clip of bees"}}, {"agent"}) == ()
