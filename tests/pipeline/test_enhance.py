"""Query enhancement: used where dev shows that it helps, judged in one contest with what it serves, told on spans."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import dspy
import pytest
from enhancing import SPELLED_OUT, asked, by_words, promote, routed, spells_out
from refuting import people_say
from twin_embedders import EMBEDDERS
from world import World, run_once, traffic

from argotune.data.guards.leaks import held_questions
from argotune.data.span_format import read_span
from argotune.data.stream import Stream
from argotune.lm.kept_answers import NothingKept
from argotune.lm.meter import Meter
from argotune.optimizers import OPTIMIZERS, TrainingTask
from argotune.pipeline.module_pass import Request
from argotune.pipeline.operations.versions import explain_version
from argotune.pipeline.passes import run_module
from argotune.programs import programs_of
from argotune.programs.enhanced import Enhanced
from argotune.promotion.registry import Registry
from argotune.promotion.versions import Version
from argotune.runs.reports import run_json
from argotune.runs.run import Run
from argotune.serving.client import Serving
from argotune.tenants.config import BudgetLimits, LMChoice, RoutingConfigUnified

PLAIN = json.dumps({"agent": "video", "confidence": 0.9})


def challenger(world: World, run: Run) -> Version:
    return Registry(world.store, "acme").version(run.challenger or "")


def says_nothing(prompt: str) -> str:
    return "Sure!" if "enhanced_query" in asked(prompt) else PLAIN


def test_an_enhancement_that_helps_on_dev_is_part_of_the_challenger_and_wins_with_it_in_one_contest():
    world, config = routed(n=300)
    run = run_once(world, config)
    assert run.enhancement is not None
    assert run.enhancement.is_used
    assert run.enhancement.trial.with_mean == 1.0
    assert run.enhancement.trial.without_mean < 0.6
    assert challenger(world, run).state["kind"] == "enhanced"
    assert (run.outcome, run.verdict.numbers.challenger_mean) == ("promoted", 1.0)
    story = explain_version(world.store, "acme", run.challenger).lines()
    assert any(line.startswith("enhanced  query enhancement is used: on ") for line in story)
    assert run_json(run)["enhancement"]["trial"]["n"] == run.enhancement.trial.n


@pytest.mark.parametrize(
    ("write", "fields", "why"),
    [
        (lambda prompt: PLAIN if "agent" in asked(prompt) else spells_out(prompt), {}, "no gain"),
        (says_nothing, {}, "no gain"),
        (spells_out, {"gate": {"min_slice_examples": 100}}, "cannot show whether it helps, 100 are needed"),
    ],
)
def test_an_enhancement_that_shows_no_gain_is_not_used_and_the_run_says_why(write, fields, why):
    world, config = routed(write, **fields)
    run = run_once(world, config)
    assert not run.enhancement.is_used
    assert why in run.enhancement.sentence
    assert challenger(world, run).state["kind"] == "plain"


def test_off_asks_for_no_enhancement_and_on_uses_one_that_dev_does_not_speak_for():
    world, config = routed(enhancement="off")
    assert run_once(world, config).enhancement is None
    assert not [prompt for prompt in world.lms.prompts if "enhanced_query" in asked(prompt)]
    world, config = routed(says_nothing, enhancement="on")
    run = run_once(world, config)
    assert (run.enhancement.is_used, run.enhancement.trial.gain) == (True, 0.0)
    assert challenger(world, run).state["kind"] == "enhanced"


def test_another_setting_is_something_new_to_learn():
    world, config = routed(enhancement="off")
    first = run_once(world, config, forced=True)
    assert first.plan.lesson != first.plan.model_copy(update={"enhancement": "on"}).lesson


def test_where_only_a_scorer_answers_enhancement_is_off_with_a_sentence():
    world = World()
    config = world.tenant(preferred_optimizer="labeled")
    world.receive(160)
    run = run_once(world, config)
    assert run.enhancement.sentence == (
        "query enhancement is not used: the LM that answers scores labels and writes nothing"
    )


def test_what_is_tuned_as_one_goes_by_all_that_the_challenger_went_by(monkeypatch: pytest.MonkeyPatch):
    made = list[tuple[bool, Sequence[str], Sequence[str]]]()

    def compiled(task: TrainingTask) -> dspy.Module:
        beside = [[asked["query"] for asked in found] for found in (task.refuted, task.refuted_dev)]
        made.append((isinstance(task.student, Enhanced), *beside))
        return task.student.deepcopy()

    monkeypatch.setitem(OPTIMIZERS, "random_search", replace(OPTIMIZERS["random_search"], compile=compiled))
    world, config = routed(n=300, preferred_optimizer="random_search")
    people_say(world)
    run_once(world, config)
    assert [is_enhanced for is_enhanced, *_ in made] == [False, True]
    assert made[0][1:] == made[1][1:]
    assert made[0][2]


def test_a_budget_that_ends_in_the_comparison_leaves_the_challenger_as_it_is():
    world, config = routed(budget={"max_lm_calls": 2 * 48 + 20})
    run = run_once(world, config)
    assert "the comparison was not finished: budget.max_lm_calls" in run.enhancement.sentence
    assert challenger(world, run).state["kind"] == "plain"


def test_bootstrap_tunes_enhancement_and_router_as_one_where_that_is_better():
    def needs_a_demo(prompt: str) -> str:
        """Spells out half of the queries, and all once it has seen one spelled out."""
        is_blind = "enhanced_query" in asked(prompt) and SPELLED_OUT not in prompt
        said = spells_out(prompt)
        return said.replace(f"{SPELLED_OUT}text", f"{SPELLED_OUT}video") if is_blind else said

    world, config = routed(needs_a_demo, n=300, preferred_optimizer="bootstrap")
    run = run_once(world, config)
    assert run.enhancement.is_tuned
    demos = challenger(world, run).state["enhancer"]["predictors"]["enhance"]["demos"]
    assert demos
    assert all(SPELLED_OUT in demo["enhanced_query"] for demo in demos)


def promoted() -> tuple[World, RoutingConfigUnified, Serving]:
    world, config = routed(n=300)
    assert run_once(world, config).outcome == "promoted"
    lms = world.lms.open(LMChoice(), Meter(BudgetLimits()), NothingKept())
    return world, config, Serving(world.store, config, lms, EMBEDDERS, lambda: world.now)


def test_serving_fills_in_what_the_application_did_not_give_and_the_span_tells_it_apart_from_the_question():
    world, config, serving = promoted()
    with serving:
        before = len(world.lms.prompts)
        decision = serving.decide("routing", query="podcast whales")
        assert len(world.lms.prompts) == before + 2
        assert decision.answers == {"agent": "audio"}
        assert decision.filled == ("entities", "enhanced_query")
        assert decision.effort.tokens == 20
        given = serving.decide("routing", query="podcast whales", entities="x", relationships="y", enhanced_query="z")
        assert given.filled == ()
    attributes = decision.attributes(agent_success=True)
    assert attributes["routing.enhanced_query"] == f"{SPELLED_OUT}audio"
    span = replace(traffic("acme", 1)[0][0], attributes=attributes)
    read = read_span(span, "acme", {"routing": programs_of(config, "routing")[0].fields})
    assert read.inputs["enhanced_query"] == read.inputs["entities"] == ""
    assert read.filled == {
        "entities": '[{"label": "topic", "text": "whales"}]',
        "enhanced_query": f"{SPELLED_OUT}audio",
    }


def test_an_enhancement_that_fails_leaves_the_question_as_it_is_and_the_span_says_why():
    world, _, serving = promoted()
    world.lms.write = says_nothing
    with serving:
        decision = serving.decide("routing", query="podcast whales")
    assert decision.answers == {"agent": "video"}
    assert decision.attributes()["routing.enhancement.lack"] == decision.unfilled != ""


def test_patterns_are_learned_from_training_traces_that_went_well():
    world, config = routed(n=0)
    spans, labels = traffic("acme", 300)
    for place, span in enumerate(spans[::2]):
        said = {"routing.enhanced_query": SPELLED_OUT + by_words(span.attributes["routing.query"])}
        spans[2 * place] = replace(span, attributes={**span.attributes, **said})
    world.traces.record("acme", spans)
    world.traces.annotate(Stream("acme", "routing"), labels)
    run = run_once(world, config)
    assert run.enhancement.patterns == 8
    shown = challenger(world, run).state["enhancer"]["predictors"]["enhance"]["demos"]
    assert {demo["enhanced_query"] for demo in shown} == {f"{SPELLED_OUT}video"}  # where it succeeded


def test_the_module_enhancement_runs_like_any_other_and_its_champion_is_what_routing_begins_with():
    world, config = routed(modules=["routing", "enhancement"])
    promote(world.store, config, instructions="Mind the words of physicists.")
    report = run_module(world.ports, config, "enhancement", Request(is_forced=True))
    assert [run.program for run in report.runs] == ["enhancement"]
    run = run_once(world, config)
    asked_with = challenger(world, run).state["enhancer"]["predictors"]["enhance"]
    assert asked_with["instructions"] == "Mind the words of physicists."


def test_what_an_enhancer_shows_is_found_among_what_a_version_holds_by_heart():
    demos = [{"query": "where does the night ferry to oslo leave", "enhanced_query": "departure of the ferry"}]
    plain = {"instructions": "", "demos": [], "decision": {}}
    state = {
        "kind": "enhanced",
        "enhancer": {"kind": "plain", "predictors": {"enhance": {**plain, "demos": demos}}},
        "program": {"kind": "plain", "predictors": {"answer": plain}},
    }
    asked_of = {"one": {"query": "Where does the night ferry to Oslo leave?"}, "two": {"query": "footage of whales"}}
    assert held_questions(state, asked_of, {"agent"}) == ("one",)


def test_a_challenger_that_asks_no_lm_is_not_made_to_ask_one():
    world, config = routed(preferred_optimizer="student")
    run = run_once(world, config)
    assert "asks no LM where it can" in run.enhancement.sentence
    assert challenger(world, run).state["kind"] == "student"
