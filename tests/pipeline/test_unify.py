"""Routing and orchestration learn from each other's outcomes, each decision once, where dev shows that it helps."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import dspy
import pytest
from orchestrated import AGENTS, query_of, request, right_plan
from scripted_lm import scripted_writer
from world import START, World

from argotune.data.annotations import Annotation
from argotune.data.archive import ExperienceLog
from argotune.data.spans import Span
from argotune.data.splitting import Split, normalised, split_of_key
from argotune.data.stream import Stream
from argotune.errors import BudgetSpent
from argotune.lm.kept_answers import KeptAnswers
from argotune.lm.meter import Meter
from argotune.lm.port import LMs
from argotune.pipeline.module_pass import Request
from argotune.pipeline.operations.versions import explain_version
from argotune.pipeline.passes import run_module
from argotune.pipeline.recipe import Recipe
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.registry import Registry
from argotune.runs.reports import run_json
from argotune.runs.run import Run
from argotune.tenants.config import LMChoice, RoutingConfigUnified, parse_config

GOOD = {"routing.agent_success": True, "routing.user_satisfaction": 0.9}


def first_agent(prompt: str, query: str) -> dict[str, object]:
    """Knows who begins with a summary once it was shown another one, and says `video` until then."""
    is_shown = not query.startswith("a summary") or prompt.count("a summary of") > 1
    return {"agent": right_plan(query)[1][0] if is_shown else "video", "confidence": 0.8}


def never_learns(_prompt: str, _query: str) -> dict[str, object]:
    return {"agent": "video", "confidence": 0.8}


def plans_by_record(prompt: str, query: str) -> dict[str, object]:
    """Plans rightly once it is told how the agents did."""
    pattern, agents = right_plan(query) if "- text: 100.0 % of" in prompt else ("sequential", ["video"])
    return {"pattern": pattern, "agent_sequence": agents, "confidence": 0.8}


def plans_alike(_prompt: str, _query: str) -> dict[str, object]:
    return {"pattern": "sequential", "agent_sequence": ["video"], "confidence": 0.8}


@dataclass
class Writer:
    """Writes what a script says to the query."""

    say: Callable[[str, str], dict[str, object]]
    prompts: list[str] = field(default_factory=list)

    def open(self, _choice: LMChoice, _meter: Meter, _answers: KeptAnswers) -> LMs:
        def write(prompt: str) -> str:
            self.prompts.append(prompt)
            return json.dumps(self.say(prompt, prompt.rpartition("[[ ## query ## ]]\n")[2].partition("\n")[0]))

        lm, _ = scripted_writer(write)
        return LMs(task=lm, teacher=None, adapter=dspy.JSONAdapter(), names={"task": "scripted/writer"})


def routed(number: int, *, success: bool = True, agent: str = "") -> Span:
    chosen = agent or list(AGENTS)[number % 2]
    said = {"program": "routing", "query": query_of(number), "chosen_agent": chosen, "agent_success": success}
    attributes = {f"routing.{name}": value for name, value in said.items()}
    return Span(f"{number:014x}ff", f"{number:031x}f", "cogniverse.routing", START, START, attributes)


def tenant(say: Callable[[str, str], dict[str, object]], **fields: object) -> tuple[World, RoutingConfigUnified]:
    """Films and papers are routed, each with a person's label; summaries are orchestrated alone."""
    world = World(lms=Writer(say))
    usual = {"agents": AGENTS, "modules": ["workflow", "routing"], "preferred_optimizer": "labeled"}
    config = world.tenant(**{**usual, "enhancement": "off", **fields})
    return world, config


def orchestrated(world: World, numbers: range, *, labelled: bool = False) -> None:
    for number in numbers:
        pattern, agents = right_plan(query_of(number))
        world.traces.record("acme", request(number, pattern, agents, **GOOD))
        if labelled:
            said = {"pattern": pattern, "agent_sequence": json.dumps(agents)}
            labels = [Annotation(f"{number:014x}00", n, text, "HUMAN", "ann", START) for n, text in said.items()]
            world.traces.annotate(Stream("acme", "workflow"), labels)


def run(world: World, config: RoutingConfigUnified, module: str) -> Run:
    (found,) = run_module(world.ports, config, module, Request(is_forced=True)).runs
    return found


def routing_without_summaries(say: Callable[[str, str], dict[str, object]], **fields: object) -> tuple[World, Run]:
    """Routing has people's labels for questions of all kinds, but none for a summary that it could train on."""
    world, config = tenant(say, preferred_optimizer="nearest", **fields)
    orchestrated(world, range(3000, 3240))
    run_module(world.ports, config, "workflow", Request(is_forced=True))
    world.traces.record("acme", [routed(number, success=False) for number in range(240)])
    for number in range(240):
        query = query_of(number)
        if not query.startswith("a summary") or split_of_key(normalised(query), config.split) is not Split.TRAIN:
            label = Annotation(f"{number:014x}ff", "agent", right_plan(query)[1][0], "HUMAN", "ann", START)
            world.traces.annotate(Stream("acme", "routing"), [label])
    return world, run(world, config, "routing")


def test_what_went_well_in_orchestration_teaches_routing_where_dev_shows_that_it_helps() -> None:
    world, found = routing_without_summaries(first_agent)
    assert found.unified is not None
    assert found.unified.of == "workflow"
    assert found.unified.is_used, found.unified.sentence
    log = ExperienceLog(world.store, "acme")
    taught = [log.example("workflow", id) for id in found.unified.example_ids]
    own = {example.inputs["query"] for example in log.examples("routing")}
    assert all(example and example.split is Split.TRAIN for example in taught)
    assert not own & {example.inputs["query"] for example in taught if example}
    contest = ContestBook(world.store, "acme").contest(found.contest or "")
    assert contest.seen_elsewhere == found.unified.example_ids
    assert run_json(found)["unified"]["is_used"]
    assert (found.outcome, found.verdict.numbers.challenger_mean) == ("promoted", 1.0), found.sentence


def test_what_shows_no_gain_is_left_out_and_said() -> None:
    world, found = routing_without_summaries(never_learns)
    assert found.unified is not None
    assert not found.unified.is_used
    assert "no gain" in found.unified.sentence
    assert found.unified.example_ids == ()
    story = explain_version(world.store, "acme", found.challenger or "").lines()
    assert any(line.startswith("unified   outcomes of workflow are not used") for line in story)


def planned(say: Callable[[str, str], dict[str, object]], **fields: object) -> tuple[World, Run]:
    world, config = tenant(say, **fields)
    world.traces.record("acme", [routed(number, success=bool(number % 2 or number % 3)) for number in range(120)])
    world.traces.record("acme", [routed(number, agent="sum") for number in range(200, 204)])
    run_module(world.ports, config, "routing", Request(is_forced=True))
    orchestrated(world, range(3000, 3240), labelled=True)
    return world, run(world, config, "workflow")


def test_where_the_budget_ends_meanwhile_the_challenger_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def spent(*_: object) -> None:
        raise BudgetSpent("all LM calls are used")

    monkeypatch.setattr(Recipe, "trial", spent)
    _, found = planned(plans_by_record)
    assert found.unified is not None
    assert found.unified.sentence == (
        "outcomes of routing are not used: the comparison was not finished: all LM calls are used"
    )
    assert found.challenger


def test_how_agents_did_when_routed_to_stands_in_the_instructions_of_orchestration_where_it_helps() -> None:
    world, found = planned(plans_by_record)
    assert found.unified is not None
    assert found.unified.is_used, found.unified.sentence
    state = json.dumps(Registry(world.store, "acme").version(found.challenger or "").state)
    assert "- text: 100.0 % of 60 requests" in state
    assert "- video: 66.7 % of 60 requests" in state
    assert "- sum" not in state, "four requests tell nothing of an agent"
    assert found.outcome == "promoted", found.sentence


@pytest.mark.parametrize(
    ("fields", "requests", "why"),
    [
        ({"unified": "off"}, 120, None),
        ({"modules": ["workflow"]}, 120, None),
        ({"gate": {"min_slice_examples": 100}}, 120, "cannot show whether they help, 100 are needed"),
        ({}, 8, "none of them says anything new"),  # four of each agent
    ],
)
def test_nothing_is_compared_where_it_is_off_or_could_show_nothing(
    fields: dict[str, object], requests: int, why: str | None
) -> None:
    world, config = tenant(plans_alike)
    world.traces.record("acme", [routed(number) for number in range(requests)])
    run_module(world.ports, config, "routing", Request(is_forced=True))
    orchestrated(world, range(3000, 3240), labelled=True)
    found = run(world, parse_config({**config.model_dump(), **fields}), "workflow")
    assert found.unified is None if why is None else why in found.unified.sentence
