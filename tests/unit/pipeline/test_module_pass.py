"""What a pass reads once, and what it does where somebody else wrote meanwhile."""

from __future__ import annotations

from datetime import timedelta

import pytest
from factories import NOON, make_config
from world import World

from argotune.errors import Conflict
from argotune.pipeline.module_pass import Pass
from argotune.runs.book import RunBook
from argotune.store.leases import leased

CONFIG = make_config()


@pytest.fixture
def world() -> World:
    return World(now=NOON)


@pytest.fixture
def others(world: World) -> RunBook:
    """The same tenant's markers in the hands of somebody else."""
    return RunBook(world.store, CONFIG.tenant_id)


def test_what_a_look_wrote_meanwhile_stays_and_the_change_is_made(world: World, others: RunBook):
    this = Pass(world.ports, CONFIG, "routing")
    assert this.marker.first_look_at is None
    others.change_marker("routing", first_look_at=NOON)
    this.change_marker(pass_id="p1")
    assert this.id == "p1"
    assert others.marker("routing")[0] == this.marker
    assert this.marker.first_look_at == NOON


def test_a_pass_that_was_overtaken_changes_no_marker(world: World, others: RunBook):
    with leased(world.store, CONFIG.tenant_id, "run/routing", "one", 30) as held:
        this = Pass(world.ports, CONFIG, "routing", lease=held)
        assert this.id == ""
        world.store.let_go(CONFIG.tenant_id, "run/routing", "one")
        with leased(world.store, CONFIG.tenant_id, "run/routing", "two", 30):
            others.change_marker("routing", pass_id="two")
            with pytest.raises(Conflict, match="taken up by another process"):
                this.change_marker(pass_id="one")
    assert others.marker("routing")[0].pass_id == "two"


def test_the_marker_of_a_pass_is_as_it_was_when_it_was_read_first(world: World, others: RunBook):
    others.change_marker("routing", newest_at=NOON)
    this = Pass(world.ports, CONFIG, "routing")
    kept = this.kept
    others.change_marker("routing", newest_at=NOON - timedelta(days=300))
    assert this.kept == kept
    assert not kept.is_held
