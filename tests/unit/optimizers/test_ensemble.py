"""Ensembles: what is tuned of words, entities, LM and weights, what the state holds, and what a failing part stops."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import dspy
import entity_models
import numpy as np
import pytest
from asked_agents import THINGS, asked, by_words
from hypothesis import given
from hypothesis import strategies as st
from scripted_lm import json_answers, scripted_lms, scripted_writer
from sklearn.metrics import precision_recall_fscore_support
from small_routing import CROSS, ROUTING, ask, config_with, example, written
from twin_embedders import EMBEDDERS

from argotune.errors import BudgetSpent, ConfigInvalid, Corrupt, Unavailable
from argotune.lm.port import LMs
from argotune.optimizers import OPTIMIZERS, TrainingTask
from argotune.optimizers.vote_weights import Descent, learned_weights
from argotune.programs import programs_of
from argotune.programs.ensemble import Ballot, Ensemble, EntityRules, VotingRules, WordLists
from argotune.programs.entities import AS_GIVEN, MAX_TEXT_CHARS, EntityFinder, FoundEntity, entities_in
from argotune.programs.state import dump, load, masked_state, prompts
from argotune.stats.label_scores import label_scores
from argotune.tenants.config import parse_config

NOBODY = scripted_lms(lambda *_: "video", None, fail_at=1, error=BudgetSpent("all calls are used"))
LABELS = ["film", "writing", "digest", "noise"]
WITHOUT_LM = ("words", "entities", "weights")


def task(lms: LMs = NOBODY, *, program: Any = ROUTING, settings: Any = None, **changes: Any) -> TrainingTask:
    made = TrainingTask(program, program.build(), asked(THINGS[:4]), asked(THINGS[4:6]), lms, EMBEDDERS, 3, 1)
    tenant = config_with(optimizers={"ensemble": settings or {}})
    return replace(made, settings=tenant.optimizers, **changes)


def tuned(lms: LMs = NOBODY, **changes: Any) -> Any:
    return OPTIMIZERS["ensemble"].compile(task(lms, **changes))


def hits(module: dspy.Module, questions: list[dspy.Example], lms: LMs = NOBODY) -> float:
    return float(np.mean([ask(module, lms, **each.inputs().toDict()).agent == each.agent for each in questions]))


def with_model(model: Any, name: str = "models:find") -> Any:
    return replace(ROUTING, finder=EntityFinder(name, model))


# Words


def test_words_that_tell_an_answer_are_found_and_answer_unseen_questions_without_an_lm():
    ensemble = tuned(settings={"tunes": ["words"]})
    words = ensemble.settings.words.of["agent"]
    assert {"clip", "film", "footage"} <= set(words["video"])
    assert not {"of", *THINGS} & {word for of in words.values() for word in of}
    assert hits(ensemble, asked(THINGS[6:])) > 0.9
    assert ask(ensemble, NOBODY, query="clip of a cat").by == "student"


def test_given_words_stay_until_they_have_shown_to_speak_for_something_else():
    given_words = {"video": ["movie", "paper", "moving picture"], "text": ["paper"]}
    ensemble = tuned(settings={"tunes": ["words"], "words": given_words})
    words = ensemble.settings.words.of["agent"]
    assert {"movie", "moving picture"} <= set(words["video"])
    assert "paper" not in words["video"]
    assert "paper" in words["text"]
    assert ask(ensemble, NOBODY, query="a moving picture, please").agent == "video"


def test_a_word_counts_by_its_examples_weights():
    torn = [*asked(THINGS[:4]), *[example(f"clip of thing {n}", "text") for n in range(6)]]
    light, heavy = (
        tuned(train=torn, dev=[], weights=[1.0] * 48 + [weight] * 6, settings={"tunes": ["words"]})
        for weight in (0.01, 1.0)
    )
    assert "clip" in light.settings.words.of["agent"]["video"]
    assert "clip" not in heavy.settings.words.of["agent"]["video"]


# Entities


@pytest.mark.parametrize("model", [entity_models.find, entity_models.model])
def test_the_score_from_which_an_entity_counts_and_its_labels_are_chosen_by_what_the_model_finds(model: Any):
    settings = {"tunes": ["entities"], "entity_labels": LABELS}
    ensemble = tuned(program=with_model(model), settings=settings)
    rules = ensemble.settings.entities
    assert 0.2 < rules.threshold <= 0.5  # above what `on` is taken for, and low enough for footage and brief
    assert set(rules.asked) == {"film", "writing", "digest"}
    assert rules.lists.of["agent"]["video"] == ("film",)


def test_entities_that_the_application_found_need_no_model():
    train = [
        example(f"{thing} number {n}", agent, entities=json.dumps([{"text": thing, "label": kind, "confidence": 0.8}]))
        for n, thing in enumerate(THINGS)
        for agent, kind in (("video", "scene"), ("text", "chapter"), ("sum", "outline"))
    ]
    ensemble = tuned(train=train, dev=[], settings={"tunes": ["entities", "weights"]})
    found = ask(ensemble, NOBODY, query="?", entities='[{"label": "chapter", "score": 0.9}]')
    assert found.agent == "text"
    assert ask(ensemble, NOBODY, query="?", entities='[{"label": "chapter", "score": 0.01}]').confidence < 0.5


def test_what_is_not_to_be_tuned_of_entities_stays_as_it_is_set():
    settings = {
        "tunes": ["entities"],
        "entity_labels": LABELS,
        "entity_threshold": 0.55,
        "gliner_threshold_optimization": False,
        "gliner_label_optimization": False,
    }
    rules = tuned(program=with_model(entity_models.find), settings=settings).settings.entities
    assert (rules.threshold, list(rules.asked)) == (0.55, LABELS)


def test_a_coarser_grid_tries_fewer_scores():
    settings = {"tunes": ["entities"], "entity_labels": LABELS, "gliner_threshold_step": 0.4}
    assert tuned(program=with_model(entity_models.find), settings=settings).settings.entities.threshold in (
        0.1,
        0.5,
        0.9,
    )


def test_a_model_that_raises_is_told_in_one_sentence_and_stops_nothing_but_itself():
    given_task = task(program=with_model(entity_models.broken), settings={"entity_labels": LABELS})
    ensemble = OPTIMIZERS["ensemble"].compile(given_task)
    (told,) = [note for note in given_task.notes if "entity model" in note]
    assert "failed on 10 of 72 texts" in told
    assert "CUDA is out of memory" in told
    assert "\n" not in told
    assert ensemble.settings.entities is None
    assert hits(ensemble, asked(THINGS[6:])) > 0.9


def test_a_model_that_raises_on_some_texts_goes_without_entities_there_and_says_so():
    program = with_model(entity_models.broken_on_papers)
    given_task = task(program=program, settings={"entity_labels": LABELS, "tunes": WITHOUT_LM})
    ensemble = OPTIMIZERS["ensemble"].compile(given_task)
    assert any("failed on 6 of 72 texts" in note for note in given_task.notes)
    found = ask(ensemble, NOBODY, query="paper on moss")
    assert found.agent == "text"
    assert found.lack_of_entities == "entity model 'models:find': RuntimeError: no papers"


def test_a_model_without_labels_to_ask_for_is_left_out_with_a_sentence():
    given_task = task(program=with_model(entity_models.find))
    OPTIMIZERS["ensemble"].compile(given_task)
    assert "entities: left out, as optimizers.ensemble.entity_labels names none" in given_task.notes


def test_entities_that_tell_nothing_have_no_vote():
    of_things = [each.copy(entities='[{"label": "thing"}]').with_inputs(*each.inputs()) for each in asked(THINGS[:4])]
    given_task = task(train=of_things)
    assert OPTIMIZERS["ensemble"].compile(given_task).settings.entities is None
    assert "entities: left out, as no label of theirs tells an answer" in given_task.notes


def test_a_model_is_given_no_endless_text_and_only_what_was_asked_for_counts():
    seen = []

    def answers(text: str, labels: list[str], threshold: float) -> list[dict[str, Any]]:
        seen.append(len(text))
        return [{"label": "film", "score": "0.5"}, {"label": "film", "score": 0.4}, {"label": "music", "score": 0.9}]

    finder = EntityFinder("own", answers)
    assert finder.found("a film " * 9999, ["film"], 0.5) == (FoundEntity("film", 0.5),)
    assert seen == [MAX_TEXT_CHARS]


@pytest.mark.parametrize("said", [[{"label": "film", "score": None}], [{"score": 0.5}], [None], None])
def test_what_a_model_says_that_is_no_entity_is_told_in_one_line(said: Any):
    with pytest.raises(ConfigInvalid, match=r"^entity model 'own': [^\n]+$"):
        EntityFinder("own", lambda *_, **__: said).found("a film", ["film"], 0.5)


@pytest.mark.parametrize(
    "value",
    [None, "", "Marie Curie", "[", "[1, null]", '[{"label": 3}]', '[{"label": "x", "score": "high"}]', "[" * 9999],
)
def test_what_is_no_list_of_entities_names_nothing(value: Any):
    assert entities_in(value) == ()


def test_a_tenants_model_is_imported_when_it_is_first_asked_and_a_wrong_path_is_a_sentence():
    ensemble = {"entity_model": "no_such_module:find", "entity_labels": LABELS}
    config = parse_config(
        {"tenant_id": "acme", "agents": dict.fromkeys("ab", ""), "optimizers": {"ensemble": ensemble}}
    )
    (program,) = programs_of(config, "routing")
    with pytest.raises(ConfigInvalid, match=r"entity model 'no_such_module:find': .*No module named"):
        program.finder.found("text", LABELS, 0.5)
    found = EntityFinder("entity_models:model").found("a film", ["film"], 0.5)
    assert [each.label for each in found] == ["film"]


# LM and weights


def test_an_lm_that_knows_more_than_the_words_has_the_vote_and_is_asked_only_where_they_are_not_sure():
    def knows_mixed(inputs: Any, labels: Any, demos: Any) -> str:
        return "sum" if "please" in inputs["query"] else by_words(inputs, labels, demos)

    mixed = [example(f"{word} {thing} please", "sum") for thing in THINGS for word in ("clip", "paper")]
    lms = scripted_lms(knows_mixed, None)
    ensemble = tuned(lms, train=asked(THINGS[:4]), dev=[*asked(THINGS[4:6]), *mixed])
    assert ensemble.settings.weights["lm"] > 0
    assert ask(ensemble, lms, query="clip of moss please").by == "lm"
    assert hits(ensemble, mixed, lms) == 1.0


def test_an_lm_that_adds_nothing_is_not_asked():
    ensemble = tuned(scripted_lms(by_words, None))
    assert ensemble.program is None
    assert not list(ensemble.predictors())


def test_an_lm_that_writes_is_tried_at_each_temperature_and_one_that_scores_labels_at_none():
    lm, calls = scripted_writer(json_answers(agent="text", confidence="0.9"))
    lms = LMs(task=lm, teacher=lm, adapter=dspy.JSONAdapter(), names={})
    tuned(lms, settings={"tunes": ["lm"], "temperatures": [0.4, 1.5], "bootstrap": False})
    assert {0.4, 1.5} <= set(calls.temperatures)
    scoring = scripted_lms(by_words, None)
    assert tuned(scoring, settings={"tunes": ["lm"], "bootstrap": False}).settings.temperature is None
    assert scoring.task.calls.count <= 24 + 40  # dev once, and the probes of the weights


def test_the_temperature_that_is_best_on_dev_is_kept_and_used_when_loaded():
    def write(prompt: str) -> str:
        return json.dumps({"agent": right(prompt) if calls.temperatures[-1] == 0.7 else "sum", "confidence": "0.99"})

    def right(prompt: str) -> str:
        query = prompt.rpartition("[[ ## query ## ]]")[2].split("\n")[1]
        return by_words({"query": query}, None, None)

    lm, calls = scripted_writer(write)
    lms = LMs(task=lm, teacher=lm, adapter=dspy.JSONAdapter(), names={})
    ensemble = tuned(lms, settings={"tunes": ["lm"], "bootstrap": False})
    assert ensemble.settings.temperature == 0.7
    again = load(ROUTING, json.loads(json.dumps(dump(ensemble))), ROUTING.signature_hash, EMBEDDERS)
    ask(again, lms, query="clip of moss")
    assert calls.temperatures[-1] == 0.7


def test_a_budget_that_ends_leaves_the_lm_out_and_a_server_that_is_down_ends_the_work():
    given_task = task(NOBODY)
    assert hits(OPTIMIZERS["ensemble"].compile(given_task), asked(THINGS[6:])) > 0.9
    assert any(note.startswith("LM: left out") for note in given_task.notes)
    with pytest.raises(Unavailable, match="down"):
        tuned(scripted_lms(by_words, None, fail_at=1, error=Unavailable("it is down")))


def test_an_lm_without_a_usable_answer_leaves_it_to_the_others():
    lms = scripted_lms(by_words, None)
    ensemble = tuned(lms, settings={"tunes": ["words", "lm"]})
    assert ensemble.settings.ask_below > 1
    found = ask(ensemble, written("nonsense"), query="clip of moss")
    assert (found.agent, found.by) == ("video", "lm")


def test_what_is_not_tuned_stays_as_the_champion_has_it():
    champion = tuned(settings={"tunes": ["words"]})
    again = tuned(
        program=with_model(entity_models.find),
        tutor=champion,
        settings={"tunes": ["entities"], "entity_labels": LABELS},
    )
    assert again.settings.words == champion.settings.words
    assert set(again.settings.weights) == {"words", "entities"}


def test_learned_weights_are_those_that_make_right_labels_likeliest():
    rng = np.random.default_rng(0)
    shares = np.column_stack([rng.uniform(0.6, 0.9, 200), rng.uniform(0.1, 0.4, 200)])
    found = learned_weights(shares, np.ones(200), Descent(0.1, 0.9, 0.0))
    assert found[0] > 0.95
    even = learned_weights(shares, np.ones(200), Descent(0.1, 0.9, 10.0))
    assert abs(even[0] - 0.5) < abs(found[0] - 0.5)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abcd")), min_size=1, max_size=40))
def test_label_scores_are_those_of_scikit_learn(pairs: list[tuple[str, str]]):
    right, said = zip(*pairs, strict=True)
    found = label_scores(right, said)
    expected = precision_recall_fscore_support(right, said, average="macro", zero_division=0)[:3]
    assert [found.precision, found.recall, found.f1] == pytest.approx(list(expected))
    assert found.accuracy == pytest.approx(np.mean([a == b for a, b in pairs]))


# State


def whole() -> Any:
    lms = scripted_lms(by_words, None)
    settings = {"tunes": ["words", "entities", "lm"], "entity_labels": LABELS}
    return tuned(lms, program=with_model(entity_models.find), settings=settings), lms


def test_it_survives_json_and_answers_the_same():
    ensemble, lms = whole()
    program = with_model(entity_models.find)
    state = json.loads(json.dumps(dump(ensemble)))
    assert state["kind"] == "settings"
    again = load(program, state, program.signature_hash, EMBEDDERS)
    assert dump(again) == state == dump(copy.deepcopy(ensemble))
    questions = [each.inputs().toDict() for each in asked(THINGS[6:])]
    assert [ask(again, lms, **q).toDict() for q in questions] == [ask(ensemble, lms, **q).toDict() for q in questions]


def test_a_version_whose_entity_model_is_not_there_answers_without_and_imports_nothing():
    ensemble, lms = whole()
    again = load(ROUTING, dump(ensemble), ROUTING.signature_hash, EMBEDDERS)
    found = ask(again, lms, query="clip of moss")
    assert found.agent == "video"
    assert "set optimizers.ensemble.entity_model" in found.lack_of_entities


@pytest.mark.parametrize(
    "damage",
    [
        {"weights": None},
        {"words": []},
        {"ask_below": "x"},
        {"weights": {"words": float("nan")}},
        {"entities": {"finder": ""}},
    ],
)
def test_a_damaged_state_is_refused(damage: dict[str, Any]):
    with pytest.raises(Corrupt):
        load(ROUTING, {**dump(whole()[0]), **damage}, ROUTING.signature_hash, EMBEDDERS)


def test_a_masked_word_speaks_for_nothing():
    state = dump(tuned(settings={"tunes": ["words"]}))
    masked = masked_state(state, ROUTING, lambda text: text.replace("clip", "<name>"))
    assert "clip" in state["words"]["agent"]["video"]
    assert "clip" not in str(masked)


def test_people_can_read_and_compare_what_was_tuned():
    told = prompts(dump(whole()[0]))["settings"]
    assert "Votes by weight:" in told
    assert "agent = video by words: " in told
    assert "Entities by models:find: film, writing, digest, from a score of" in told


def test_several_answers_have_lists_each_and_free_text_has_none():
    inputs = {"query": "", "context": ""}
    rows = [("clip and paper of {}", "yes", "video+document", "score"), ("just a clip of {}", "no", "none", "none")]
    train = [
        dspy.Example(
            query=text.format(thing), context="", needs_fusion=a, fusion_modalities=b, fusion_strategy=c
        ).with_inputs(*inputs)
        for thing in THINGS
        for text, a, b, c in rows
    ]
    ensemble = tuned(program=CROSS, train=train, dev=[], settings={"tunes": WITHOUT_LM})
    assert ensemble.settings.entities is None, "no input of it has any"
    found = ensemble(query="clip and paper of snow", context="")
    assert (found.needs_fusion, found.fusion_modalities, found.fusion_strategy) == ("yes", "video+document", "score")
    free = replace(ROUTING, fields=replace(ROUTING.fields, answers={"agent": None}))
    with pytest.raises(ConfigInvalid, match="free text"):
        tuned(program=free)
    with pytest.raises(ConfigInvalid, match="nothing to learn from without an example"):
        tuned(train=[])


LISTS = WordLists({"agent": {"a": ["clip", "moving picture"], "b": ["film"]}})
GIVEN = VotingRules(LISTS, EntityRules(EntityFinder(AS_GIVEN), (), 0.5, LISTS), {"words": 1.0, "entities": 1.0}, 0.0)


@given(st.text() | st.just("a moving picture"), st.text() | st.just('[{"label": "film"}]'))
def test_whatever_is_asked_it_answers_with_a_number(query: str, entities: str):
    found = Ensemble(Ballot({"agent": ("a", "b")}), GIVEN)(query=query, entities=entities)
    assert found.agent in ("a", "b")
    assert 0.5 <= found.confidence < 1
    assert "lack_of_entities" not in found
