"""GEPAOptimizer: the document's example on traces in memory, and what each of its parameters changes."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from bandit import AGENTS, labelled, log

from argotune import GEPAOptimizer, wiring
from argotune.adapters.memory.embedder import HashedEmbedder
from argotune.adapters.memory.store import MemoryStore
from argotune.adapters.memory.traces import MemoryTraces
from argotune.data.experiences import Experience
from argotune.data.spans import Span
from argotune.errors import ConfigInvalid, NotFound, NothingToLearn, Unavailable
from argotune.programs.policy import Policy, policy_state
from argotune.tenants.catalog import Configs
from argotune.tenants.config import parse_config

EMBEDDER = HashedEmbedder()


def spans(experiences: Sequence[Experience]) -> list[Span]:
    """As an application writes them, the newest a minute ago."""
    begin = wiring.utc_now() - (experiences[-1].at - experiences[0].at) - timedelta(minutes=1)
    return [_span(x, begin + (x.at - experiences[0].at)) for x in experiences]


def _span(x: Experience, at: Any) -> Span:
    said = {
        "routing.tenant_id": "default",
        "routing.program": "routing",
        "routing.query": x.inputs["query"],
        "routing.chosen_agent": x.answers["agent"],
        "routing.confidence": x.confidence,
        "routing.agent_success": x.agent_success,
        "routing.propensity": x.propensity,
        "routing.session_id": x.session,
    }
    told = {name: value for name, value in said.items() if value is not None}
    return Span(x.span_id, None, "cogniverse.routing", at, None, told)


def optimizer(
    experiences: Sequence[Experience] = (), *, config: dict[str, Any] | None = None, **said: Any
) -> GEPAOptimizer:
    store, traces = MemoryStore(), MemoryTraces()
    Configs(store).save(parse_config({"tenant_id": "default", "agents": AGENTS, **(config or {})}))
    traces.record("default", spans(experiences) if experiences else [])
    return GEPAOptimizer(**said, traces=traces, store=store, embedder=EMBEDDER)


QUICK = {"optimizers": {"policy": {"hidden_size": 8, "max_repeats": 100}}}


def test_the_documents_example_gives_a_policy_that_is_better_than_what_decided():
    made = optimizer(
        log(700),
        config=QUICK,
        tenant_id="default",
        experience_buffer_size=1000,
        batch_size=32,
        learning_rate=0.01,
        discount_factor=0.99,
        exploration_rate=0.1,
        num_epochs=50,
    )
    experiences = made.collect_experiences(lookback_hours=72, min_confidence=0.3)
    optimized_policy = made.train(experiences=experiences, validation_split=0.2, early_stopping_patience=5)
    metrics = made.evaluate(policy=optimized_policy, test_set=log(600, seed=8))
    assert metrics.value > 0.85 > 0.45 > metrics.logged_reward
    assert metrics.value_interval.contains(metrics.value)
    assert (metrics.n, metrics.accuracy, metrics.reason) == (600, None, "")
    assert metrics.agreement < 0.5
    labels = made.evaluate(policy=optimized_policy, test_set=labelled(100, seed=8))
    assert labels.accuracy > 0.85
    assert labels.calibration_error < 0.3
    assert labels.value is None


def test_confidence_time_and_buffer_say_which_experiences_are_collected():
    found = log(100)
    found[0] = replace(found[0], confidence=None)
    made = optimizer([*found, replace(found[-1], span_id="odd", answers={"agent": "sold"})])
    kept = made.collect_experiences(min_confidence=0.5)
    assert {x.span_id for x in kept} == {x.span_id for x in found if x.confidence is None or x.confidence >= 0.5}
    assert made.unusable == {"the answer is not among the tenant's labels": 1}
    assert [x.at for x in kept] == sorted(x.at for x in kept)
    assert 25 <= len(made.collect_experiences(lookback_hours=0.5, min_confidence=0.0)) <= 30
    small = optimizer(found, experience_buffer_size=10).collect_experiences(min_confidence=0.0)
    assert [x.span_id for x in small] == [x.span_id for x in found[-10:]]


def test_what_is_collected_is_masked_and_knows_its_session():
    (said,) = log(1, session="s")
    asked = replace(said, inputs={**said.inputs, "query": "clip for anna@example.com"}, confidence=0.9)
    (kept,) = optimizer([asked]).collect_experiences()
    assert kept.query == "clip for <EMAIL>"
    assert kept.session not in (None, "s")


BASE: dict[str, Any] = {"num_epochs": 3, "experience_buffer_size": 100}
OTHER: dict[str, Any] = {
    "experience_buffer_size": 50,
    "batch_size": 16,
    "learning_rate": 0.01,
    "discount_factor": 0.0,
    "exploration_rate": 0.5,
    "num_epochs": 2,
    "gradient_accumulation_steps": 2,
    "seed": 1,
}
SESSIONS = [replace(x, session=f"s{n // 4}") for n, x in enumerate(log(120))]


def state(train: dict[str, Any] | None = None, **said: Any) -> str:
    made = optimizer(config=QUICK, **{**BASE, **said})
    return json.dumps(policy_state(made.train(SESSIONS, **(train or {}))))


@pytest.mark.parametrize("name", OTHER)
def test_each_parameter_changes_the_policy(name: str):
    assert state(**{name: OTHER[name]}) != state()


def test_parameters_of_training_change_the_policy():
    assert state({"validation_split": 0.5}) != state()
    patient = [state({"early_stopping_patience": n}, num_epochs=400, learning_rate=0.3) for n in (1, 30)]
    assert patient[0] != patient[1]


def test_another_program_of_the_tenant_can_be_learned():
    told = [replace(x, program="modality.video", inputs={"query": x.query, "context": ""}) for x in log(60)]
    made = optimizer(program="modality.video", **BASE).train(told)
    assert made(query="clip of bees", context="").agent in AGENTS


def test_without_propensities_what_went_well_is_imitated_and_the_policy_says_so():
    made = optimizer(config=QUICK, learning_rate=0.01)
    policy = made.train(log(400, propensity=None))
    assert "labelled examples alone: 400 experiences without a propensity" in "; ".join(policy.notes)
    metrics = made.evaluate(policy, log(100, seed=3, propensity=None))
    assert metrics.reason == "100 of 100 have no propensity"
    assert metrics.value is None
    assert made.evaluate(policy, labelled(100)).accuracy > 0.8


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"agent_success": False, "modality": None}, "no reward of 50 experiences is positive"),
        ({"user_satisfaction": math.nan}, "50 a number of it is not finite"),
        (
            {"answers": {"agent": "audio"}, "agent_success": True},
            "all examples and experiences have one answer, 'audio'",
        ),
    ],
)
def test_experiences_that_teach_nothing_are_refused_in_a_sentence(said: dict[str, Any], told: str):
    with pytest.raises(NothingToLearn, match=told):
        optimizer().train(log(50, **said))


def trained() -> Policy:
    return optimizer(**BASE).train(SESSIONS)


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (lambda: optimizer(learning_rate=0.0), "learning_rate: Input should be greater than 0"),
        (
            lambda: optimizer(experience_buffer_size=1),
            "experience_buffer_size: Input should be greater than or equal to 10",
        ),
        (lambda: optimizer(exploration_rate=math.nan), "exploration_rate: Input should be"),
        (lambda: optimizer().train(SESSIONS, validation_split=1.0), "validation_split: Input should be less than 1"),
        (lambda: optimizer().collect_experiences(lookback_hours=0), "lookback_hours 0, min_confidence 0.7: cannot be"),
        (lambda: optimizer().collect_experiences(min_confidence=2), "lookback_hours 72, min_confidence 2: cannot be"),
        (lambda: optimizer(program="routing.other").train([]), "program: 'routing.other' is none of routing"),
        (lambda: optimizer().evaluate(trained(), []), "test_set: it must hold experiences, or labelled examples"),
        (lambda: optimizer().evaluate(trained(), [*SESSIONS, *labelled(1)]), "test_set: it must hold"),
    ],
)
def test_arguments_that_cannot_be_are_named(act: Any, told: str):
    with pytest.raises(ConfigInvalid) as refused:
        act()
    assert str(refused.value).startswith(told)


def test_an_outage_is_no_empty_log_and_an_unknown_tenant_is_not_found():
    made = optimizer()
    made._traces.fail_with = Unavailable("Phoenix is down")
    with pytest.raises(Unavailable, match="Phoenix is down"):
        made.collect_experiences()
    with pytest.raises(NotFound):
        optimizer(tenant_id="nobody")


def test_a_test_set_of_which_nothing_can_be_used_says_why():
    made, policy = optimizer(), trained()
    assert made.evaluate(policy, log(3, failure="KeyError")).reason == "no experience can be used: 3 the program failed"
    odd = labelled(1)[0].copy(agent="sold").with_inputs("query")
    assert made.evaluate(policy, [odd]).accuracy == 0.0
