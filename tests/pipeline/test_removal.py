"""A removed tenant: nothing of it stays, and nothing that is counted over all tenants gets lower."""

from __future__ import annotations

import pytest
from factories import make_experience
from watched_store import FailsOnce, WatchedStore
from world import filled, run_once

from argotune.adapters.memory.store import MemoryStore
from argotune.data.archive import ExperienceLog
from argotune.errors import NotFound, Unavailable
from argotune.pipeline.operations.removal import remove_tenant
from argotune.runs.tallies import read_overview
from argotune.store.collections import EVERYONE, OF_EVERYONE, OF_PROGRAMS, OF_TENANTS, Collection
from argotune.store.sealing import digest


def left_of(store: MemoryStore, tenant_id: str) -> list[tuple[str, str]]:
    """The places of all records that are the tenant's, or name it."""
    return [
        (owner, f"{collection}/{id}")
        for (owner, collection), texts in store._texts.items()
        for id, text in texts.items()
        if owner == tenant_id or (owner == EVERYONE and (tenant_id in text or digest(tenant_id) == id))
    ]


def test_every_collection_is_on_one_list() -> None:
    names = [value for name, value in vars(Collection).items() if name.isupper()]
    assert sorted(names) == sorted((*OF_EVERYONE, *OF_PROGRAMS, *OF_TENANTS))


def test_a_removed_tenant_leaves_nothing_but_its_share_in_the_sums() -> None:
    world, config = filled(300, masking={"enabled": False})
    run_once(world, config)
    before = read_overview(world.store, world.now).modules["routing"]
    kept = {owner for owner, _ in left_of(world.store, "acme")}
    assert remove_tenant(world.store, "acme", world.now) > 600
    assert kept == {"acme", EVERYONE}
    assert left_of(world.store, "acme") == []
    overview = read_overview(world.store, world.now)
    assert overview.modules["routing"] == before
    assert (overview.enabled, overview.disabled) == (0, 0)
    with pytest.raises(NotFound):
        remove_tenant(world.store, "acme", world.now)


def test_what_was_read_of_an_enhancement_that_no_run_was_made_of_goes_too() -> None:
    world, _ = filled(0)
    read = make_experience(program="enhancement", inputs={"query": "the keynote"})
    ExperienceLog(world.store, "acme").replace_experiences([read])
    remove_tenant(world.store, "acme", world.now)
    assert left_of(world.store, "acme") == []


@pytest.mark.parametrize("at", ["experiences.routing", Collection.RUNS, Collection.TALLIES, Collection.CONFIG])
def test_what_a_crash_leaves_is_removed_by_removing_again(at: str) -> None:
    world, config = filled(40, masking={"enabled": False})
    world.store = store = moved(world.store)
    run_once(world, config, forced=True)
    before = read_overview(world.store, world.now).modules["routing"]
    store.before = FailsOnce(Unavailable("store: gone"), lambda call: (call.verb, *call.places) == ("remove", at))
    with pytest.raises(Unavailable):
        remove_tenant(world.store, "acme", world.now)
    remove_tenant(world.store, "acme", world.now)
    assert left_of(world.store, "acme") == []
    assert read_overview(world.store, world.now).modules["routing"] == before


def moved(store: MemoryStore) -> WatchedStore:
    found = WatchedStore()
    found._texts = store._texts
    return found
