"""ModalityOptimizer, CrossModalOptimizer and OptimizerCoordinator: the examples of "Optimization Module"."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from world import AGENTS, START, WORDS, World, traffic

from argotune import (
    CrossModalOptimizer,
    ModalityOptimizer,
    ModelingContext,
    OptimizationType,
    OptimizerCoordinator,
    QueryModality,
    TrainingStrategy,
)
from argotune.adapters.memory.content import MemoryContent
from argotune.data.stream import Stream
from argotune.errors import ConfigInvalid, NotFound
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.registry import Registry
from argotune.runs.book import RunBook
from argotune.runs.module_book import ModuleBook
from argotune.runs.progress import PassState

VIDEO, AUDIO = QueryModality.VIDEO, QueryModality.AUDIO
RULES = {"detectable_gain": 0, "growth_share": 0.001, "exploration_share": 0}


def filled() -> World:
    """A tenant of whom 120 decisions about videos and 60 about audio are labelled; its contests stay open."""
    world = World()
    contest = {"min_people_labels": 1000}
    world.tenant(modules=["modality", "cross_modal"], decisions=RULES, contest=contest)
    for modality, first, n in ((VIDEO, 0, 120), (AUDIO, 500, 60)):
        spans, labels = traffic("acme", n, first=first)
        named = {"routing.program": f"modality.{modality}"}
        spans = [replace(s, name="cogniverse.modality", attributes={**s.attributes, **named}) for s in spans]
        world.traces.record("acme", spans)
        world.traces.annotate(Stream("acme", "modality"), labels)
    return world


@pytest.fixture
def world() -> World:
    return filled()


def optimizer(world: World, folder: Path, **given: Any) -> ModalityOptimizer:
    return ModalityOptimizer(tenant_id="acme", model_dir=folder, ports=world.ports, **given)


def rows(n: int = 40, **more: Any) -> list[dict[str, Any]]:
    """Labelled queries, whose wording tells the right agent."""
    labels = [list(AGENTS)[number % 3] for number in range(n)]
    return [
        {"query": f"{WORDS[label].split()[number // 3 % 3]} number {number}", "correct_agent": label, **more}
        for number, label in enumerate(labels)
    ]


# By the pipeline


def test_all_modalities_are_optimized_and_each_says_what_came_of_it(world: World, tmp_path: Path):
    found = asyncio.run(optimizer(world, tmp_path).optimize_all_modalities(lookback_hours=24, min_confidence=0.7))
    assert set(found) == set(QueryModality)
    for modality, result in found.items():
        assert result["modality"] == modality.value
        if modality not in (VIDEO, AUDIO):
            assert (result["trained"], result["strategy"]) == (False, "SKIP")
            assert result["reason"].startswith("insufficient_benefit: skipped: ")
            continue
        assert (result["trained"], result["strategy"]) == (True, "PURE_REAL")
        assert result["examples_count"] > 20
        assert result["expected_improvement"] >= 0
        assert result["training_result"]["status"] == "success"
        assert 0.5 < result["training_result"]["validation_accuracy"] <= 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "audio_routing_module.json",
        "video_routing_module.json",
    ]


def test_one_modality_is_optimized_alone_and_the_others_are_due_at_once(world: World, tmp_path: Path):
    result = asyncio.run(
        optimizer(world, tmp_path).optimize_modality(
            modality=VIDEO, lookback_hours=72, min_confidence=0.6, force_training=True
        )
    )
    assert set(result) == {
        *("modality", "trained", "strategy", "examples_count", "expected_improvement", "training_result")
    }
    assert [run.program for run in RunBook(world.store, "acme").runs()] == ["modality.video"]
    assert ModuleBook(world.store, "acme", "modality").read(PassState).again_at == START


def test_an_unforced_training_that_is_not_worth_it_says_so_and_a_forced_one_trains(world: World, tmp_path: Path):
    world.tenant(modules=["modality"], decisions={**RULES, "growth_share": 100}, contest={"min_people_labels": 1000})
    tuned = optimizer(world, tmp_path)
    assert asyncio.run(tuned.optimize_modality(VIDEO))["trained"]
    contest = ContestBook(world.store, "acme").all_open()[0]
    told = asyncio.run(tuned.optimize_modality(VIDEO))
    assert (told["trained"], told["reason"].split(":")[0]) == (False, "contest_under_way")
    ContestBook(world.store, "acme").stop(contest.id, who="kim", reason="test", now=world.now)
    again = [asyncio.run(tuned.optimize_modality(VIDEO, force_training=forced)) for forced in (False, True)]
    assert [found["trained"] for found in again] == [False, True]
    assert again[0]["reason"].startswith("insufficient_benefit: skipped: ")


def looked_at(world: World, folder: Path, **given: Any) -> int:
    """How many examples a forced training on labels and on 60 successes without one has."""
    spans, _ = traffic("acme", 60, first=3000)
    told = {"routing.program": "modality.video", "routing.agent_success": True}
    spans = [replace(s, name="cogniverse.modality", attributes={**s.attributes, **told}) for s in spans]
    world.traces.record("acme", spans)
    return asyncio.run(optimizer(world, folder).optimize_modality(VIDEO, force_training=True, **given))[
        "examples_count"
    ]


@pytest.mark.parametrize("other", [{"lookback_hours": 0.25}, {"min_confidence": 0.95}], ids=str)
def test_each_argument_of_a_pass_changes_what_is_learned_from(tmp_path: Path, other: dict[str, Any]):
    assert looked_at(filled(), tmp_path) > looked_at(filled(), tmp_path, **other)


def test_predict_agent_with_trained_model(world: World, tmp_path: Path):
    """An agent is predicted by the champion, or else by what was trained and lost no contest."""
    tuned = optimizer(world, tmp_path)
    asked = {"query": "song of whales", "modality": AUDIO}
    assert tuned.predict_agent(**asked) is None
    asyncio.run(tuned.optimize_modality(AUDIO, force_training=True))
    found = tuned.predict_agent(**asked, query_features={"query_length": 14, "has_technical_terms": True})
    assert set(found) == {"recommended_agent", "confidence", "reasoning", "modality"}
    assert (found["recommended_agent"], found["modality"]) == ("audio", "audio")
    assert found["confidence"] == pytest.approx(0.9)
    (contest,) = ContestBook(world.store, "acme").all_open()
    assert f"version {contest.challenger} chose it" in found["reasoning"]
    ContestBook(world.store, "acme").stop(contest.id, who="kim", reason="it is worse", now=world.now)
    assert tuned.predict_agent(**asked) is None
    Registry(world.store, "acme").override("modality.audio", contest.challenger, who="kim", reason="no", now=world.now)
    assert tuned.predict_agent(**asked)["recommended_agent"] == "audio"


def test_the_summary_tells_trainings_and_who_decides(world: World, tmp_path: Path):
    tuned = optimizer(world, tmp_path)
    assert tuned.get_optimization_summary()["total_modalities"] == 0
    asyncio.run(tuned.optimize_all_modalities())
    summary = tuned.get_optimization_summary()
    assert summary["total_modalities"] == 2
    assert summary["meta_models"] == {"training_decision_model": "rules", "training_strategy_model": "rules"}
    for details in summary["modalities"].values():
        assert (details["training_count"], details["last_training"]) == (1, START.isoformat())


def test_the_vespa_client_is_where_content_is_taken_from(world: World, tmp_path: Path):
    content = MemoryContent({})
    assert optimizer(world, tmp_path, vespa_client=content)._module._ports.content(world.tenant()) is content


def test_xgboost_meta_model_training():
    """The document's contexts teach the training decision model."""
    tuned = ModalityOptimizer(tenant_id="test")
    contexts = [
        ModelingContext(modality=VIDEO, real_sample_count=100, success_rate=0.85, days_since_last_training=30),
        ModelingContext(modality=VIDEO, real_sample_count=10, success_rate=0.6, days_since_last_training=5),
    ]
    tuned.training_decision_model.train(contexts, targets=[True, False])
    assert tuned.training_decision_model.should_train(contexts[0])[0] == True  # noqa: E712 - as the document has it
    assert tuned.training_decision_model.should_train(contexts[1])[0] == False  # noqa: E712
    assert tuned.training_strategy_model.select_strategy(contexts[0]) is TrainingStrategy.PURE_REAL


def test_xgboost_training_decision_model():
    """Enough new examples of a stale model are worth a training, a few of a fresh one are not."""
    model = ModalityOptimizer(tenant_id="test").training_decision_model
    usual = {"modality": VIDEO, "current_performance_score": 0.6, "data_quality_score": 0.9}
    many = ModelingContext(**usual, real_sample_count=400, success_rate=0.6, days_since_last_training=60)
    few = ModelingContext(**usual, real_sample_count=2, success_rate=0.6, days_since_last_training=0)
    (trains, gain), (trains_on_few, gain_of_few) = model.should_train(many), model.should_train(few)
    assert (trains, trains_on_few) == (True, False)
    assert gain >= gain_of_few >= 0


@pytest.mark.parametrize("modality", ["smell", "", None])
def test_an_unknown_modality_is_refused_with_the_known_ones(world: World, tmp_path: Path, modality: Any):
    with pytest.raises(ConfigInvalid, match="is none of video, image, audio, document, text"):
        optimizer(world, tmp_path).predict_agent("x", modality)


def test_a_pass_for_an_unknown_tenant_is_not_found(tmp_path: Path):
    with pytest.raises(NotFound):
        asyncio.run(optimizer(World(), tmp_path).optimize_modality(VIDEO))


# By examples at hand


def test_modality_model_training(world: World, tmp_path: Path):
    """Labelled queries train a modality, and what they lack is counted."""
    tuned = optimizer(world, tmp_path)
    bad = [{"query": "film"}, {"correct_agent": "video"}, {"query": "film", "correct_agent": "nobody"}]
    found = tuned.train("video", [*rows(), *bad])
    assert (found["trained"], found["strategy"], found["examples_count"]) == (True, "PURE_REAL", 40)
    assert (found["training_result"]["status"], found["training_result"]["unusable"]) == ("success", 3)
    assert found["expected_improvement"] > 0.2
    predicted = tuned.predict_agent("letter number 5", VIDEO)
    assert f"version {found['training_result']['version']} chose it" in predicted["reasoning"]
    again = tuned.train("video", rows())
    assert (again["trained"], again["reason"].split(":")[0]) == (False, "insufficient_benefit")
    assert tuned.train("image", bad)["reason"].startswith("insufficient_data: of 3 rows none")


def test_fusion_is_trained_and_predicted(world: World, tmp_path: Path):
    tuned = CrossModalOptimizer(tenant_id="acme", model_dir=tmp_path, ports=world.ports)
    none = {"needs_fusion": "no", "fusion_modalities": "none", "fusion_strategy": "none"}
    both = {"needs_fusion": "yes", "fusion_modalities": "video+audio", "fusion_strategy": "temporal"}
    labelled = [
        {"query": f"song and film {n}", **both} if n % 2 else {"query": f"a letter {n}", **none} for n in range(40)
    ]
    assert tuned.predict_fusion("song and film 5") is None
    assert tuned.train(labelled)["trained"]
    found = tuned.predict_fusion("song and film 5")
    assert set(found) == {*both, "confidence", "reasoning"}
    assert asyncio.run(tuned.optimize())["trained"] is False
    assert tuned.get_optimization_summary()["training_count"] == 0


def test_a_row_whose_label_is_no_text_is_counted(world: World, tmp_path: Path):
    found = ModalityOptimizer("acme", tmp_path, ports=world.ports).train("video", [{"query": "x", "correct_agent": 3}])
    assert (found["trained"], found["training_result"]["unusable"]) == (False, 1)


# The coordinator


def test_optimizer_coordination_routing(world: World, tmp_path: Path):
    """The coordinator hands the document's rows to each optimizer."""
    coordinator = OptimizerCoordinator(optimization_dir=tmp_path, tenant_id="acme", ports=world.ports)
    assert coordinator.get_optimization_status() == {
        "tenant_id": "acme",
        "optimization_dir": str(tmp_path),
        "loaded_optimizers": [],
    }
    training_data = rows(entities=[{"text": "quantum physics", "label": "topic"}], success=True, user_satisfaction=0.9)
    routing = coordinator.optimize(type=OptimizationType.ROUTING, training_data=training_data)
    assert (routing["trained"], routing["examples_count"]) == (True, 40)
    modality = coordinator.optimize(type=OptimizationType.MODALITY, training_data=training_data, modality="video")
    assert (modality["trained"], modality["modality"]) == (True, "video")
    fusion = coordinator.optimize(type=OptimizationType.CROSS_MODAL, training_data=training_data)
    assert (fusion["trained"], fusion["training_result"]["unusable"]) == (False, 40)
    assert coordinator.get_optimization_status()["loaded_optimizers"] == ["routing", "modality", "cross_modal"]
    learner = coordinator.get_optimizer(OptimizationType.ROUTING)
    told = asyncio.run(learner.get_routing_recommendations(query="paper number 2", entities=[], relationships=[]))
    assert (told["recommended_agent"], told["experiences_count"]) == ("text", 40)


def test_get_optimization_status(tmp_path: Path):
    """The status names the tenant, the folder and what was opened, nothing else."""
    coordinator = OptimizerCoordinator(tmp_path, "acme", ports=World().ports)
    usual = {"tenant_id": "acme", "optimization_dir": str(tmp_path)}
    assert coordinator.get_optimization_status() == {**usual, "loaded_optimizers": []}
    coordinator.get_optimizer(OptimizationType.MODALITY)
    assert coordinator.get_optimization_status() == {**usual, "loaded_optimizers": ["modality"]}


def test_the_documents_one_row_is_too_few_and_rows_that_are_no_decision_are_counted(world: World, tmp_path: Path):
    coordinator = OptimizerCoordinator(tmp_path, "acme", ports=world.ports)
    row = {"query": "Find quantum physics lectures", "correct_agent": "video_search_agent", "success": True}
    found = coordinator.optimize(OptimizationType.ROUTING, [row, {"query": "x"}, {**row, "metadata": "by hand"}])
    assert (found["trained"], found["training_result"]["unusable"]) == (False, 2)
    assert found["reason"] == "bootstrap needs 4 training examples, 1 are here"


@pytest.mark.parametrize(
    ("type", "arguments", "told"),
    [
        (OptimizationType.MODALITY, {}, "modality: required"),
        (OptimizationType.ROUTING, {"modality": "video"}, "modality: no argument of optimizing routing"),
        (OptimizationType.UNIFIED, {"modality": "video"}, "modality: no argument of optimizing unified"),
        ("routing", {}, "routing has no optimizer"),
    ],
)
def test_what_the_coordinator_cannot_do_is_refused(tmp_path: Path, type: Any, arguments: dict[str, Any], told: str):
    with pytest.raises(ConfigInvalid, match=told):
        OptimizerCoordinator(tmp_path).optimize(type, [], **arguments)


def test_lazy_loading_optimizers():
    """A coordinator loads no optimizer before it is asked for."""
    asked = "OptimizerCoordinator('x').get_optimization_status()"
    code = f"import sys; from argotune import OptimizerCoordinator; {asked}; print('dspy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
