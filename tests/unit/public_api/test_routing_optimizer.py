"""AdvancedRoutingOptimizer: the examples of "Optimization Module", what each field of its config does, bad input."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import fields, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from documented import CONFIG, MARIE
from factories import NOON
from twin_embedders import EMBEDDERS, twins
from world import ScriptedLMs

from argotune import AdvancedOptimizerConfig, AdvancedRoutingOptimizer
from argotune.adapters.memory.embedder import HashedEmbedder
from argotune.data.splitting import Split
from argotune.errors import ArgotuneError, ConfigInvalid, Corrupt, NotFound, Unavailable
from argotune.optimizers import OPTIMIZERS, OptimizerChoice
from argotune.pipeline.stages.train import Trained
from argotune.public_api import tuning
from argotune.public_api.routing_experiences import examples_of
from argotune.tenants.config import BudgetLimits

AGENTS = {"video": "finds videos", "text": "finds texts", "sum": "sums up"}
WORDS = {"video": "footage clip film", "text": "paper report letter", "sum": "summary digest outline"}
ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)
BASELINE = {"recommended_agent": "video", "confidence": 0.6, "reasoning": "keywords"}


def optimizer(folder: Path, config: AdvancedOptimizerConfig | None = None, **given: Any) -> AdvancedRoutingOptimizer:
    usual = {"agents": AGENTS, "lms": ScriptedLMs(), "embedders": EMBEDDERS, "rng": Random(3), "clock": lambda: NOON}
    return AdvancedRoutingOptimizer(config, folder, **{**usual, **given})


def decided(number: int, *, right: bool = True, **changes: Any) -> dict[str, Any]:
    """A decision: the wording tells the agent that would be right."""
    agent = list(AGENTS)[number % 3]
    chosen = agent if right else list(AGENTS)[(number + 1) % 3]
    query = f"{WORDS[agent].split()[number // 3 % 3]} number {number}"
    usual = {"query": query, "entities": [], "relationships": [], "enhanced_query": query, "chosen_agent": chosen}
    outcome = {"routing_confidence": 0.9, "search_quality": 0.9 if right else 0.1, "agent_success": right}
    return {**usual, **outcome, **changes}


async def fed(learner: AdvancedRoutingOptimizer, n: int, first: int = 0, **changes: Any) -> None:
    for number in range(first, first + n):
        await learner.record_routing_experience(**decided(number, **changes))
        await learner.wait()


def trained(folder: Path, config: AdvancedOptimizerConfig | None = None, n: int = 60) -> AdvancedRoutingOptimizer:
    learner = optimizer(folder, config or AdvancedOptimizerConfig())
    asyncio.run(fed(learner, n))
    return learner


# The document's examples


def test_record_routing_experience(tmp_path: Path):
    """The document's experience earns the document's reward."""
    learner = AdvancedRoutingOptimizer(config=CONFIG, storage_dir=tmp_path / "optimization")
    assert round(asyncio.run(learner.record_routing_experience(**MARIE)), 3) == 0.923


def test_reward_signal_computation(tmp_path: Path):
    """Good routing earns much, bad routing little."""
    learner = AdvancedRoutingOptimizer(storage_dir=tmp_path)
    usual = {"query": "test query", "entities": [], "relationships": [], "enhanced_query": "test query"}
    usual |= {"chosen_agent": "video_search_agent"}
    high = {"routing_confidence": 0.9, "search_quality": 0.95, "agent_success": True, "user_satisfaction": 0.92}
    low = {"routing_confidence": 0.3, "search_quality": 0.4, "agent_success": False, "user_satisfaction": 0.3}
    assert asyncio.run(learner.record_routing_experience(**usual, **high, processing_time=0.5)) > 0.85
    assert asyncio.run(learner.record_routing_experience(**usual, **low, processing_time=5.0)) < 0.4


@pytest.mark.parametrize(
    ("size", "name"),
    [(15, "bootstrap"), (49, "bootstrap"), (60, "simba"), (100, "mipro"), (199, "mipro"), (250, "gepa")],
)
def test_multi_stage_optimizer_selection(tmp_path: Path, size: int, name: str):
    """The number of examples says which optimizer is used."""
    config = AdvancedOptimizerConfig(optimizer_strategy="adaptive")
    learner = AdvancedRoutingOptimizer(config=config, storage_dir=tmp_path)
    assert learner.advanced_optimizer.get_optimization_info(size)["primary_optimizer"] == name


def test_grpo_optimization_step(tmp_path: Path):
    """Enough experiences make one training step: a policy by the optimizer for so many, and less exploration."""
    learner = trained(tmp_path, n=50)
    status = learner.get_optimization_status()
    assert (status["training_step"], status["optimizer_ready"], status["experiences_kept"]) == (1, True, 50)
    assert status["current_epsilon"] == pytest.approx(0.1 * 0.995)
    assert status["last_training"]["is_used"], status["last_training"]


def test_recommendations_are_the_tuned_policys_and_have_the_documents_keys(tmp_path: Path):
    learner = optimizer(tmp_path)
    before = asyncio.run(learner.get_routing_recommendations("film of a comet", [], []))
    assert (before["recommended_agent"], before["optimization_ready"], before["experiences_count"]) == ("", False, 0)
    asyncio.run(fed(learner, 60))
    found = asyncio.run(learner.get_routing_recommendations("report number 4", [], []))
    assert set(found) == {
        *("recommended_agent", "confidence", "reasoning", "optimization_ready", "experiences_count", "training_step")
    }
    assert (found["recommended_agent"], found["optimization_ready"], found["experiences_count"]) == ("text", True, 60)
    assert 0 < found["confidence"] <= 1
    assert "the policy (student) chose it; 20 kept experiences of text" in found["reasoning"]
    assert found["training_step"] == 2


def test_the_status_has_what_the_documents_health_check_asks(tmp_path: Path):
    status = trained(tmp_path).get_optimization_status()
    assert status["optimizer_ready"]
    assert status["total_experiences"] == 60
    assert status["metrics"]["avg_reward"] == pytest.approx((0.9 * 0.4 + 0.3) / 0.7)
    assert (status["metrics"]["success_rate"], status["metrics"]["confidence_accuracy"]) == (1.0, pytest.approx(0.9))
    assert status["metrics"]["last_updated"] == NOON.isoformat()
    assert status["metrics"]["improvement_rate"] == pytest.approx(0)
    assert status["last_training"]["is_used"] is False
    assert status["last_training"]["why"].startswith("student: ")


def test_the_documents_shutdown_and_health_check_work_on_what_is_restored(tmp_path: Path):
    async def shutdown(learner: AdvancedRoutingOptimizer) -> None:
        await learner._persist_data()
        learner.save_checkpoint()

    asyncio.run(shutdown(trained(tmp_path)))
    learner = optimizer(tmp_path)
    status = learner.get_optimization_status()
    assert status["optimizer_ready"]
    assert status["total_experiences"] > 50
    assert status["metrics"]["avg_reward"] > 0.5
    told = (learner.training_step, learner.current_epsilon, len(learner.experiences), learner.metrics.avg_reward)
    assert told == (2, pytest.approx(0.1 * 0.995**2), 60, status["metrics"]["avg_reward"])


# Training


def test_a_policy_is_replaced_only_by_one_that_answers_more_of_the_held_back_examples_right(tmp_path: Path):
    learner = trained(tmp_path, n=50)
    first = learner.learner.state
    assert (first.training_step, first.last_training.is_used) == (1, True)
    assert first.last_training.score > first.last_training.before
    worse = ScriptedLMs(answer=lambda inputs, labels, demos: labels[0])
    learner.learner._policy._source = worse
    asyncio.run(fed(learner, 10, first=50))
    assert learner.learner.state.training_step == 2
    assert learner.learner.state.policy == first.policy


def test_where_nothing_is_better_than_the_program_as_written_that_is_the_policy(tmp_path: Path):
    knows = ScriptedLMs(
        answer=lambda inputs, labels, demos: next(a for a in WORDS if inputs["query"].split()[0] in WORDS[a])
    )
    learner = optimizer(tmp_path, lms=knows)
    asyncio.run(fed(learner, 50))
    status = learner.get_optimization_status()
    assert (status["optimizer_ready"], status["last_training"]["is_used"]) == (True, False)
    told = asyncio.run(learner.get_routing_recommendations("report number 4", [], []))
    assert told["recommended_agent"] == "text"
    assert told["reasoning"].startswith("the policy (the program as written) chose it")


def test_nothing_is_learned_where_nothing_succeeded_or_nothing_is_new(tmp_path: Path):
    learner = optimizer(tmp_path)
    asyncio.run(fed(learner, 50, right=False))
    assert learner.get_optimization_status()["last_training"]["why"].startswith("no experience succeeded")
    assert not learner.get_optimization_status()["optimizer_ready"]
    asyncio.run(fed(learner, 60))
    asyncio.run(fed(learner, 10, right=False))
    assert learner.get_optimization_status()["last_training"]["why"] == "nothing new to learn from"


def test_where_one_agent_was_chosen_alone_nothing_is_learned_and_it_is_told(tmp_path: Path):
    learner = optimizer(tmp_path, AdvancedOptimizerConfig(min_experiences_for_training=30, force_optimizer="student"))
    asyncio.run(fed(learner, 30, chosen_agent="video"))
    found = learner.get_optimization_status()["last_training"]
    assert not found["is_used"]
    assert "student needs two different answers to learn from: all training examples have the same" in found["why"]


def test_a_training_that_fails_leaves_the_policy_and_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    learner = trained(tmp_path)
    policy = learner.learner.state.policy

    class Away(ScriptedLMs):
        def open(self, *_: Any) -> Any:
            raise Unavailable("the LM is down")

    learner.learner._policy._source = Away()
    asyncio.run(fed(learner, 10, first=60))
    assert learner.get_optimization_status()["last_training"]["why"] == "the LM is down"
    assert learner.learner.state.policy == policy
    assert "not trained: the LM is down" in caplog.text


@pytest.mark.parametrize(("strategy", "setting"), [("simba", {"bsize": 8}), ("mipro", {"minibatch_size": 8})])
def test_the_batch_size_is_also_that_of_the_optimizers_that_have_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strategy: str, setting: dict[str, int]
):
    plans: list[Any] = []
    monkeypatch.setattr(tuning, "train", lambda recipe, *_: plans.append(recipe.plan) or Trained(None))
    monkeypatch.setattr(tuning._Tuning, "_runnable", lambda _self, method: method)
    monkeypatch.setattr(tuning, "choose", lambda name, *_, **__: OptimizerChoice(name, "asked for"))
    trained(tmp_path, AdvancedOptimizerConfig(batch_size=8, force_optimizer=strategy), n=50)
    assert [plan.settings for plan in plans] == [{}, {strategy: setting}]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_any_optimizer_may_be_forced_and_one_that_needs_a_writer_leaves_it_to_a_student(tmp_path: Path, name: str):
    learner = trained(tmp_path, AdvancedOptimizerConfig(force_optimizer=name), 50)
    training = learner.get_optimization_status()["last_training"]
    assert training["optimizer"] == ("student" if OPTIMIZERS[name].needs_writer else name)
    assert (training["is_used"], training["score"] > training["before"]) == (True, True)


def test_where_no_lm_answers_a_student_is_the_policy(tmp_path: Path):
    def no_weights(*_: Any) -> str:
        raise ConfigInvalid("the LM's weights are missing")

    learner = optimizer(tmp_path, lms=ScriptedLMs(answer=no_weights))
    asyncio.run(fed(learner, 50))
    training = learner.get_optimization_status()["last_training"]
    assert (training["optimizer"], training["is_used"], training["before"]) == ("student", True, None)
    assert "bootstrap: ConfigInvalid" in training["why"]
    assert optimized(learner)[0]["recommended_agent"] == "text"


def test_an_embedder_that_changed_under_its_name_sets_the_policy_aside(tmp_path: Path):
    learner = trained(tmp_path)
    asyncio.run(learner._persist_data())
    again = optimizer(tmp_path, embedders=twins(hashed=lambda _: HashedEmbedder(digest="other")))
    told = asyncio.run(again.get_routing_recommendations("report number 4", [], []))
    assert told["reasoning"].startswith("the policy gives no answer (ProgramChanged: ")
    assert optimized(again) == [BASELINE]


def test_an_agent_that_comes_later_sets_the_policy_aside_until_the_next_training(tmp_path: Path):
    learner = trained(tmp_path)
    asyncio.run(fed(learner, 1, first=60, chosen_agent="chart_agent"))
    assert not learner.get_optimization_status()["optimizer_ready"]
    told = asyncio.run(learner.get_routing_recommendations("film", [], []))
    assert told["reasoning"].startswith("no policy is trained yet; of all agents")
    asyncio.run(fed(learner, 9, first=61))
    assert learner.get_optimization_status()["optimizer_ready"]


def test_a_training_spends_no_more_than_its_limits(tmp_path: Path):
    learner = optimizer(tmp_path, limits=BudgetLimits(max_lm_calls=3))
    asyncio.run(fed(learner, 50))
    training = learner.get_optimization_status()["last_training"]
    assert "bootstrap: BudgetSpent: budget.max_lm_calls" in training["why"]
    assert training["optimizer"] == "student"


def test_optimizers_plan_by_the_limits_less_what_measuring_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    left = list[int]()
    monkeypatch.setattr(tuning, "train", lambda recipe, *_: left.append(recipe.task([]).meter.left) or Trained(None))
    learner = optimizer(tmp_path, limits=BudgetLimits(max_lm_calls=300))
    asyncio.run(fed(learner, 50))
    held_back = sum(
        example.split is Split.DEV for example in examples_of(learner.experiences, "routing", lambda _: True)
    )
    assert 0 < held_back < 50
    assert left == [300 - 3 * held_back] * 2, "what is in use, and what two methods make"


# Decisions


def optimized(learner: AdvancedRoutingOptimizer, n: int = 1, baseline: Any = BASELINE) -> list[Any]:
    async def ask() -> list[Any]:
        return [
            await learner.optimize_routing_decision("report number 4", [], [], "report", baseline) for _ in range(n)
        ]

    return asyncio.run(ask())


def test_decisions_are_the_policys_but_for_a_share_that_explores_with_true_propensities(tmp_path: Path):
    learner = trained(tmp_path, AdvancedOptimizerConfig(exploration_epsilon=0.6, epsilon_decay=1.0))
    given = optimized(learner, 600)
    logged = {decision["recommended_agent"]: decision["propensity"] for decision in given}
    assert logged == pytest.approx({"text": 0.6, "video": 0.2, "sum": 0.2})
    came = Counter(decision["recommended_agent"] for decision in given)
    assert all(came[agent] / 600 == pytest.approx(share, abs=0.06) for agent, share in logged.items())
    assert sum(decision["exploration"] for decision in given) / 600 == pytest.approx(0.6, abs=0.06)
    assert {decision["optimized"] for decision in given} == {True}


def test_without_a_policy_the_baseline_decides_and_may_be_explored(tmp_path: Path):
    learner = optimizer(tmp_path, AdvancedOptimizerConfig(exploration_epsilon=0.0, min_epsilon=0.0))
    (found,) = optimized(learner)
    assert found == {**BASELINE, "optimized": False, "exploration": False, "propensity": 1.0}


@pytest.mark.parametrize("baseline", [{}, {"recommended_agent": 7}, {**BASELINE, "confidence": "hm"}, None])
def test_a_baseline_that_says_nothing_comes_back_as_it_was(tmp_path: Path, baseline: Any):
    (found,) = optimized(optimizer(tmp_path), baseline=baseline)
    assert found is baseline


def test_whatever_fails_the_baseline_comes_back(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    learner = trained(tmp_path)
    learner.learner._policy.answer = lambda *_: 1 / 0
    assert optimized(learner) == [BASELINE]
    assert "not optimized: ZeroDivisionError" in caplog.text


def test_confidence_calibration(tmp_path: Path):
    """Confidences are calibrated by what came of them."""
    config = AdvancedOptimizerConfig(learning_rate=0.05, exploration_epsilon=0.0, min_epsilon=0.0)
    sure = trained(tmp_path / "a", config)
    doubtful = optimizer(tmp_path / "b", config)
    asyncio.run(fed(doubtful, 40))
    asyncio.run(fed(doubtful, 40, first=40, right=False))
    assert optimized(sure)[0]["confidence"] > 0.85
    assert optimized(doubtful)[0]["confidence"] < 0.75


# Files


def test_what_is_known_outlives_the_process_as_json(tmp_path: Path):
    learner = trained(tmp_path)
    asyncio.run(learner._persist_data())
    again = optimizer(tmp_path)
    assert again.get_optimization_status() == learner.get_optimization_status()
    assert optimized(again)[0]["recommended_agent"] == "text"
    path = learner.save_checkpoint(filepath=tmp_path / "checkpoints" / "optimizer_20250107.json")
    assert json.loads(path.read_text())["kind"] == "RoutingState"
    other = optimizer(tmp_path / "elsewhere")
    other.load_checkpoint(filepath=path)
    assert other.get_optimization_status() == learner.get_optimization_status()
    assert other.experiences == learner.experiences


def test_what_else_is_told_of_an_experience_is_kept(tmp_path: Path):
    learner = optimizer(tmp_path)
    asyncio.run(fed(learner, 1, metadata={"orchestration_pattern": "parallel"}, user_satisfaction=0.4))
    (kept,) = learner.experiences
    assert (kept.metadata, kept.user_satisfaction) == ({"orchestration_pattern": "parallel"}, 0.4)
    assert (kept.at, kept.chosen_agent, kept.routing_confidence) == (NOON, "video", 0.9)


@pytest.mark.parametrize("damage", [b"", b"{", b"\x80\x04K\x01.", b'{"hash":"' + b"0" * 64 + b'","body":{}}'])
def test_a_damaged_checkpoint_is_named_and_changes_nothing(tmp_path: Path, damage: bytes):
    learner = trained(tmp_path)
    status, path = learner.get_optimization_status(), tmp_path / "damaged.json"
    path.write_bytes(damage)
    with pytest.raises(Corrupt, match=r"damaged\.json' cannot be read"):
        learner.load_checkpoint(path)
    assert learner.get_optimization_status() == status
    (tmp_path / "routing_experiences.json").write_bytes(damage)
    with pytest.raises(Corrupt, match=r"routing_experiences\.json' cannot be read"):
        optimizer(tmp_path)


def test_a_place_that_takes_no_file_is_named_and_nothing_is_left_there(tmp_path: Path):
    learner = optimizer(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigInvalid, match=r"c\.json' cannot be written: "):
        learner.save_checkpoint(tmp_path / "file" / "c.json")
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    with pytest.raises(ConfigInvalid, match="folder' cannot be written: "):
        learner.save_checkpoint(tmp_path / "folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_checkpoint_of_another_tenant_or_none_is_refused(tmp_path: Path):
    path = trained(tmp_path).save_checkpoint()
    with pytest.raises(ConfigInvalid, match="is of 'default', this is 'globex'"):
        optimizer(tmp_path / "other", tenant_id="globex").load_checkpoint(path)
    with pytest.raises(NotFound, match="no file"):
        optimizer(tmp_path / "other").load_checkpoint()


def test_personal_data_is_masked_before_it_is_kept(tmp_path: Path):
    learner = optimizer(tmp_path)
    asyncio.run(fed(learner, 1, query="mail bo@acme.com the film", entities=[{"text": "bo@acme.com"}]))
    kept = learner.experiences[0].inputs
    assert (kept["query"], "acme.com" in kept["entities"]) == ("mail <EMAIL> the film", False)


# Bad input


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"query": " "}, "query: it is empty"),
        ({"query": "x" * 50_000}, "query: 50,000 characters"),
        ({"routing_confidence": float("nan")}, "routing_confidence"),
        ({"search_quality": 1.2}, "search_quality"),
        ({"user_satisfaction": -0.1}, "user_satisfaction"),
        ({"processing_time": -1}, "processing_time"),
        ({"agent_success": "perhaps"}, "agent_success"),
        ({"chosen_agent": ""}, "agents"),
        ({"entities": ENDLESS}, "entities"),
        ({"metadata": {"at": NOON}}, "metadata"),
    ],
)
def test_a_bad_experience_is_refused_by_name_and_not_kept(tmp_path: Path, changes: dict[str, Any], told: str):
    learner = optimizer(tmp_path)
    with pytest.raises(ConfigInvalid, match=told):
        asyncio.run(learner.record_routing_experience(**decided(0, **changes)))
    assert learner.experiences == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", 0),
        ("learning_rate", float("nan")),
        ("batch_size", 0),
        ("experience_replay_size", 1.5),
        ("update_frequency", True),
        ("optimizer_strategy", "best"),
        ("force_optimizer", "magic"),
        ("gepa_threshold", -1),
        ("search_quality_weight", 1.1),
        ("exploration_epsilon", -0.1),
        ("min_epsilon", 0.2),
        ("experience_file", "../x.json"),
        ("experience_file", ".."),
    ],
)
def test_a_wrong_field_of_the_config_is_refused_by_name(name: str, value: object):
    with pytest.raises(ConfigInvalid, match=f"^{name}: "):
        AdvancedOptimizerConfig(**{name: value})


def test_a_config_without_any_weight_is_refused():
    weights = dict.fromkeys(("search_quality_weight", "agent_success_weight", "user_satisfaction_weight"), 0.0)
    with pytest.raises(ArgotuneError, match=r"agent_success_weight: '0\.0' must be above 0"):
        AdvancedOptimizerConfig(**weights)


# Every field does something


def info(folder: Path, config: AdvancedOptimizerConfig, size: int) -> Any:
    return optimizer(folder, config).advanced_optimizer.get_optimization_info(size)


def worth(folder: Path, config: AdvancedOptimizerConfig) -> float:
    told = decided(0, user_satisfaction=0.2, processing_time=2.0)
    return asyncio.run(optimizer(folder, config).record_routing_experience(**told))


def lived(folder: Path, config: AdvancedOptimizerConfig) -> Any:
    """What is known, and what the policy is sure of, after trainings and a fall at the end."""
    learner = trained(folder, config, 62)
    asyncio.run(fed(learner, 8, first=62, right=False, search_quality=0.2))
    status, state = learner.get_optimization_status(), learner.learner.state
    files = sorted(path.name for path in folder.iterdir())
    return status, state.slope, state.offset, optimized(learner, 20), files


OTHER = {
    "learning_rate": (0.02, lived),
    "batch_size": (8, lived),
    "experience_replay_size": (55, lived),
    "update_frequency": (5, lived),
    "optimizer_strategy": ("nearest", lambda f, c: info(f, c, 60)),
    "force_optimizer": ("labeled", lambda f, c: info(f, c, 250)),
    "enable_multi_stage": (False, lambda f, c: info(f, c, 60)),
    "bootstrap_threshold": (61, lambda f, c: info(f, c, 60)),
    "simba_threshold": (61, lambda f, c: info(f, c, 60)),
    "mipro_threshold": (121, lambda f, c: info(f, c, 120)),
    "gepa_threshold": (251, lambda f, c: info(f, c, 250)),
    "search_quality_weight": (0.1, worth),
    "agent_success_weight": (0.1, worth),
    "user_satisfaction_weight": (0.1, worth),
    "processing_time_penalty": (0.3, worth),
    "exploration_epsilon": (0.5, lived),
    "epsilon_decay": (0.9, lived),
    "min_epsilon": (0.0999, lived),
    "min_experiences_for_training": (62, lived),
    "performance_degradation_threshold": (1.0, lived),
    "experience_file": ("mine.json", lived),
}


@pytest.mark.parametrize("name", OTHER)
def test_each_field_of_the_config_changes_what_can_be_seen(tmp_path: Path, name: str):
    other, look = OTHER[name]
    usual = AdvancedOptimizerConfig(learning_rate=0.01)
    seen = [look(tmp_path / str(n), config) for n, config in enumerate((usual, usual, replace(usual, **{name: other})))]
    assert seen[0] == seen[1], "what is looked at changes by itself"
    assert seen[0] != seen[2]


def test_every_field_has_its_row_and_the_documents_default():
    assert set(OTHER) == {field.name for field in fields(AdvancedOptimizerConfig)}
    defaults = {field.name: field.default for field in fields(AdvancedOptimizerConfig)}
    document = {
        **{"learning_rate": 0.001, "batch_size": 32, "experience_replay_size": 1000, "update_frequency": 10},
        **{"optimizer_strategy": "adaptive", "force_optimizer": None, "enable_multi_stage": True},
        **{"bootstrap_threshold": 20, "simba_threshold": 50, "mipro_threshold": 100, "gepa_threshold": 200},
        **{"search_quality_weight": 0.4, "agent_success_weight": 0.3, "user_satisfaction_weight": 0.3},
        **{"processing_time_penalty": 0.1, "exploration_epsilon": 0.1, "epsilon_decay": 0.995, "min_epsilon": 0.05},
        **{"min_experiences_for_training": 50, "performance_degradation_threshold": 0.1},
    }
    assert {name: defaults[name] for name in document} == document
    assert {"bootstrap", "simba", "mipro", "gepa"} <= set(OPTIMIZERS)
