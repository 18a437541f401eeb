"""Training: which labels teach a challenger, and what is left to say of it on dev."""

from __future__ import annotations

import pytest
from world import filled, run_once

from argotune.data.archive import ExperienceLog
from argotune.data.guards.leaks import leaks
from argotune.pipeline.module_pass import Pass
from argotune.pipeline.operations.scoring import dev_scores
from argotune.promotion.registry import Registry


def held_on_dev(optimizer: str) -> tuple[int, int]:
    """Of the dev examples of a run: how many its challenger shows, and how many there are."""
    world, config = filled(120, preferred_optimizer=optimizer)
    run = run_once(world, config)
    examples = {e.id: e for e in ExperienceLog(world.store, "acme").examples("routing")}
    dev = [examples[id] for id in run.plan.dev_ids]
    return len(leaks(Registry(world.store, "acme").version(run.challenger).state, dev)), len(dev)


def test_what_a_tenant_sets_of_an_optimizer_reaches_the_version():
    world, config = filled(120, preferred_optimizer="nearest", optimizers={"nearest": {"k": 9}})
    run = run_once(world, config)
    assert run.plan.settings == {"nearest": {"k": 9}}
    assert Registry(world.store, "acme").version(run.challenger).state["k"] == 9


def test_dev_examples_teach_where_nothing_is_chosen_on_them():
    shown, known = held_on_dev("nearest")
    assert shown == known > 5


@pytest.mark.parametrize("optimizer", ["random_search"])
def test_dev_examples_that_choose_never_teach(optimizer: str):
    shown, known = held_on_dev(optimizer)
    assert (shown, known > 5) == (0, True)


def test_a_champion_is_scored_on_dev_examples_that_it_does_not_hold():
    world, config = filled(preferred_optimizer="nearest")
    run = run_once(world, config)
    assert run.outcome == "promoted"
    (before,) = dev_scores(Pass(world.ports, config, "routing"))
    assert (before.version, before.examples, before.mean) == (run.challenger, 0, None)
    world.later(hours=2)
    world.receive(60, first=1000)
    run_once(world, config, forced=True)
    (after,) = dev_scores(Pass(world.ports, config, "routing"))
    assert after.version == run.challenger
    assert 0 < after.examples < 40
