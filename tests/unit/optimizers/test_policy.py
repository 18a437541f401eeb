"""Policies: what they learn from a biased logger, what each setting changes, and what they refuse to learn from."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from typing import Any

import pytest
from bandit import CONFIG, SHORT, accuracy, inputs, log, to_learn
from twin_embedders import EMBEDDERS, twins

from argotune.adapters.memory.embedder import HashedEmbedder
from argotune.errors import ConfigInvalid, NothingToLearn, ProgramChanged
from argotune.optimizers.policy import learn_policy
from argotune.optimizers.policy_material import imitating
from argotune.programs import programs_of
from argotune.programs.policy import Policy, policy_state, policy_text, read_policy


def notes(policy: Policy) -> str:
    return "; ".join(policy.notes)


@pytest.fixture(scope="module")
def learned() -> Policy:
    return learn_policy(to_learn(log(1000, seed=3), validation_split=0.4))


@pytest.mark.parametrize("estimator", ["self_normalised", "clipped", "doubly_robust"])
def test_a_policy_is_far_better_than_the_logger_that_it_learned_from(estimator: str):
    experiences = log(600)
    assert sum(bool(x.agent_success) for x in experiences) / 600 < 0.4
    assert accuracy(learn_policy(to_learn(experiences, estimator=estimator))) > 0.85


def test_what_it_would_earn_is_told_beside_what_the_logger_earned(learned: Policy):
    found = re.search(
        r"the latest \d+ experiences it would have earned (\d+\.\d) % \((.*) to (.*) %\), the logger (\S+)",
        notes(learned),
    )
    assert found
    low, high = float(found[2].split()[0]), float(found[3])
    assert low <= float(found[1]) <= high
    assert float(found[4]) < 45 < low


def test_its_confidence_is_about_as_often_right_as_it_says(learned: Policy):
    sure = [float(learned(**x.inputs).confidence) for x in log(100, seed=4)]
    assert sum(sure) / 100 == pytest.approx(accuracy(learned), abs=0.12)


def test_labels_teach_beside_experiences_and_alone():
    few = log(30)
    without, both = accuracy(learn_policy(to_learn(few))), learn_policy(to_learn(few, n_labels=30, n_dev=20))
    assert accuracy(both) > without
    assert "learned from 24 experiences with propensities and 30 labelled examples" in notes(both)
    assert re.search(r"on 20 dev examples \d+\.\d % right, expected calibration error", notes(both))
    alone = learn_policy(to_learn([], n_labels=60, n_dev=20))
    assert accuracy(alone) > 0.8
    assert "learned from 60 labelled examples alone: there is no experience" in notes(alone)


def test_a_label_teaches_as_much_as_it_weighs():
    task = to_learn([], n_labels=60)
    wrong = [x.copy(agent="audio") for x in task.examples]
    examples = [*task.examples, *(x.with_inputs(*task.examples[0].inputs().keys()) for x in wrong)]
    for weights, is_good in (([1.0] * 60 + [0.05] * 60, True), ([0.05] * 60 + [1.0] * 60, False)):
        assert (accuracy(learn_policy(replace(task, examples=examples, weights=weights))) > 0.7) is is_good


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"propensity": None}, r"100 experiences without a propensity \(routing.propensity\) cannot tell"),
        ({"propensity": 1.0}, r"no decision of 100 experiences was drawn by lot \(all propensities are 1\)"),
        ({"agent_success": False, "modality": None}, "no reward of 100 experiences is positive"),
        ({"agent_success": True, "modality": None}, "all rewards of 100 experiences are the same"),
    ],
)
def test_experiences_that_tell_nothing_say_why_and_labels_are_learned_from(said: dict[str, Any], why: str):
    with pytest.raises(NothingToLearn, match=f"routing: no example is labelled, and {why}"):
        learn_policy(to_learn(log(100, **said)))
    policy = learn_policy(to_learn(log(100, **said), n_labels=40))
    assert re.search(f"learned from 40 labelled examples alone: {why}", notes(policy))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"agent_success": None, "modality": None}, "100 nobody said how it went"),
        ({"propensity": 0.0}, "100 its propensity is not above 0 and at most 1"),
        ({"propensity": 1.5}, "100 its propensity is not above 0 and at most 1"),
        ({"user_satisfaction": math.nan}, "100 a number of it is not finite"),
        ({"answers": {"agent": "sold"}}, "100 the chosen answer is not offered any more"),
    ],
)
def test_where_all_experiences_are_bad_it_is_told_what_is_wrong_with_them(said: dict[str, Any], why: str):
    with pytest.raises(NothingToLearn) as refused:
        learn_policy(to_learn(log(100, **said)))
    told = "routing: no example is labelled, and no experience can be learned from"
    assert str(refused.value) == f"{told} ({why})"
    policy = learn_policy(to_learn(log(100, **said), n_labels=40))
    assert f"alone: no experience can be learned from; experiences left out: {why};" in notes(policy)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"propensity": 1.5}, "its propensity is not above 0 and at most 1"),
        ({"processing_time_s": math.nan}, "a number of it is not finite"),
        ({"answers": {"agent": "sold"}}, "the chosen answer is not offered any more"),
    ],
)
def test_a_few_bad_experiences_are_counted_and_the_others_learned_from(said: dict[str, Any], why: str):
    policy = learn_policy(to_learn(log(300) + log(7, seed=2, **said)))
    assert f"experiences left out: 7 {why}" in notes(policy)
    assert accuracy(policy) > 0.8


def test_one_answer_alone_is_nothing_to_choose_from():
    alone = [x for x in log(300) if x.answers["agent"] == "audio"]
    with pytest.raises(NothingToLearn, match="routing: all examples and experiences have one answer, 'audio'"):
        learn_policy(to_learn(alone))


def test_constant_confidences_are_said(learned: Policy):
    assert "all confidences are the same" not in notes(learned)
    assert "all confidences are the same" in notes(learn_policy(to_learn(log(300, confidence=0.7))))


def test_a_log_that_lacks_what_the_policy_says_is_told_as_that():
    biased = {"audio": 0.96, "video": 0.02, "text": 0.02}
    policy = learn_policy(to_learn(log(300, logger=biased)))
    assert re.search(
        r"on the latest 60 experiences: (the log speaks of|60 logged decisions tell as much as)", notes(policy)
    )


def test_odd_questions_are_answered(learned: Policy):
    for query in ("", "???", "x" * 50_000, "\ud800", "clip of bees"):
        said = learned(**inputs(query))
        assert said.agent in CONFIG.agents
        assert 0 <= said.confidence <= 1
        assert said.by == "student"
    assert learned(**inputs("clip of bees")).agent == "video"


def test_free_text_and_too_many_choices_are_refused():
    free = programs_of(CONFIG.model_copy(update={"programs": {"reply": "shop_modules:Twin"}}), "reply")[0]
    with pytest.raises(ConfigInvalid, match="closed sets only"):
        learn_policy(replace(to_learn(log(50)), program=free))
    many = CONFIG.model_copy(update={"fusion_strategies": [f"s{n}" for n in range(60)]})
    with pytest.raises(ConfigInvalid, match="among 200 answers at most, not 7"):
        learn_policy(replace(to_learn(log(50)), program=programs_of(many, "cross_modal")[0]))


# Settings: tests/pipeline/test_every_setting.py has a row for each


def test_patience_is_how_many_epochs_without_a_gain_end_it():
    told = [
        notes(learn_policy(to_learn(log(200), num_epochs=300, learning_rate=0.05, early_stopping_patience=n)))
        for n in (1, 12)
    ]
    ends = [int(re.search(r"stopped after (\d+) epoch", each)[1]) for each in told]
    assert ends[0] < ends[1] < 300


def test_the_same_seed_gives_the_same_policy_and_another_one_another():
    task = to_learn(log(100), **SHORT)
    states = [json.dumps(policy_state(learn_policy(replace(task, seed=seed)))) for seed in (1, 1, 2)]
    assert states[0] == states[1] != states[2]


# States


def test_a_policy_comes_back_from_json_and_answers_the_same(learned: Policy):
    state = json.loads(json.dumps(policy_state(learned)))
    again = read_policy(state, EMBEDDERS)
    for experience in log(20, seed=6):
        assert again(**experience.inputs).toDict() == learned(**experience.inputs).toDict()
    assert policy_state(again) == state
    assert len(json.dumps(state)) < 100_000
    assert policy_text(state).splitlines()[1] == "It chooses agent: video; text; audio"
    assert re.search(r"learned from \d+ experiences with propensities", policy_text(state))


def test_a_policy_whose_embedder_has_other_weights_now_is_refused(learned: Policy):
    other = twins(hashed=lambda _: HashedEmbedder(digest="retrained"))
    with pytest.raises(ProgramChanged, match="'hashed' was n-grams when the version was made"):
        read_policy(policy_state(learned), other)


@pytest.mark.parametrize("spoil", [{"choices": [["video"]]}, {"arrays": {}}, {"temperature": "hot"}, {"names": None}])
def test_a_state_that_is_none_is_refused(learned: Policy, spoil: dict[str, Any]):
    with pytest.raises((KeyError, TypeError, ValueError)):
        read_policy({**policy_state(learned), **spoil}, EMBEDDERS)


def test_decisions_that_went_well_are_imitated_by_what_they_were_worth():
    told = [replace(x, user_satisfaction=0.9 if n % 2 else 0.1) for n, x in enumerate(log(40, propensity=None))]
    found = imitating(to_learn(told))
    assert len(found.examples) + len(found.dev) == sum(bool(x.agent_success) for x in told) > 5
    assert {round(weight, 9) for weight in found.weights} == {1.0, round(18 / 23, 9)}
