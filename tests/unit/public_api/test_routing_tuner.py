"""RoutingOptimizer and AutoTuningOptimizer: the document's contract, what each field of the config does, bad input."""

from __future__ import annotations

import asyncio
import inspect
import json
from dataclasses import fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import entity_models
import pytest
from factories import NOON
from scripted_lm import scripted_lms
from twin_embedders import EMBEDDERS
from world import ScriptedLMs

from argotune import (
    AutoTuningOptimizer,
    OptimizationConfig,
    OptimizationMetrics,
    RoutingDecision,
    RoutingOptimizer,
)
from argotune.data.annotations import LabelSource
from argotune.data.span_format import MAX_TEXT_CHARS
from argotune.errors import ConfigInvalid, Corrupt, NotFound, Unavailable
from argotune.public_api.routing_performance import tracked_examples
from argotune.public_api.routing_policy import RoutingPolicy
from argotune.public_api.tuning import Tuned

AGENTS = {"video": "finds videos", "text": "finds texts", "sum": "sums up"}
WORDS = {"video": "footage clip film", "text": "paper memo article", "sum": "gist outline brief"}
LABELS = ("film", "writing", "digest", "noise")


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def config(folder: Path, **changes: Any) -> OptimizationConfig:
    places = {"checkpoint_dir": folder / "checkpoints", "metrics_export_dir": folder / "metrics"}
    return OptimizationConfig(**{**places, **changes})


def tuner(kind: Any, folder: Path, changes: Any = None, **given: Any) -> Any:
    usual = {"agents": AGENTS, "lms": ScriptedLMs(), "embedders": EMBEDDERS, "clock": Clock()}
    return kind(config(folder, **(changes or {})), "acme", **{**usual, **given})


def told(number: int, *, right: bool = True, **changes: Any) -> dict[str, Any]:
    agent = list(AGENTS)[number % 3]
    chosen = agent if right else list(AGENTS)[(number + 1) % 3]
    query = f"{WORDS[agent].split()[number // 3 % 3]} number {number}"
    predicted = RoutingDecision(agent=chosen, confidence=0.9 if right else 0.4, latency_ms=20)
    return {"query": query, "predicted": predicted, "actual": RoutingDecision(agent=agent), **changes}


def fed(optimizer: Any, n: int, first: int = 0, **changes: Any) -> Any:
    for number in range(first, first + n):
        optimizer.track_performance(**told(number, **changes))
    asyncio.run(optimizer.wait())
    return optimizer


def test_names_parameters_and_defaults_are_the_documents():
    assert list(inspect.signature(RoutingOptimizer.track_performance).parameters)[1:] == [
        "query",
        "predicted",
        "actual",
        "user_feedback",
    ]
    defaults = {field.name: field.default for field in fields(OptimizationConfig)}
    assert defaults == {
        "min_samples_for_optimization": 100,
        "optimization_interval_seconds": 3600,
        "performance_degradation_threshold": 0.1,
        "min_accuracy": 0.8,
        "min_precision": 0.75,
        "min_recall": 0.75,
        "max_acceptable_latency_ms": 100,
        "learning_rate": 0.1,
        "momentum": 0.9,
        "weight_decay": 0.01,
        "dspy_enabled": True,
        "dspy_max_bootstrapped_demos": 10,
        "dspy_max_labeled_demos": 50,
        "dspy_metric": "f1",
        "gliner_threshold_optimization": True,
        "gliner_label_optimization": True,
        "gliner_threshold_step": 0.05,
        "max_history_size": 10000,
        "checkpoint_dir": Path("outputs/routing_checkpoints"),
        "metrics_export_dir": Path("outputs/routing_metrics"),
    }
    assert issubclass(AutoTuningOptimizer, RoutingOptimizer)
    for name in ("optimize", "_optimize_gliner", "_optimize_llm", "_optimize_keyword", "_optimize_composite"):
        assert inspect.iscoroutinefunction(getattr(AutoTuningOptimizer, name))


def test_metrics_are_those_of_what_is_known(tmp_path: Path):
    optimizer = tuner(RoutingOptimizer, tmp_path)
    fed(optimizer, 9)
    fed(optimizer, 3, first=9, right=False)
    optimizer.track_performance("who knows", RoutingDecision(agent="sum", latency_ms=260, error="timeout"))
    metrics = optimizer._calculate_current_metrics()
    assert isinstance(metrics, OptimizationMetrics)
    assert (metrics.samples, metrics.labelled, metrics.accuracy) == (13, 12, 0.75)
    assert (metrics.precision, metrics.recall, metrics.f1_score) == pytest.approx((0.75, 0.75, 0.75))
    assert metrics.avg_latency_ms == pytest.approx((12 * 20 + 260) / 13)
    assert metrics.confidence_correlation == pytest.approx(1.0)
    assert metrics.error_rate == pytest.approx(1 / 13)


@pytest.mark.parametrize(
    ("feedback", "right"),
    [
        ({"correct_agent": "video"}, True),
        ({"correct_agent": "text"}, False),
        ({"success": False}, False),
        ({"satisfaction": 0.71}, True),
        ({"satisfaction": 0.7}, False),
        ({"error": "timeout"}, None),
        (None, None),
    ],
)
def test_what_a_user_says_tells_whether_a_decision_was_right(tmp_path: Path, feedback: Any, right: bool | None):
    optimizer = tuner(RoutingOptimizer, tmp_path)
    optimizer.track_performance("a clip", RoutingDecision(agent="video"), user_feedback=feedback)
    assert optimizer.performance_history[0].is_right is right


def test_an_optimization_is_due_by_samples_then_by_time_or_by_what_got_worse(tmp_path: Path):
    optimizer = tuner(RoutingOptimizer, tmp_path, {"min_samples_for_optimization": 12})
    fed(optimizer, 11)
    assert optimizer.baseline_metrics is None
    fed(optimizer, 1, first=11)
    assert optimizer.baseline_metrics.accuracy == 1.0
    first = optimizer.last_optimization
    fed(optimizer, 9, first=12)
    assert optimizer.last_optimization is first  # all is well, and the hour is not over
    optimizer._clock.now += timedelta(seconds=3600)
    fed(optimizer, 1, first=21)
    second = optimizer.last_optimization
    assert second is not first
    fed(optimizer, 5, first=22, right=False)
    assert optimizer.last_optimization is second  # five are fewer than the half of twelve
    fed(optimizer, 1, first=27, right=False)
    assert optimizer.last_optimization is not second
    assert optimizer.baseline_metrics.accuracy == 1.0
    assert not optimizer.last_optimization["baseline_updated"]


@pytest.mark.parametrize(("threshold", "is_due"), [(0.3, True), (0.4, False)])
def test_accuracy_that_falls_below_the_baseline_by_the_threshold_makes_it_due(
    tmp_path: Path, threshold: float, is_due: bool
):
    any_will_do = {"min_accuracy": 0, "min_precision": 0, "min_recall": 0}
    changes = {"min_samples_for_optimization": 12, "performance_degradation_threshold": threshold, **any_will_do}
    optimizer = fed(tuner(RoutingOptimizer, tmp_path, changes), 12)
    first = optimizer.last_optimization
    fed(optimizer, 4, first=12)
    fed(optimizer, 2, first=16, right=False)
    assert (optimizer.last_optimization is not first) is is_due


def test_what_fails_in_the_background_is_told_and_stops_nothing(tmp_path: Path):
    place = tmp_path / "taken"
    place.write_text("a file")
    changes = {"min_samples_for_optimization": 3, "metrics_export_dir": place}
    optimizer = fed(tuner(RoutingOptimizer, tmp_path, changes), 3)
    assert "cannot be written" in optimizer.last_optimization["why"]
    assert optimizer.baseline_metrics.accuracy == 1.0


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({}, None),
        ({"min_accuracy": 0.95}, "min_accuracy"),
        ({"min_precision": 0.95}, "min_precision"),
        ({"min_recall": 0.95}, "min_recall"),
        ({"max_acceptable_latency_ms": 15}, "max_acceptable_latency_ms"),
    ],
)
def test_what_is_below_its_minimum_is_told_in_the_exported_metrics(tmp_path: Path, changes: Any, what: str | None):
    optimizer = tuner(RoutingOptimizer, tmp_path, changes)
    fed(optimizer, 27)
    fed(optimizer, 3, first=27, right=False)
    asyncio.run(optimizer.optimize())
    exported = json.loads((tmp_path / "metrics" / "acme" / "metrics.json").read_text("utf-8"))
    assert exported["metrics"]["accuracy"] == 0.9
    assert [line for line in exported["shortfalls"] if what and what in line] == exported["shortfalls"]
    assert bool(exported["shortfalls"]) is (what is not None)


def test_the_history_is_bounded_masked_and_goes_on_after_a_restart(tmp_path: Path):
    optimizer = tuner(RoutingOptimizer, tmp_path, {"max_history_size": 5})
    fed(optimizer, 8)
    told = RoutingDecision(agent="video", entities=({"text": "bo@acme.com"},), error="no mailbox bo@acme.com")
    optimizer.track_performance("mail bo@acme.com a clip", told, user_feedback={"error": "bo@acme.com is away"})
    assert len(optimizer.performance_history) == 5
    assert "<EMAIL>" in optimizer.performance_history[-1].inputs["entities"]
    assert "bo@acme.com" not in optimizer.save_checkpoint().read_text("utf-8")
    again = tuner(RoutingOptimizer, tmp_path, {"max_history_size": 5})
    assert again.performance_history == optimizer.performance_history


def test_a_damaged_checkpoint_is_refused_and_so_is_another_tenants(tmp_path: Path):
    path = tuner(RoutingOptimizer, tmp_path).save_checkpoint(tmp_path / "other.json")
    other = RoutingOptimizer(config(tmp_path), "other", agents=AGENTS)
    with pytest.raises(ConfigInvalid, match="'acme'"):
        other.load_checkpoint(path)
    path.write_text(path.read_text("utf-8").replace("acme", "acne"))
    with pytest.raises(Corrupt, match=r"other\.json"):
        other.load_checkpoint(path)


@pytest.mark.parametrize(
    ("feedback", "weight"), [({"correct_agent": "text"}, 1.0), ({"success": True}, 0.5), ({"success": False}, None)]
)
def test_what_is_known_of_a_decision_is_an_example_and_the_newest_of_a_question_counts(
    tmp_path: Path, feedback: dict[str, Any], weight: float | None
):
    optimizer = tuner(RoutingOptimizer, tmp_path)
    for predicted, said in (("sum", {"correct_agent": "sum"}), ("text", feedback)):
        optimizer.track_performance("a memo", RoutingDecision(agent=predicted), user_feedback=said)
    (found,) = tracked_examples(optimizer.performance_history, "routing")
    newest = ("text", weight) if weight else ("sum", 1.0)  # who fails says nothing of who would have been right
    assert (found.expected["agent"], found.weight) == newest
    assert found.source is (LabelSource.OUTCOME if weight == 0.5 else LabelSource.HUMAN)


# Tuning


def tuned(folder: Path, changes: Any = None, n: int = 120, **given: Any) -> AutoTuningOptimizer:
    optimizer = tuner(AutoTuningOptimizer, folder, {"min_samples_for_optimization": n, **(changes or {})}, **given)
    return fed(optimizer, n)


def test_enough_decisions_tune_settings_that_answer_at_once(tmp_path: Path):
    optimizer = tuned(tmp_path)
    assert optimizer.settings["kind"] == "settings"
    assert optimizer.last_optimization["strategies"]["keyword"]["tuned"]
    found = asyncio.run(optimizer.route("a gist of the minutes", before_contest=True))
    assert (found.agent, found.error) == ("sum", "")
    assert found.latency_ms > 0
    again = tuner(AutoTuningOptimizer, tmp_path)
    assert again.settings == optimizer.settings
    exported = json.loads((tmp_path / "metrics" / "acme" / "metrics.json").read_text("utf-8"))
    assert exported["settings"] == optimizer.settings


def test_gliner_is_tuned_by_what_the_callable_really_finds(tmp_path: Path):
    optimizer = tuner(AutoTuningOptimizer, tmp_path, gliner=entity_models.find, gliner_labels=LABELS)
    fed(optimizer, 90)
    found = asyncio.run(optimizer._optimize_gliner())
    assert found["tuned"]
    assert optimizer.settings["entities"]["finder"] == "gliner"
    assert optimizer.settings["entities"]["threshold"] <= 0.5
    assert "noise" not in optimizer.settings["entities"]["asked"]
    assert asyncio.run(optimizer.route("footage of moss", before_contest=True)).agent == "video"


def test_a_gliner_that_raises_is_one_sentence_and_stops_nothing_but_itself(tmp_path: Path):
    optimizer = tuned(tmp_path, gliner=entity_models.broken, gliner_labels=LABELS)
    strategies = optimizer.last_optimization["strategies"]
    assert not strategies["gliner"]["tuned"]
    (told,) = [note for note in strategies["gliner"]["notes"] if "entity model" in note]
    assert "CUDA is out of memory" in told
    assert "\n" not in told
    assert strategies["keyword"]["tuned"]


def test_given_keywords_are_where_it_begins(tmp_path: Path):
    optimizer = tuned(tmp_path, keywords={"video": ["movie"]})
    assert "movie" in optimizer.settings["words"]["agent"]["video"]


@pytest.mark.parametrize(
    ("changes", "strategy", "setting", "value"),
    [
        ({"learning_rate": 0.5}, "composite", "learning_rate", 0.5),
        ({"momentum": 0.5}, "composite", "momentum", 0.5),
        ({"weight_decay": 0.5}, "composite", "weight_decay", 0.5),
        ({"dspy_enabled": False}, "llm", "bootstrap", False),
        ({"dspy_metric": "recall"}, "keyword", "chooses_by", "recall"),
        ({"gliner_threshold_step": 0.2}, "gliner", "gliner_threshold_step", 0.2),
        ({"gliner_threshold_optimization": False}, "gliner", "gliner_threshold_optimization", False),
        ({"gliner_label_optimization": False}, "gliner", "gliner_label_optimization", False),
    ],
)
def test_each_field_is_what_the_optimizer_goes_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: Any, strategy: str, setting: str, value: Any
):
    """What these settings of the optimizer change is held by the table of all settings."""
    seen = []
    monkeypatch.setattr(RoutingPolicy, "tuned", lambda *_, settings, **__: seen.append(settings) or Tuned(None))
    optimizer = tuner(AutoTuningOptimizer, tmp_path, changes)
    fed(optimizer, 5)
    asyncio.run(getattr(optimizer, f"_optimize_{strategy}")())
    assert getattr(seen[0].ensemble, setting) == value
    assert (seen[0].bootstrap.max_bootstrapped_demos, seen[0].bootstrap.max_labeled_demos) == (10, 50)


def test_switched_off_gliner_is_not_asked(tmp_path: Path):
    off = {"gliner_threshold_optimization": False, "gliner_label_optimization": False}
    optimizer = tuned(tmp_path, off, gliner=entity_models.broken, gliner_labels=LABELS)
    assert "are off" in optimizer.last_optimization["strategies"]["gliner"]["why"]


def test_a_dead_lm_is_told_and_the_metrics_are_exported_all_the_same(tmp_path: Path):
    class Down:
        def open(self, *_: Any) -> Any:
            return scripted_lms(lambda *_: "video", None, fail_at=1, error=Unavailable("the LM's server is down"))

    optimizer = tuned(tmp_path, lms=Down())
    assert "server is down" in optimizer.last_optimization["strategies"]["llm"]["why"]
    assert (tmp_path / "metrics" / "acme" / "metrics.json").exists()


def test_before_anything_is_tuned_there_is_no_answer_and_a_reason(tmp_path: Path):
    optimizer = tuner(AutoTuningOptimizer, tmp_path)
    optimizer.track_performance("a clip", RoutingDecision(agent="video"))
    found = asyncio.run(optimizer.optimize())
    assert {each["why"] for each in found["strategies"].values()} == {
        "of no decision it is known who would have been right"
    }
    with pytest.raises(NotFound, match="no settings are tuned yet"):
        asyncio.run(optimizer.route("a clip", before_contest=True))


@pytest.mark.parametrize(
    "changes",
    [
        {"min_samples_for_optimization": 0},
        {"optimization_interval_seconds": 0},
        {"performance_degradation_threshold": float("nan")},
        {"min_accuracy": 2},
        {"max_acceptable_latency_ms": "fast"},
        {"learning_rate": 0},
        {"momentum": 1},
        {"weight_decay": -1},
        {"dspy_enabled": "yes"},
        {"dspy_max_labeled_demos": -1},
        {"dspy_metric": "bleu"},
        {"gliner_threshold_step": 0},
        {"max_history_size": True},
    ],
)
def test_a_value_that_cannot_be_is_refused_by_its_name(changes: dict[str, Any]):
    (name,) = changes
    with pytest.raises(ConfigInvalid, match=name.removeprefix("dspy_")):
        OptimizationConfig(**changes)


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"query": " "}, "query"),
        ({"query": None}, "query"),
        ({"query": "a" * (MAX_TEXT_CHARS + 1)}, "query"),
        ({"user_feedback": {"correct_agent": 3}}, "correct_agent"),
        ({"user_feedback": {"success": "yes"}}, "success"),
        ({"user_feedback": {"satisfaction": 7}}, "satisfaction"),
    ],
)
def test_bad_input_is_refused_by_its_name_and_kept_nowhere(tmp_path: Path, given: Any, what: str):
    optimizer = tuner(RoutingOptimizer, tmp_path)
    with pytest.raises(ConfigInvalid, match=what):
        optimizer.track_performance(**{"query": "a clip", "predicted": RoutingDecision(agent="video"), **given})
    assert optimizer.performance_history == []
