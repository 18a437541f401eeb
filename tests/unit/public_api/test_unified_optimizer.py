"""UnifiedOptimizer and WorkflowIntelligence: the examples of "Optimization Module", and what they keep apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, get_args

import pytest
from factories import NOON, after, make_experience
from orchestrated import AGENTS, PlanningLMs, query_of, right_plan
from pydantic import ValidationError
from twin_embedders import EMBEDDERS
from world import ScriptedLMs, World

from argotune import (
    AdvancedRoutingOptimizer,
    OptimizationType,
    OptimizerCoordinator,
    UnifiedOptimizer,
    WorkflowExecution,
    WorkflowIntelligence,
    WorkflowOptimizer,
)
from argotune.data.archive import ExperienceLog
from argotune.data.executions import PATTERNS
from argotune.errors import ConfigInvalid
from argotune.public_api import unified_optimizer
from argotune.public_api.workflow_executions import OrchestrationPattern

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def execution(number: int = 0, **changes: Any) -> WorkflowExecution:
    pattern, agents = right_plan(query_of(number))
    usual = {
        "workflow_id": f"wf-{number}",
        "query": query_of(number),
        "agent_sequence": agents,
        "orchestration_pattern": pattern,
        "success": True,
        "user_satisfaction": 0.9,
        "timestamp": after(number),
    }
    return WorkflowExecution(**{**usual, **changes})


@pytest.fixture
def world() -> World:
    world = World(lms=PlanningLMs())
    world.tenant(agents=AGENTS, modules=["workflow"])
    return world


@pytest.fixture
def intelligence(world: World, tmp_path: Path) -> WorkflowIntelligence:
    return WorkflowIntelligence("acme", tmp_path / "workflow", ports=world.ports)


def routing(folder: Path) -> AdvancedRoutingOptimizer:
    usual = {"lms": ScriptedLMs(), "embedders": EMBEDDERS, "rng": Random(3), "clock": lambda: NOON}
    return AdvancedRoutingOptimizer(None, folder, "acme", agents=AGENTS, **usual)


@pytest.fixture
def unified(intelligence: WorkflowIntelligence, tmp_path: Path) -> UnifiedOptimizer:
    return UnifiedOptimizer(routing_optimizer=routing(tmp_path / "routing"), workflow_intelligence=intelligence)


async def test_integrate_orchestration_outcomes(unified: UnifiedOptimizer) -> None:
    found = await unified.integrate_orchestration_outcomes([execution(n) for n in range(30)])
    assert found == {
        "workflows_processed": 30,
        "routing_experiences_created": 30,
        "patterns_learned": {"parallel": 10, "sequential": 20, "conditional": 0},
        "total_workflows_integrated": 30,
        "unusable": 0,
    }
    again = await unified.integrate_orchestration_outcomes([execution(29), execution(30), execution(31, query=" ")])
    assert (again["workflows_processed"], again["routing_experiences_created"], again["unusable"]) == (3, 1, 1)
    assert again["total_workflows_integrated"] == len(unified.routing_optimizer.experiences) == 31


async def test_of_very_many_that_were_integrated_the_oldest_may_count_again(
    unified: UnifiedOptimizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unified_optimizer, "MOST_REMEMBERED", 2)
    await unified.integrate_orchestration_outcomes([execution(n) for n in range(3)])
    found = await unified.integrate_orchestration_outcomes([execution(2), execution(1), execution(0)])
    assert found["routing_experiences_created"] == 1


async def test_what_was_integrated_counts_once_after_a_restart_too(unified: UnifiedOptimizer) -> None:
    await unified.integrate_orchestration_outcomes([execution()])
    reborn = UnifiedOptimizer(unified.routing_optimizer, unified.workflow_intelligence)
    found = await reborn.integrate_orchestration_outcomes([execution()])
    assert found["routing_experiences_created"] == 0


@pytest.mark.parametrize(
    ("changes", "quality", "signals"),
    [
        ({}, 0.9, (True, True)),
        ({"user_satisfaction": 0.7}, 0.7, (False, True)),
        ({"user_satisfaction": None}, 1.0, (False, True)),
        ({"success": False}, 0.9, (False, True)),
        ({"success": False, "user_satisfaction": None, "agent_sequence": ["sum"]}, 0.0, (False, False)),
    ],
)
def test_workflow_to_routing_experience_conversion(
    unified: UnifiedOptimizer, changes: dict[str, Any], quality: float, signals: tuple[bool, bool]
) -> None:
    taken = {"confidence_score": 0.8, "execution_time": 1.5}
    workflow = execution(1, metadata={"parallel_efficiency": 0.8}, **taken, **changes)
    told = unified._workflow_to_routing_experience(workflow)
    assert (told.routing_confidence, told.processing_time, told.at) == (0.8, 1.5, after(1))
    assert (told.chosen_agent, told.search_quality) == (workflow.agent_sequence[0], quality)
    assert (told.agent_success, told.user_satisfaction) == (workflow.success, workflow.user_satisfaction)
    said = told.metadata
    assert (said["orchestration_was_beneficial"], said["multi_agent_synergy"]) == signals
    assert (said["orchestration_pattern"], said["parallel_efficiency"]) == ("parallel", 0.8)
    assert said["agent_sequence"] == list(workflow.agent_sequence)


async def test_unified_policy_optimization(unified: UnifiedOptimizer, intelligence: WorkflowIntelligence) -> None:
    for number in range(60):
        intelligence.record_execution(execution(number))
    found = await unified.optimize_unified_policy()
    assert found.keys() == {"workflow_optimization", "routing_optimization", "integration"}
    assert found["integration"]["routing_experiences_created"] == 60
    assert found["workflow_optimization"]["trained"], found["workflow_optimization"]
    assert found["routing_optimization"]["examples"] == 60
    planned = intelligence.optimizer.predict_workflow(query_of(1))
    assert planned is not None
    assert (planned["orchestration_pattern"], planned["agent_sequence"]) == ("parallel", ["text", "video"])
    second = await unified.optimize_unified_policy()
    assert second["integration"]["routing_experiences_created"] == 0


def test_successful_workflows_are_those_of_traces_and_those_told_the_newest_first(
    world: World, intelligence: WorkflowIntelligence
) -> None:
    answers = {"pattern": "sequential", "agent_sequence": '["video", "sum"]'}
    said = {"user_satisfaction": 0.8, "confidence": 0.7, "processing_time_s": 2.5}
    read = make_experience(span_id="t1", program="workflow", answers=answers, at=after(5), **said)
    silent = replace(read, span_id="t2", agent_success=None)
    failed = replace(read, span_id="t3", agent_success=False)
    bored = replace(read, span_id="t4", user_satisfaction=0.6)
    ExperienceLog(world.store, "acme").append([read, silent, failed, bored], {})
    for number in (9, 1):
        intelligence.record_execution(execution(number))
    found = intelligence.get_successful_workflows()
    assert [each.workflow_id for each in found] == ["wf-9", "t1", "wf-1"]
    assert (found[1].query, found[1].agent_sequence) == (read.query, ("video", "sum"))
    assert (found[1].confidence_score, found[1].execution_time) == (0.7, 2.5)
    assert [each.workflow_id for each in intelligence.get_successful_workflows(limit=1)] == ["wf-9"]
    assert "t4" in [each.workflow_id for each in intelligence.get_successful_workflows(min_quality=0.5)]


def test_what_is_told_is_bounded(world: World, tmp_path: Path) -> None:
    intelligence = WorkflowIntelligence("acme", tmp_path, ports=world.ports, most_kept=2)
    for number in range(5):
        intelligence.record_execution(execution(number))
    assert [each.workflow_id for each in intelligence.get_successful_workflows()] == ["wf-4", "wf-3"]


@pytest.mark.parametrize(
    "bad",
    [
        {"agent_sequence": []},
        {"orchestration_pattern": "all at once"},
        {"user_satisfaction": 1.2},
        {"execution_time": float("inf")},
        {"workflow_id": ""},
    ],
)
def test_an_execution_that_cannot_be_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        execution(**bad)


def test_the_coordinator_opens_both_when_they_are_needed(world: World, tmp_path: Path) -> None:
    coordinator = OptimizerCoordinator(tmp_path, "acme", ports=world.ports)
    rows = [execution(number).model_dump() for number in range(60)]
    assert coordinator.optimize(OptimizationType.ORCHESTRATION, rows)["trained"]
    assert isinstance(coordinator.get_optimizer(OptimizationType.ORCHESTRATION), WorkflowOptimizer)
    assert coordinator.get_optimization_status()["loaded_optimizers"] == ["orchestration"]
    unified = coordinator.get_optimizer(OptimizationType.UNIFIED)
    assert isinstance(unified, UnifiedOptimizer)
    with pytest.raises(ConfigInvalid, match=r"training_data\[60\]: "):
        coordinator.optimize(OptimizationType.UNIFIED, [*rows, {"query": "x"}])
    assert unified.workflow_intelligence.get_successful_workflows() == []
    found = coordinator.optimize(OptimizationType.UNIFIED, rows)
    assert found["integration"]["workflows_processed"] == 60


def test_the_documented_patterns_are_those_of_the_module() -> None:
    assert get_args(OrchestrationPattern) == PATTERNS
