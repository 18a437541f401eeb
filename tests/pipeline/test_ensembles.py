"""Ensembles in whole runs: tuned settings go through a contest like any other version, and serve."""

from __future__ import annotations

from scripted_lm import scripted_lms
from twin_embedders import EMBEDDERS
from world import filled, run_once

from argotune.errors import Unavailable
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.registry import Registry
from argotune.runs.book import RunBook
from argotune.runs.explain import explain
from argotune.serving.client import Serving

DOWN = scripted_lms(lambda *_: "video", None, fail_at=1, error=Unavailable("the LM's server is down"))


def test_tuned_settings_win_their_contest_and_serve():
    world, config = filled(300, preferred_optimizer="ensemble")
    run = run_once(world, config)
    assert run.outcome == "promoted"
    assert run.plan.optimizer == "ensemble"
    registry = Registry(world.store, "acme")
    version = registry.version(run.challenger)
    assert version.state["kind"] == "settings"
    with Serving(world.store, config, DOWN, EMBEDDERS, lambda: world.now, wait=lambda over, s: over.wait()) as serving:
        found = serving.decide("routing", query="watch the film about the alps")
    assert (found.answers, found.lack, found.by) == ({"agent": "video"}, "", "student")


def test_people_are_told_what_was_tuned_and_why():
    world, config = filled(300, preferred_optimizer="ensemble")
    run = run_once(world, config)
    book, contests = RunBook(world.store, "acme"), ContestBook(world.store, "acme")
    told = "\n".join(explain(Registry(world.store, "acme"), book, contests, run.challenger).lines())
    assert "votes: words" in told
    assert "words that tell an answer, alone worth 100.0 %" in told
    assert "+votes: words 1.00, lm 0.00" in told


def test_a_version_that_goes_by_entities_is_served_with_the_tenants_model():
    voting = {
        "tunes": ["entities"],
        "entity_model": "entity_models:of_world",
        "entity_labels": ["film", "sound", "writing"],
    }
    world, config = filled(300, preferred_optimizer="ensemble", optimizers={"ensemble": voting})
    run = run_once(world, config)
    assert run.outcome == "promoted"
    assert Registry(world.store, "acme").version(run.challenger).state["entities"]["finder"] == "entity_models:of_world"
    with Serving(world.store, config, DOWN, EMBEDDERS, lambda: world.now, wait=lambda over, s: over.wait()) as serving:
        assert serving.decide("routing", query="read the paper on alps").answers == {"agent": "text"}
