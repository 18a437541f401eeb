"""OptimizationOrchestrator as "Optimization Module" shows it: examples 1 and 6, and its tests by their names."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from documented import INTERVALS, PRODUCTION
from judge import Judge, annotator
from world import World, traffic

from argotune import (
    AnnotationAgent,
    AnnotationFeedbackLoop,
    AnnotationStorage,
    LLMAutoAnnotator,
    OptimizationOrchestrator,
    PhoenixSpanEvaluator,
)
from argotune.data.archive import ExperienceLog
from argotune.errors import ConfigInvalid, Conflict, NotFound
from argotune.pipeline.operations.running import RunRequest, run_modules
from argotune.public_api import optimization_orchestrator
from argotune.runs.book import RunBook
from argotune.service import loop


def world_of(tenant_id: str, n: int = 150, **fields: Any) -> World:
    world = World()
    world.tenant(tenant_id, **fields)
    world.receive(n, tenant_id)
    return world


def test_optimization_orchestrator_initialization():
    orchestrator = OptimizationOrchestrator(**PRODUCTION, ports=World().ports)
    assert orchestrator.tenant_id == "production"
    assert orchestrator.get_metrics() == {
        "tenant_id": "production",
        "uptime_seconds": 0.0,
        "spans_evaluated": 0,
        "experiences_created": 0,
        "annotations_requested": 0,
        "annotations_completed": 0,
        "optimizations_triggered": 0,
        "total_improvement": 0.0,
        "last_visit_at": None,
    }
    assert isinstance(orchestrator.span_evaluator, PhoenixSpanEvaluator)
    assert isinstance(orchestrator.annotation_agent, AnnotationAgent)
    assert isinstance(orchestrator.auto_annotator, LLMAutoAnnotator)
    assert isinstance(orchestrator.annotation_storage, AnnotationStorage)
    assert isinstance(orchestrator.feedback_loop, AnnotationFeedbackLoop)


def test_run_once_optimization_cycle():
    world = world_of("test")
    orchestrator = OptimizationOrchestrator(tenant_id="test", **INTERVALS, ports=world.ports)
    results = asyncio.run(orchestrator.run_once())
    evaluated = results["span_evaluation"]
    assert evaluated == {"spans_processed": 150, "experiences_created": 150, "avg_confidence": pytest.approx(0.9)}
    assert results["feedback_loop"] == {"annotations_processed": 150, "experiences_updated": 150}
    assert set(results) == {"span_evaluation", "annotation_requests", "annotations_generated", "feedback_loop"}
    (run,) = RunBook(world.store, "test").runs()
    metrics = orchestrator.get_metrics()
    assert metrics["optimizations_triggered"] == 1
    assert metrics["total_improvement"] == pytest.approx(run.verdict.numbers.effect)
    again = asyncio.run(orchestrator.run_once())
    assert again["span_evaluation"] == {"spans_processed": 0, "experiences_created": 0, "avg_confidence": None}
    assert again["feedback_loop"] == {"annotations_processed": 0, "experiences_updated": 0}


def test_complete_optimization_cycle():
    world = World(annotator=annotator(Judge()))
    world.tenant("test", annotation={"daily_limit": 20})
    world.traces.record("test", traffic("test", 150)[0])
    orchestrator = OptimizationOrchestrator(
        tenant_id="test",
        span_eval_interval_minutes=1,
        annotation_interval_minutes=1,
        feedback_interval_minutes=1,
        min_annotations_for_optimization=5,
        ports=world.ports,
    )
    results = asyncio.run(orchestrator.run_once())
    assert (results["annotation_requests"], results["annotations_generated"]) == (20, 20)
    metrics = orchestrator.get_metrics()
    assert metrics["spans_evaluated"] == results["span_evaluation"]["spans_processed"] == 150
    assert metrics["experiences_created"] == results["span_evaluation"]["experiences_created"] == 150
    assert metrics["annotations_requested"] == results["annotation_requests"]
    assert metrics["annotations_completed"] == results["annotations_generated"]


def test_continuous_optimization_loop(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop, "TICK_S", 0.01)
    world = world_of("production")
    orchestrator = OptimizationOrchestrator(tenant_id="production", ports=world.ports)

    async def follow() -> None:
        started = asyncio.create_task(orchestrator.start())
        while not orchestrator.get_metrics()["optimizations_triggered"]:
            assert not started.done()
            await asyncio.sleep(0.02)
        with pytest.raises(Conflict, match="has been started already"):
            await orchestrator.start()
        world.receive(120, "production", first=150)
        while orchestrator.get_metrics()["spans_evaluated"] < 270:
            world.later(minutes=5)
            await asyncio.sleep(0.02)
        orchestrator.stop()
        await started

    asyncio.run(asyncio.wait_for(follow(), 60))
    assert orchestrator.get_metrics()["experiences_created"] == 270
    assert orchestrator.get_metrics()["uptime_seconds"] >= 3600
    assert not orchestrator.get_health()["running"]


def test_an_orchestrator_that_is_cancelled_gives_up_what_it_does(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop, "TICK_S", 0.01)
    world, begun = world_of("test"), threading.Event()
    world.lms.on_call = begun.set
    orchestrator = OptimizationOrchestrator("test", ports=world.ports)

    async def cancelled() -> None:
        started = asyncio.create_task(orchestrator.start())
        assert await asyncio.to_thread(begun.wait, 30)
        assert orchestrator.get_health()["running"]
        started.cancel()
        with pytest.raises(asyncio.CancelledError):
            await started

    asyncio.run(asyncio.wait_for(cancelled(), 60))
    assert not orchestrator.get_health()["running"]
    assert [run.outcome for run in RunBook(world.store, "test").runs()] == ["unfinished"]


def test_a_start_that_the_environment_refuses_leaves_it_free_to_be_started(monkeypatch: pytest.MonkeyPatch):
    orchestrator = OptimizationOrchestrator("test", ports=world_of("test").ports)
    monkeypatch.setenv("ARGOTUNE_SERVICE_TENANTS_AT_ONCE", "none")
    with pytest.raises(ConfigInvalid, match="ARGOTUNE_SERVICE_TENANTS_AT_ONCE"):
        asyncio.run(orchestrator.start())
    assert not orchestrator.get_health()["running"]


def test_two_orchestrators_of_one_tenant_share_it():
    world = world_of("test")
    one, other = (OptimizationOrchestrator("test", ports=world.ports) for _ in range(2))
    assert world.store.hold("test", "service", "a visit of the other", 30)
    with pytest.raises(Conflict, match="another run of service for tenant 'test' is at work"):
        asyncio.run(one.run_once())
    world.store.let_go("test", "service", "a visit of the other")
    asyncio.run(one.run_once())
    asyncio.run(other.run_once())
    assert one.get_metrics()["spans_evaluated"] == 150
    assert other.get_metrics()["spans_evaluated"] == 0


@pytest.mark.parametrize("minutes", [0, -5, float("nan"), 1e9, "15", None])
@pytest.mark.parametrize(
    "name", ["span_eval_interval_minutes", "annotation_interval_minutes", "feedback_interval_minutes"]
)
def test_an_interval_that_is_none_is_refused_by_name_and_value(name: str, minutes: Any):
    with pytest.raises(ConfigInvalid, match=rf"^{name}: .*{minutes!r} minutes are not above 0"):
        OptimizationOrchestrator(**{name: minutes})


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ({"min_annotations_for_optimization": 0}, "annotation.min_annotations_for_optimization"),
        ({"confidence_threshold": 2}, "annotation.confidence_threshold"),
        ({"optimization_improvement_threshold": -1}, "gate.min_effect"),
    ],
)
def test_a_threshold_goes_before_the_config_and_is_checked_as_it_is(given: dict[str, float], seen: str):
    with pytest.raises(ConfigInvalid, match=f"^{seen}: "):
        asyncio.run(OptimizationOrchestrator("test", ports=world_of("test").ports, **given).run_once())


def test_a_gain_below_the_threshold_is_not_accepted():
    world = world_of("test")
    asyncio.run(OptimizationOrchestrator("test", ports=world.ports, optimization_improvement_threshold=0.99).run_once())
    (run,) = RunBook(world.store, "test").runs()
    assert run.outcome != "promoted"


def test_a_tenant_that_nobody_knows_is_told():
    orchestrator = OptimizationOrchestrator("nobody", ports=World().ports)
    for call in (orchestrator.run_once, orchestrator.start):
        with pytest.raises(NotFound, match="'nobody'"):
            asyncio.run(call())
    with pytest.raises(NotFound):
        orchestrator.get_health()


def test_health_is_that_of_the_document(monkeypatch: pytest.MonkeyPatch):
    world = world_of("test")
    orchestrator = OptimizationOrchestrator("test", ports=world.ports)
    assert orchestrator.get_health() == {
        "healthy": False,
        "optimizer_ready": False,
        "total_experiences": 0,
        "avg_reward": 0.0,
        "last_updated": None,
        "running": False,
    }
    run_modules(world.ports, RunRequest("test"))
    health = orchestrator.get_health()
    assert (health["optimizer_ready"], health["total_experiences"]) == (True, 150)
    known = list(ExperienceLog(world.store, "test").experiences("routing"))
    assert health["last_updated"] == max(experience.at for experience in known).isoformat()
    assert health["avg_reward"] == pytest.approx(sum(bool(experience.agent_success) for experience in known) / 150)
    assert (health["healthy"], health["avg_reward"] > 0.5) == (False, False)
    monkeypatch.setattr(optimization_orchestrator, "HEALTHY_REWARD", 0.2)
    assert orchestrator.get_health()["healthy"]
    monkeypatch.setattr(optimization_orchestrator, "HEALTHY_ABOVE", 150)
    assert not orchestrator.get_health()["healthy"]


def test_labels_are_fed_back_where_nothing_waits_for_one_any_more():
    world = World()
    world.tenant("test", annotation={"daily_limit": 5})
    world.traces.record("test", traffic("test", 150)[0])
    asyncio.run(PhoenixSpanEvaluator("test", ports=world.ports).evaluate_spans())
    agent, storage = (kind("test", ports=world.ports) for kind in (AnnotationAgent, AnnotationStorage))
    for request in agent.identify_spans_needing_annotation():
        storage.store_annotation(request["span_id"], {"agent": "video"}, "kim")
    assert agent.identify_spans_needing_annotation() == []
    world.later(hours=2)
    fed = asyncio.run(AnnotationFeedbackLoop("test", 5, ports=world.ports).process_annotations())
    assert fed == {"annotations_processed": 5, "experiences_updated": 5}


def test_the_parts_ask_for_labels_store_them_and_feed_them_back():
    world = World()
    world.tenant("test", annotation={"daily_limit": 20})
    spans, _ = traffic("test", 150)
    world.traces.record("test", spans)
    found = asyncio.run(PhoenixSpanEvaluator("test", ports=world.ports).evaluate_spans())
    assert found["spans_processed"] == 150
    requests = AnnotationAgent("test", ports=world.ports).identify_spans_needing_annotation(limit=5)
    assert len(requests) == 5
    assert set(requests[0]) == {"span_id", "program", "reason", "inputs", "answers"}
    storage = AnnotationStorage("test", ports=world.ports)
    for request in requests:
        stored = storage.store_annotation(request["span_id"], {"agent": "video"}, "kim")
        assert stored["answers"] == {"agent": "video"}
    world.annotator = annotator(Judge())
    labelled = asyncio.run(LLMAutoAnnotator("test", ports=world.ports).annotate())
    assert labelled["annotations_generated"] > 10
    assert labelled["troubles"] == {}
    world.later(hours=2)
    fed = asyncio.run(AnnotationFeedbackLoop("test", 5, ports=world.ports).process_annotations())
    assert fed["annotations_processed"] >= 5
    assert fed["experiences_updated"] >= 5
