"""The six examples of "Optimization Module", line by line as it has them: every name, argument and key that they use.

What is another here than there is said beside it: ports of a world in memory, and fewer of everything.
"""

from __future__ import annotations

import ast
import asyncio
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from documented import CONFIG, INTERVALS, MARIE, PRODUCTION
from orchestrated import AGENTS as ORCHESTRATED
from orchestrated import PlanningLMs, query_of, right_plan
from twin_embedders import EMBEDDERS
from world import AGENTS, ScriptedLMs, World, traffic

from argotune import (
    AdvancedRoutingOptimizer,
    ModalityOptimizer,
    OptimizationOrchestrator,
    OptimizationType,
    OptimizerCoordinator,
    QueryModality,
    UnifiedOptimizer,
    WorkflowExecution,
    WorkflowIntelligence,
)
from argotune.adapters.memory.content import MemoryContent
from argotune.data.stream import Stream
from argotune.service import loop

TESTS = Path(__file__).parents[1]
NAMED = """
test_optimization_orchestrator_initialization test_run_once_optimization_cycle test_continuous_optimization_loop
test_complete_optimization_cycle test_record_routing_experience test_multi_stage_optimizer_selection
test_grpo_optimization_step test_confidence_calibration test_reward_signal_computation
test_optimize_modality_with_synthetic_data test_xgboost_training_decision_model test_modality_model_training
test_predict_agent_with_trained_model test_xgboost_meta_model_training test_integrate_orchestration_outcomes
test_unified_policy_optimization test_workflow_to_routing_experience_conversion test_optimizer_coordination_routing
test_lazy_loading_optimizers test_get_optimization_status
"""
"""The tests that the document names."""


def test_every_test_that_the_document_names_is_there():
    names = set[str]()
    for path in TESTS.rglob("test_*.py"):
        names |= {node.name for node in ast.walk(ast.parse(path.read_text("utf-8"))) if hasattr(node, "name")}
    assert [name for name in NAMED.split() if name not in names] == []


def test_example_1_complete_optimization_orchestration(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(loop, "TICK_S", 0.01)
    world = World()
    world.tenant("production")
    world.receive(150, "production")

    async def example() -> None:
        orchestrator = OptimizationOrchestrator(**PRODUCTION, ports=world.ports)
        started = asyncio.create_task(orchestrator.start())  # runs indefinitely
        while not orchestrator.get_metrics()["optimizations_triggered"]:
            assert not started.done()
            await asyncio.sleep(0.02)
        orchestrator.stop()
        await started
        metrics = orchestrator.get_metrics()
        print(f"Spans evaluated: {metrics['spans_evaluated']}")
        print(f"Experiences created: {metrics['experiences_created']}")
        print(f"Annotations completed: {metrics['annotations_completed']}")
        print(f"Optimizations triggered: {metrics['optimizations_triggered']}")

    asyncio.run(asyncio.wait_for(example(), 60))
    assert capsys.readouterr().out.splitlines() == [
        "Spans evaluated: 150",
        "Experiences created: 150",
        "Annotations completed: 0",
        "Optimizations triggered: 1",
    ]


def test_example_2_advanced_routing_optimizer(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    inner = {"lms": ScriptedLMs(), "embedders": EMBEDDERS, "rng": Random(3)}

    async def example() -> None:
        optimizer = AdvancedRoutingOptimizer(config=CONFIG, storage_dir=tmp_path / "data/optimization", **inner)
        reward = await optimizer.record_routing_experience(**MARIE)
        print(f"Computed reward: {reward:.3f}")
        recommendations = await optimizer.get_routing_recommendations(
            query="Find lecture videos about quantum mechanics",
            entities=[{"text": "quantum mechanics", "label": "topic"}],
            relationships=[],
        )
        print(f"Recommended agent: {recommendations['recommended_agent']}")
        print(f"Confidence: {recommendations['confidence']:.2f}")
        print(f"Reasoning: {recommendations['reasoning']}")
        print(f"Optimization ready: {recommendations['optimization_ready']}")
        print(f"Training step: {recommendations['training_step']}")
        status = optimizer.get_optimization_status()
        print(f"Total experiences: {status['total_experiences']}")
        print(f"Avg reward: {status['metrics']['avg_reward']}")
        print(f"Success rate: {status['metrics']['success_rate']}")
        print(f"Confidence accuracy: {status['metrics']['confidence_accuracy']}")

    asyncio.run(example())
    reward, agent, *_, ready, step, total, average, rate, accuracy = capsys.readouterr().out.splitlines()
    assert reward == "Computed reward: 0.923"
    assert agent == "Recommended agent: video_search_agent"  # the one that has done best: nothing is trained on one
    assert (ready, step) == ("Optimization ready: False", "Training step: 0")
    assert (total, average[:17], rate) == ("Total experiences: 1", "Avg reward: 0.923", "Success rate: 1.0")
    assert accuracy == "Confidence accuracy: 0.85"


def modality_world() -> World:
    world = World()
    rules = {"detectable_gain": 0, "growth_share": 0.001, "exploration_share": 0}
    world.tenant("production", modules=["modality"], decisions=rules, contest={"min_people_labels": 1000})
    spans, labels = traffic("production", 120)
    told = {"routing.program": "modality.video"}
    spans = [replace(s, name="cogniverse.modality", attributes={**s.attributes, **told}) for s in spans]
    world.traces.record("production", spans)
    world.traces.annotate(Stream("production", "modality"), labels)
    return world


def test_example_3_modality_specific_optimization(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    world, vespa_client = modality_world(), MemoryContent({})

    async def example() -> None:
        optimizer = ModalityOptimizer(
            tenant_id="production",
            model_dir=tmp_path / "outputs/models/modality",
            vespa_client=vespa_client,
            ports=world.ports,
        )
        results = await optimizer.optimize_all_modalities(lookback_hours=24, min_confidence=0.7)
        for modality, result in results.items():
            print(f"\n{modality.value}:")
            if result["trained"]:
                print(f"  Strategy: {result['strategy']}")
                print(f"  Examples: {result['examples_count']}")
                print(f"  Expected improvement: {result['expected_improvement']:.3f}")
                print(f"  Training result: {result['training_result']['status']}")
                print(f"  Validation accuracy: {result['training_result']['validation_accuracy']:.2f}")
            else:
                print(f"  Reason: {result['reason']}")
        video_result = await optimizer.optimize_modality(
            modality=QueryModality.VIDEO, lookback_hours=72, min_confidence=0.6, force_training=True
        )
        assert video_result["modality"] == "video"
        prediction = optimizer.predict_agent(
            query="Find footage about deep learning tutorials",
            modality=QueryModality.VIDEO,
            query_features={"query_length": 35, "has_technical_terms": True, "routing_confidence": 0.78},
        )
        if prediction:
            print(f"Recommended agent: {prediction['recommended_agent']}")
            print(f"Confidence: {prediction['confidence']:.2f}")
            print(f"Reasoning: {prediction['reasoning']}")
        summary = optimizer.get_optimization_summary()
        print(f"Total modalities trained: {summary['total_modalities']}")
        print(f"Meta-model status: {summary['meta_models']}")
        for modality, details in summary["modalities"].items():
            print(f"{modality}: {details['training_count']} trainings, last: {details['last_training']}")

    asyncio.run(example())
    shown = capsys.readouterr().out
    assert "\nvideo:\n  Strategy: PURE_REAL\n  Examples: " in shown
    assert "  Training result: success\n  Validation accuracy: " in shown
    assert "\nimage:\n  Reason: insufficient_benefit" in shown
    assert "Recommended agent: video\n" in shown
    assert "Total modalities trained: 1\n" in shown
    assert "video: 1 trainings, last: 2026-" in shown


def test_example_4_unified_optimizer(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    world = World(lms=PlanningLMs())
    world.tenant(agents=ORCHESTRATED, modules=["workflow"])
    inner = {"agents": ORCHESTRATED, "lms": ScriptedLMs(), "embedders": EMBEDDERS, "rng": Random(3)}

    async def example() -> None:
        routing_optimizer = AdvancedRoutingOptimizer(None, tmp_path / "routing", "acme", **inner)
        workflow_intelligence = WorkflowIntelligence("acme", tmp_path / "workflow", ports=world.ports)
        for number in range(60):
            workflow_intelligence.record_execution(workflow(number))
        unified_optimizer = UnifiedOptimizer(
            routing_optimizer=routing_optimizer, workflow_intelligence=workflow_intelligence
        )
        successful_workflows = workflow_intelligence.get_successful_workflows(min_quality=0.7, limit=100)
        integration_results = await unified_optimizer.integrate_orchestration_outcomes(successful_workflows)
        print(f"Workflows processed: {integration_results['workflows_processed']}")
        print(f"Routing experiences created: {integration_results['routing_experiences_created']}")
        print(f"Patterns learned: {integration_results['patterns_learned']}")
        print(f"In all: {integration_results['total_workflows_integrated']}")
        optimization_results = await unified_optimizer.optimize_unified_policy()
        print(f"Workflow optimization: {optimization_results['workflow_optimization']}")
        print(f"Routing optimization: {optimization_results['routing_optimization']}")
        print(f"Integration: {optimization_results['integration']}")

    asyncio.run(example())
    processed, created, patterns, total, *optimized = capsys.readouterr().out.splitlines()
    assert (processed, created) == ("Workflows processed: 60", "Routing experiences created: 60")
    learned = ast.literal_eval(patterns.removeprefix("Patterns learned: "))
    assert learned == {"parallel": 20, "sequential": 40, "conditional": 0}
    assert total == "In all: 60"
    assert [line.partition(": {")[0] for line in optimized] == [
        "Workflow optimization",
        "Routing optimization",
        "Integration",
    ]


def workflow(number: int) -> WorkflowExecution:
    pattern, agents = right_plan(query_of(number))
    return WorkflowExecution(
        workflow_id=f"wf-{number}",
        query=query_of(number),
        agent_sequence=agents,
        orchestration_pattern=pattern,
        success=True,
        user_satisfaction=0.9,
        timestamp=World().now,
    )


def labelled_rows(n: int = 40) -> list[dict[str, Any]]:
    said = traffic("production", n)
    queries = [str(span.attributes["routing.query"]) for span in said[0]]
    entities = [{"text": "quantum physics", "label": "topic"}]
    told = {"entities": entities, "success": True, "user_satisfaction": 0.9}
    return [{"query": q, "correct_agent": a.label, **told} for q, a in zip(queries, said[1], strict=True)]


def test_example_5_optimizer_coordinator(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    world = World()
    world.tenant("production", modules=["modality", "cross_modal"])
    coordinator = OptimizerCoordinator(
        optimization_dir=tmp_path / "optimization_results", tenant_id="production", ports=world.ports
    )
    training_data = labelled_rows()
    routing_result = coordinator.optimize(type=OptimizationType.ROUTING, training_data=training_data)
    modality_result = coordinator.optimize(
        type=OptimizationType.MODALITY, training_data=training_data, modality="video"
    )
    cross_modal_result = coordinator.optimize(type=OptimizationType.CROSS_MODAL, training_data=training_data)
    routing_optimizer = coordinator.get_optimizer(OptimizationType.ROUTING)
    recommendations = asyncio.run(
        routing_optimizer.get_routing_recommendations(query="Find lecture footage", entities=[], relationships=[])
    )
    status = coordinator.get_optimization_status()
    print(f"Loaded optimizers: {status['loaded_optimizers']}")
    assert [found["trained"] for found in (routing_result, modality_result)] == [True, True]
    assert not cross_modal_result["trained"]  # these rows say nothing of a fusion
    assert recommendations["recommended_agent"] in AGENTS
    assert capsys.readouterr().out == "Loaded optimizers: ['routing', 'modality', 'cross_modal']\n"
    assert set(status) == {"tenant_id", "optimization_dir", "loaded_optimizers"}


def test_example_6_single_optimization_cycle(capsys: pytest.CaptureFixture[str]):
    world = World()
    world.tenant("test")
    world.receive(45, "test")

    async def example() -> None:
        orchestrator = OptimizationOrchestrator(tenant_id="test", **INTERVALS, ports=world.ports)
        results = await orchestrator.run_once()
        print(f"Span evaluation: {results['span_evaluation']}")
        print(f"Annotation requests: {results['annotation_requests']}")
        print(f"Annotations generated: {results['annotations_generated']}")
        print(f"Feedback loop: {results['feedback_loop']}")
        assert set(results["span_evaluation"]) == {"spans_processed", "experiences_created", "avg_confidence"}
        assert set(results["feedback_loop"]) == {"annotations_processed", "experiences_updated"}

    asyncio.run(example())
    evaluated, requests, generated, _ = capsys.readouterr().out.splitlines()
    assert "{'spans_processed': 45, 'experiences_created': 45, 'avg_confidence': 0." in evaluated
    assert requests.startswith("Annotation requests: ")
    assert generated == "Annotations generated: 0"
