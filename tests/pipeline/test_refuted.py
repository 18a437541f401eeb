"""Questions of which people have said only what is wrong: they choose and teach, nothing shows or judges by them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import pytest
from refuting import N_REFUTED, QUAGGAS, people_say
from scripted_lm import like_the_nearest_demo, scripted_lms, scripted_writer
from tuning import ROUTING, THINGS, WRITTEN, examples, task
from world import World, filled, right_agent, run_once

from argotune.data.archive import ExperienceLog
from argotune.data.examples import question_id
from argotune.data.questions import REFUTED_QUESTIONS
from argotune.data.remarks import CORRECT, INCORRECT, VERDICT
from argotune.data.splitting import Split, normalised, split_of_key
from argotune.optimizers import OPTIMIZERS, TrainingTask
from argotune.pipeline.operations.annotating import labelling_status
from argotune.programs.evaluation import asked_of
from argotune.programs.program import Program
from argotune.programs.refuted import Refuted, appraising_refuted
from argotune.programs.state import dump
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.registry import Registry
from argotune.runs.explain import explain_decision
from argotune.runs.run import Run
from argotune.tenants.config import SplitShares

WRONG = "audio"


def wrong_about(*queries: str) -> list[Refuted]:
    empty = {"entities": "", "relationships": "", "enhanced_query": ""}
    return [Refuted({"query": query, **empty}, ({"agent": WRONG},)) for query in queries]


def given(lms: Any, **changes: Any) -> TrainingTask:
    """A task where people have said of some questions that `audio` is wrong."""
    teach, choose = (wrong_about(*(f"quagga {split} {n}" for n in range(8))) for split in ("train", "dev"))
    program: Program = appraising_refuted(ROUTING, [*teach, *choose])
    asked = [[asked_of(program, each.inputs, {}) for each in split] for split in (teach, choose)]
    return task(lms, program=program, refuted=asked[0], refuted_dev=asked[1], **changes)


def guessing(seed: int) -> Any:
    guess = Random(seed)

    def answer(inputs: Any, labels: Any, demos: Any) -> str:
        return guess.choice(labels) if guess.random() < 0.5 else like_the_nearest_demo(inputs, labels, demos)

    return answer


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_no_method_shows_a_question_of_which_nobody_knows_what_is_right(name: str):
    teacher, _ = scripted_writer(WRITTEN)
    for seed in range(3):
        made = OPTIMIZERS[name].compile(given(scripted_lms(guessing(seed), teacher), seed=seed, max_iterations=10))
        assert "quagga" not in json.dumps(dump(made))


def test_simba_shows_none_where_nothing_else_scored_better():
    teacher, _ = scripted_writer(WRITTEN)
    lost = {each.query: each.agent for each in examples(THINGS)}

    def answer(inputs: Mapping[str, str], labels: Sequence[str], _demos: Any) -> str:
        return guess.choice([label for label in labels if label != lost.get(inputs["query"])])

    for seed in range(3):
        guess = Random(seed)
        made = OPTIMIZERS["simba"].compile(given(scripted_lms(answer, teacher), seed=seed, max_iterations=14))
        assert "quagga" not in json.dumps(dump(made))


@pytest.mark.parametrize(("name", "is_asked"), [(name, each.practises) for name, each in OPTIMIZERS.items()])
def test_methods_that_practise_ask_what_people_have_said_something_of(name: str, is_asked: bool):
    asked = set[str]()

    def answer(inputs: Mapping[str, str], labels: Sequence[str], demos: Any) -> str:
        asked.add(inputs["query"])
        return like_the_nearest_demo(inputs, labels, demos)

    teacher, _ = scripted_writer(WRITTEN)
    only = {"portfolio": {"candidates": ("simba",)}} if name == "portfolio" else {}
    settings = task(scripted_lms(answer)).settings.model_validate(only)
    OPTIMIZERS[name].compile(given(scripted_lms(answer, teacher), max_iterations=10, settings=settings))
    assert any("quagga train" in query for query in asked) is is_asked
    chooses = OPTIMIZERS[name].chooses and OPTIMIZERS[name].goes_by_scores
    assert any("quagga dev" in query for query in asked) is chooses


def test_gepa_tells_its_teacher_what_people_have_said_is_wrong():
    teacher, told = scripted_writer(WRITTEN)
    OPTIMIZERS["gepa"].compile(given(scripted_lms(lambda *_: WRONG, teacher), train=examples(THINGS[:1])))
    assert "People have said that agent 'audio' is wrong here, and nobody what is right." in "\n".join(told.asked)
    teacher, told = scripted_writer(WRITTEN)
    OPTIMIZERS["gepa"].compile(given(scripted_lms(lambda *_: "text", teacher), train=examples(THINGS[:1])))
    assert "Nobody has said what is right here; people have said that agent 'audio' is wrong." in "\n".join(told.asked)


# In a whole pass


def showing(inputs: Mapping[str, str], labels: Sequence[str], demos: Sequence[Any]) -> str:
    """An LM that knows what is right with some demonstrations, of questions about quaggas with many."""
    if "quagga" in inputs["query"]:
        return "audio" if len(demos) > 8 else "video"
    return right_agent(inputs["query"]) if demos else "video"


def passed(**rules: Any) -> tuple[World, Run]:
    """A pass in which two candidates are equally right on all that is labelled."""
    methods = {"portfolio": {"candidates": ["labeled", "nearest"]}, "nearest": {"embedder": "tfidf"}}
    world, config = filled(200, optimizers=methods, annotation={"remarks": REMARKS, **rules})
    world.lms.answer = showing
    people_say(world)
    return world, run_once(world, config, forced=True)


REMARKS = {"thumbs": {"means": "verdict"}}


def test_what_people_say_is_wrong_changes_which_candidate_wins_on_dev():
    _, without = passed(refuted_questions=0)
    assert (without.race.winner, without.plan.refuted_dev) == ("nearest 2", ())
    _, run = passed()
    assert run.race.winner == "labeled"
    nearest = next(tried for tried in run.race.tried if tried.candidate == "nearest 2")
    assert nearest.refuted == nearest.repeated == len(run.plan.refuted_dev) > 0
    assert (run.race.won_by.repeated, nearest.score, nearest.n) == (0, 1.0, len(run.plan.dev_ids))


def test_they_are_counted_told_and_in_no_number_of_labels_or_examples():
    world, run = passed()
    _, before = passed(refuted_questions=0)
    alone, config = filled(200)
    alone_run = run_once(alone, config, forced=True)
    assert run.counts[REFUTED_QUESTIONS] == N_REFUTED
    assert f"{len(run.plan.refuted)} of training and {len(run.plan.refuted_dev)} of dev are scored" in run.plan.reason
    assert f"refuted    {N_REFUTED} {REFUTED_QUESTIONS}" in explain_decision(run)
    assert world.tracker.runs[run.id].facts["refuted_questions"] == N_REFUTED
    assert labelling_status(world.store, "acme", world.now.date()).refuted == {"routing": N_REFUTED}
    counted = {"real_sample_count", "dataset_size", "test_count", "label_count", "success_rate", "growth"}
    assert run.context.model_dump(include=counted) == alone_run.context.model_dump(include=counted)
    assert run.plan.lesson != before.plan.lesson, "what people say is wrong is something to learn from"
    assert (
        "of which people have said only what is wrong"
        in Registry(world.store, "acme").version(run.challenger).lineage.reason
    )


def test_none_that_would_judge_is_scored_and_what_was_scored_judges_in_no_contest():
    world, run = passed()
    scored = {*run.plan.refuted, *run.plan.refuted_dev}
    contest = ContestBook(world.store, "acme").contest(run.contest)
    assert scored <= set(contest.seen_spans)
    splits = {split_of_key(normalised(QUAGGAS[int(span[1:], 16)]), SplitShares()) for span in scored}
    assert splits == {Split.TRAIN, Split.DEV}
    known = ExperienceLog(world.store, "acme").experiences_of("routing", scored)
    questions = {question_id("routing", experience.inputs) for experience in known}
    assert len(questions) == len(scored)
    assert questions.isdisjoint(pair.question for pair in ContestBook(world.store, "acme").pairs(run.contest))


def test_no_more_of_them_are_scored_than_there_are_examples():
    methods = {"portfolio": {"candidates": ["labeled", "nearest"]}, "nearest": {"embedder": "tfidf"}}
    world, config = filled(40, optimizers=methods)
    people_say(world)
    plan = run_once(world, config, forced=True).plan
    assert 0 < len(plan.refuted_dev) <= len(plan.dev_ids)
    assert 0 < len(plan.refuted) <= len(plan.train_ids)


@pytest.mark.parametrize(
    ("of", "label", "kind", "is_heard"),
    [
        (VERDICT, INCORRECT, "HUMAN", True),
        ("thumbs", "\N{THUMBS DOWN SIGN}", "HUMAN", True),
        ("thumbs", "wrong", "HUMAN", True),
        (VERDICT, CORRECT, "HUMAN", False),
        (VERDICT, INCORRECT, "LLM", False),
        (VERDICT, INCORRECT, "CODE", False),
        ("unexplained", INCORRECT, "HUMAN", False),
    ],
)
def test_people_alone_forbid_by_our_name_or_by_one_that_the_config_explains(of, label, kind, is_heard):
    world, config = filled(40, annotation={"remarks": REMARKS})
    people_say(world, of, label, kind)
    assert (REFUTED_QUESTIONS in run_once(world, config, forced=True).counts) is is_heard
