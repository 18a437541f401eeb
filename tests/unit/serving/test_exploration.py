"""Exploration in serving: what is drawn, with which propensity it is logged, and whose answer it is."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from factories import AGENTS as LABELS
from factories import FIELDS, NOON, make_config, make_example, make_experience, make_span
from scripted_lm import like_the_nearest_demo, scripted_lms
from served import FIRST, NEVER_S
from small_routing import AGENTS, ROUTING, config_with, written
from twin_embedders import EMBEDDERS
from world import filled, run_once

from argotune.adapters.memory.store import MemoryStore
from argotune.data.experiences import Experience
from argotune.data.label_rule import Labels
from argotune.data.questions import past_answer
from argotune.data.span_format import UnusableSpan, read_span
from argotune.errors import ConfigInvalid
from argotune.labels.doubts import doubts_about
from argotune.lm.port import LMs
from argotune.serving.client import Serving
from argotune.serving.decision import Decision
from argotune.tenants.config import RoutingConfigUnified, parse_config

BOUND = {"project": "shop", "programs": {"routing": {"span": "Route"}}}


def exploring(epsilon: float = 0.3, **rules: float) -> RoutingConfigUnified:
    return config_with(
        serving={"exploration": {"enabled": True, "epsilon": epsilon, "floor": min(0.05, epsilon), **rules}}
    )


def serving_by(config: RoutingConfigUnified, store: MemoryStore | None = None, lms: LMs | None = None) -> Serving:
    asked = lms or scripted_lms(like_the_nearest_demo)
    return Serving(store or MemoryStore(), config, asked, EMBEDDERS, lambda: NOON, NEVER_S, rng=Random(11))


def decided(config: RoutingConfigUnified, n: int = 1, program: str = "routing") -> list[Decision]:
    with serving_by(config) as serving:
        return [serving.decide(program, query=f"question {number}") for number in range(n)]


def test_propensities_that_are_logged_are_those_with_which_answers_come():
    given = decided(exploring(0.3), 4000)
    logged = {decision.answers["agent"]: decision.propensity for decision in given}
    assert logged == pytest.approx({FIRST: 0.7 + 0.1, **dict.fromkeys(set(AGENTS) - {FIRST}, 0.1)})
    came = Counter(decision.answers["agent"] for decision in given)
    for label, propensity in logged.items():
        assert came[label] / len(given) == pytest.approx(propensity, abs=0.025)
    assert sum(decision.is_explored for decision in given) / len(given) == pytest.approx(0.3, abs=0.03)
    worth = {"video": 0.2, "text": 0.9, "sum": 0.4}  # what a policy that always said `text` would earn, by weighting
    estimate = [worth["text"] / d.propensity if d.answers["agent"] == "text" else 0.0 for d in given]
    assert sum(estimate) / len(estimate) == pytest.approx(0.9, abs=0.1)


def test_an_explored_answer_keeps_what_the_champion_said_and_claims_no_confidence():
    drawn = [decision for decision in decided(exploring(1.0), 40) if decision.answers["agent"] != FIRST]
    assert {(d.is_explored, d.greedy["agent"], d.confidence) for d in drawn} == {(True, FIRST, None)}
    span = make_span(attributes=drawn[0].attributes(agent_success=True))
    found = read_span(span, "acme", {"routing": ROUTING.fields})
    assert isinstance(found, Experience)
    assert (found.answers, found.said, found.propensity) == (drawn[0].answers, {"agent": FIRST}, pytest.approx(1 / 3))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("{", UnusableSpan.WRONG_TYPE),
        ("[" * 100_000, UnusableSpan.WRONG_TYPE),
        (["text"], UnusableSpan.WRONG_TYPE),
        ('{"agent": 7}', UnusableSpan.WRONG_TYPE),
        ('{"agent": "gone"}', UnusableSpan.UNKNOWN_LABEL),
        ("{}", UnusableSpan.NO_OUTPUT),
    ],
)
def test_a_span_whose_greedy_answers_cannot_be_read_is_counted_under_its_reason(value: object, reason: UnusableSpan):
    attributes = {**decided(exploring())[0].attributes(), "routing.greedy_answers": value}
    assert read_span(make_span(attributes=attributes), "acme", {"routing": ROUTING.fields}) is reason


@pytest.mark.parametrize(
    ("config", "program"),
    [
        (config_with(), "routing"),
        (exploring(1.0), "cross_modal"),
        (config_with(serving=exploring(1.0).serving, traces=BOUND), "routing"),
    ],
    ids=["off by default", "several answers depend on each other", "a bound module's spans tell nothing of it"],
)
def test_nothing_is_drawn_where_exploring_is_off_or_could_not_be_told(config: RoutingConfigUnified, program: str):
    given = decided(config, 20, program)
    assert {(decision.is_explored, decision.propensity) for decision in given} == {(False, 1.0)}


def test_a_champion_that_gives_no_answer_is_not_covered_up():
    with serving_by(exploring(1.0), lms=written("blah")) as serving:
        decision = serving.decide("routing", query="x")
    assert (decision.is_answered, decision.answers, decision.propensity) == (False, {"agent": ""}, 1.0)


def test_the_share_falls_with_the_decisions_that_passes_have_read_and_stays_when_an_application_starts_again():
    rules = {"enabled": True, "epsilon": 0.4, "decay": 0.9, "floor": 0.1}
    world, config = filled(60, serving={"exploration": rules})

    def share() -> float:
        with serving_by(config, world.store) as serving:
            return next(found.epsilon for found in serving.status().programs if found.program == "routing")

    assert share() == 0.4
    run_once(world, config, forced=True)
    assert share() == share() == pytest.approx(0.4 * 0.9**6)
    world.receive(300, first=60)
    world.later(hours=2)
    run_once(world, config, forced=True)
    assert share() == 0.1


def test_a_share_that_could_not_fall_is_refused():
    with pytest.raises(ConfigInvalid, match=r"floor must not be above epsilon: 0\.2 > 0\.1"):
        parse_config({"tenant_id": "acme", "serving": {"exploration": {"floor": 0.2}}})


def test_an_explored_answer_labels_by_its_outcome_and_says_nothing_of_the_version():
    explored = make_experience(answers={"agent": LABELS[1]}, greedy_answers={"agent": LABELS[0]})
    kept = past_answer(explored, Labels({}, {}), FIELDS, make_config())
    assert (kept.said["agent"], kept.label.expected["agent"]) == (LABELS[0], LABELS[1])
    near = [make_example(f"footage of the moon landing {n}") for n in range(3)]
    plain = make_experience(answers={"agent": LABELS[1]})
    doubts = [doubts_about([x], ROUTING, None, near, lambda: None, EMBEDDERS) for x in (explored, plain)]
    assert [list(found) for found in doubts] == [[], [plain.span_id]]
