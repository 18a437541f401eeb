"""What a pass reads once, and what it does where somebody else wrote meanwhile."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest
from factories import NOON, make_config
from world import World, filled

from argotune.data.cursor import Reading
from argotune.errors import Overtaken
from argotune.pipeline.module_pass import Pass, Request
from argotune.pipeline.passes import run_module
from argotune.runs.module_book import ModuleBook
from argotune.runs.progress import PassState
from argotune.store.leases import leased
from argotune.store.turns import in_turn

CONFIG = make_config()


@pytest.fixture
def world() -> World:
    return World(now=NOON)


@pytest.fixture
def others(world: World) -> ModuleBook:
    """What is known of the same module, in the hands of somebody else."""
    return ModuleBook(world.store, CONFIG.tenant_id, "routing")


def test_what_a_look_wrote_meanwhile_stays_and_the_change_is_made(world: World, others: ModuleBook):
    this = Pass(world.ports, CONFIG, "routing")
    assert this.passes.first_look_at is None
    others.change(PassState, first_look_at=NOON)
    in_turn("it", lambda: this.module_book.change(PassState, pass_id="p1"))
    assert this.id == "p1"
    assert others.read(PassState) == this.passes
    assert this.passes.first_look_at == NOON


def test_a_pass_that_was_overtaken_changes_nothing(world: World, others: ModuleBook):
    with leased(world.store, CONFIG.tenant_id, "run/routing", "one", 30) as held:
        this = Pass(world.ports, CONFIG, "routing", lease=held)
        assert this.id == ""
        world.store.let_go(CONFIG.tenant_id, "run/routing", "one")
        with leased(world.store, CONFIG.tenant_id, "run/routing", "two", 30):
            others.change(PassState, pass_id="two")
            with pytest.raises(Overtaken, match="taken up by another process"):
                in_turn("it", lambda: this.module_book.change(PassState, pass_id="one"))
    assert others.read(PassState).pass_id == "two"


def test_where_a_module_stands_is_for_a_pass_as_it_was_when_it_was_read_first(world: World, others: ModuleBook):
    others.change(Reading, newest_at=NOON)
    this = Pass(world.ports, CONFIG, "routing")
    kept = this.kept
    others.change(Reading, newest_at=NOON - timedelta(days=300))
    assert this.kept == kept
    assert not kept.is_held


@pytest.mark.parametrize("where", ["when it begins", "while it trains"])
def test_looks_that_write_meanwhile_cost_a_pass_nothing(where: str):
    world, config = filled(preferred_optimizer="nearest")
    others, looks = ModuleBook(world.store, config.tenant_id, "routing"), count(1)

    def look() -> None:
        others.change(PassState, first_look_at=NOON + timedelta(minutes=next(looks)))

    if where == "while it trains":
        world.lms.on_call, ports = look, world.ports
    else:
        ports = replace(world.ports, new_id=lambda: look() or f"id-{next(looks)}")
    (run,) = run_module(ports, config, "routing", Request(is_forced=True)).runs
    assert run.outcome == "promoted"
    assert others.read(PassState).last_run_at == world.now
    assert others.read(PassState).first_look_at > NOON
