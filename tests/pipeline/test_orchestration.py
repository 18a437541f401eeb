"""The module `workflow` goes the way of all modules: from trees of requests to a champion that serves."""

from __future__ import annotations

from contextlib import closing

import pytest
from orchestrated import AGENTS, PlanningLMs, query_of, request, right_plan, traffic
from twin_embedders import EMBEDDERS
from world import START, World

from argotune.data.annotations import Annotation
from argotune.data.archive import ExperienceLog
from argotune.data.executions import in_words_of_contract
from argotune.data.span_format import read_span
from argotune.data.stream import stream_of
from argotune.lm.kept_answers import NothingKept
from argotune.lm.meter import Meter
from argotune.pipeline.module_pass import Request
from argotune.pipeline.passes import run_module
from argotune.programs import programs_of
from argotune.promotion.registry import Registry
from argotune.serving.client import Serving
from argotune.tenants.config import RoutingConfigUnified

BOUND = {"project": "shop", "programs": {"workflow": {"span": "handle request"}}}
N = 240


def tenant(world: World, **fields: object) -> RoutingConfigUnified:
    usual = {"agents": AGENTS, "modules": ["workflow"], "preferred_optimizer": "labeled"}
    return world.tenant(**{**usual, **fields})


def labelled(world: World, config: RoutingConfigUnified) -> None:
    """What people say of each request; of agents side by side in any order."""
    labels = []
    for number in range(N):
        pattern, agents = right_plan(query_of(number))
        said = {"pattern": pattern, "agent_sequence": " + ".join(agents[:: -1 if number % 2 else 1])}
        if pattern == "sequential":
            said["agent_sequence"] = " -> ".join(agents)
        labels += [Annotation(f"{number:014x}00", n, text, "HUMAN", "ann", START) for n, text in said.items()]
    world.traces.annotate(stream_of(config, "workflow"), labels)


@pytest.mark.parametrize("traces", [None, BOUND], ids=["as the page asks", "bound"])
def test_requests_as_they_are_traced_are_tuned_to_a_champion(traces: dict[str, object] | None) -> None:
    world = World(lms=PlanningLMs())
    config = tenant(world, traces=traces)
    project = config.traces.place if config.traces else None
    name = "handle request" if traces else "cogniverse.workflow"
    spans = list(traffic(N, name=name))
    spans += request(9000, "sequential", ["plumber"], name) + request(9001, "sequential", [], name)
    world.traces.record("acme", spans, project)
    labelled(world, config)
    assert world.look(config, "workflow").traces == N + 2
    (run,) = run_module(world.ports, config, "workflow", Request()).runs
    assert run.outcome == "promoted", run.sentence
    assert run.counts["span: an agent in it is none of the tenant's"] == 1
    assert run.counts["span: none of the tenant's agents was asked in it"] == 1
    assert {score.challenger for score in run.comparison.scores} == {1.0}
    assert Registry(world.store, "acme").champion("workflow")[0].version == run.challenger


def test_what_succeeded_is_an_example_without_a_label() -> None:
    world = World(lms=PlanningLMs())
    config = tenant(world)
    good = {"routing.agent_success": True, "routing.user_satisfaction": 0.9}
    world.traces.record("acme", list(traffic(150, **good)))
    run_module(world.ports, config, "workflow", Request())
    examples = list(ExperienceLog(world.store, "acme").examples("workflow"))
    assert len(examples) == 150
    assert examples[0].expected == {"pattern": "sequential", "agent_sequence": '["video"]'}
    assert 0.8 < examples[0].weight < 1


def test_what_serving_decides_is_read_back_from_its_span_whatever_lies_below() -> None:
    world = World(lms=PlanningLMs())
    config = tenant(world)
    lms = world.lms.open(config.lm, Meter(config.budget), NothingKept())
    with closing(Serving(world.store, config, lms, EMBEDDERS, lambda: world.now)) as serving:
        decision = serving.decide("workflow", query=query_of(0))
    assert decision.answers == {"pattern": "sequential", "agent_sequence": ["video"]}
    (root, *below) = request(0, "parallel", ["text", "video"], **decision.attributes(agent_success=True))
    world.traces.record("acme", [root, *below])
    (found,) = world.traces.spans_after(stream_of(config, "workflow"), None)
    (program,) = programs_of(config, "workflow")
    told = in_words_of_contract(found.span, stream_of(config, "workflow"), program.fields, world.now)
    read = read_span(told, "acme", {"workflow": program.fields})
    assert read.answers == {"pattern": "sequential", "agent_sequence": '["video"]'}
    assert (read.query, read.agent_success) == (query_of(0), True)
