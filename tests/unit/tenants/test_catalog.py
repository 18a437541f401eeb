"""Configurations of tenants: saved, listed, removed, whatever a tenant calls itself."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable

import pytest
from factories import make_config, make_version
from hypothesis import given
from hypothesis import strategies as st
from watched_store import CHANGES, Call, FailsOnce, WatchedStore, nothing

from argotune.adapters.memory.store import MemoryStore
from argotune.errors import ConfigInvalid, Conflict, Corrupt, NotFound
from argotune.promotion.registry import Registry
from argotune.public_api.documented import ConfigManager
from argotune.store.collections import EVERYONE, Collection
from argotune.store.port import Record
from argotune.store.records import to_record
from argotune.store.sealing import seal
from argotune.tenants.catalog import Configs

HOSTILE_IDS = [
    "acme:corp",
    "a/../../etc/passwd",
    "{acme}",
    "Größe und Wörter",
    "企业",
    "شركة",
    "'; DROP TABLE records; --",
    "acme\u202ecorp",
    "x" * 200,
    "$(reboot)",
    "%2A",
]
UNUSABLE_IDS = ["", " acme", "acme ", "*", "acme\ncorp", "acme\x00", "x" * 201, "\ud800", "a\u2028b"]
IDS = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=20).filter(lambda id: id != "*")


def test_a_saved_config_comes_back_whole():
    configs, config = Configs(MemoryStore()), make_config(gate={"min_effect": 0.03}, lm={"task_model": "openai/x"})
    configs.save(config)
    assert configs.get("acme_corp") == config


def test_saving_again_replaces_and_lists_once():
    configs = Configs(MemoryStore())
    configs.save(make_config())
    configs.save(make_config(min_samples_for_optimization=7))
    assert configs.get("acme_corp").min_samples_for_optimization == 7
    assert configs.tenant_ids() == ["acme_corp"]


def test_tenants_are_listed_sorted():
    configs = Configs(MemoryStore())
    for tenant_id in ["globex", "acme", "Initech"]:
        configs.save(make_config(tenant_id=tenant_id))
    assert configs.tenant_ids() == ["Initech", "acme", "globex"]


def test_a_removed_tenant_is_gone_and_may_come_back():
    configs = Configs(MemoryStore())
    configs.save(make_config())
    configs.save(make_config(tenant_id="globex"))
    configs.remove("acme_corp")
    assert configs.tenant_ids() == ["globex"]
    with pytest.raises(NotFound):
        configs.get("acme_corp")
    configs.save(make_config())
    assert configs.tenant_ids() == ["acme_corp", "globex"]


def test_versions_outlive_the_config():
    store = MemoryStore()
    Configs(store).save(make_config())
    Registry(store, "acme_corp").keep(make_version())
    Configs(store).remove("acme_corp")
    assert Registry(store, "acme_corp").versions() == [make_version()]


@pytest.mark.parametrize("tenant_id", HOSTILE_IDS)
def test_a_hostile_id_is_an_id_like_any_other(tenant_id: str):
    configs = Configs(MemoryStore())
    configs.save(make_config())
    configs.save(make_config(tenant_id=tenant_id))
    assert configs.get(tenant_id).tenant_id == tenant_id
    assert set(configs.tenant_ids()) == {"acme_corp", tenant_id}
    configs.remove(tenant_id)
    assert configs.tenant_ids() == ["acme_corp"]


@given(st.lists(IDS, unique=True, max_size=6))
def test_no_two_ids_are_mixed_up(ids: list[str]):
    configs = Configs(MemoryStore())
    for number, tenant_id in enumerate(ids, start=1):
        configs.save(make_config(tenant_id=tenant_id, min_samples_for_optimization=number))
    assert configs.tenant_ids() == sorted(ids)
    assert [configs.get(id).min_samples_for_optimization for id in ids] == list(range(1, len(ids) + 1))


@pytest.mark.parametrize("tenant_id", UNUSABLE_IDS, ids=ascii)
def test_an_unusable_id_is_refused_before_the_store_is_asked(tenant_id: str):
    configs = Configs(MemoryStore())
    for ask in (configs.get, configs.remove):
        with pytest.raises(ConfigInvalid, match="tenant_id"):
            ask(tenant_id)
    assert configs.tenant_ids() == []


@pytest.mark.parametrize("tenant_id", ["acme", "ACME_CORP", "acme_corp2", "acme_corp/"])
def test_an_unknown_tenant_is_not_found_by_name(tenant_id: str):
    configs = Configs(MemoryStore())
    configs.save(make_config())
    for ask in (configs.get, configs.remove):
        with pytest.raises(NotFound, match=tenant_id):
            ask(tenant_id)
    assert configs.tenant_ids() == ["acme_corp"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"agents": {}}, "agents"),
        ({"optimization_interval_seconds": -1}, "optimization_interval_seconds: .* -1"),
    ],
)
def test_a_stored_config_that_this_release_does_not_take_is_named_with_its_field_and_can_be_removed(
    change: dict[str, object], named: str
):
    store = MemoryStore()
    Configs(store).save(make_config())
    body = {**make_config().model_dump(mode="json"), **change}
    store.write("acme_corp", [Record(Collection.CONFIG, "routing", seal("RoutingConfigUnified", body))])
    with pytest.raises(ConfigInvalid, match=f"config of tenant 'acme_corp': {named}"):
        Configs(store).get("acme_corp")
    Configs(store).remove("acme_corp")
    assert Configs(store).tenant_ids() == []


def test_a_damaged_config_is_corrupt():
    store = MemoryStore()
    record = seal("RoutingConfigUnified", make_config().model_dump(mode="json")).replace("acme_corp", "acme_corq")
    store.write("acme_corp", [Record(Collection.CONFIG, "routing", record)])
    with pytest.raises(Corrupt, match="RoutingConfigUnified"):
        Configs(store).get("acme_corp")


class Killed(BaseException):
    """The process is gone."""


def killed_at(change: int, act: Callable[[Configs], object]) -> WatchedStore:
    """A store with a tenant `acme_corp`, on which `act` was killed before its n-th change, counted from 0."""
    store = WatchedStore()
    Configs(store).save(make_config())
    store.before = FailsOnce(Killed(), lambda call: call.verb in CHANGES, change + 1)
    with contextlib.suppress(Killed):
        act(Configs(store))
    store.before = nothing
    return store


@pytest.mark.parametrize("change", range(5))
def test_a_tenant_whose_adding_was_killed_is_on_no_list_or_can_be_found_and_added_again(change: int):
    store = killed_at(change, lambda configs: configs.add(make_config(tenant_id="globex")))
    with contextlib.suppress(Conflict):  # it was added before the kill
        Configs(store).add(make_config(tenant_id="globex"))
    assert Configs(store).get("globex") == make_config(tenant_id="globex")
    assert Configs(store).tenant_ids() == ["acme_corp", "globex"]
    assert store.read("globex", Collection.CONFIG, "routing") is not None
    assert change == 0 or "globex" in _listed_after(change)


def _listed_after(change: int) -> list[str]:
    store = killed_at(change, lambda configs: configs.add(make_config(tenant_id="globex")))
    return Configs(store).tenant_ids()


@pytest.mark.parametrize("change", range(4))
def test_a_tenant_whose_removal_was_killed_can_be_removed_again(change: int):
    store = killed_at(change, lambda configs: configs.remove("acme_corp"))
    is_gone = Configs(store).tenant_ids() == []
    assert is_gone is (change >= 2)
    if not is_gone:
        Configs(store).remove("acme_corp")
    assert (Configs(store).tenant_ids(), store.read("acme_corp", Collection.CONFIG, "routing")) == ([], None)


def test_a_config_that_was_changed_since_it_was_read_is_not_written_over():
    store = MemoryStore()
    mine, theirs = ConfigManager(store), ConfigManager(store)
    mine.save_routing_config(make_config())
    config = mine.get_routing_config("acme_corp")
    theirs.save_routing_config(make_config(min_samples_for_optimization=7))
    config.preferred_optimizer = "gepa"
    with pytest.raises(Conflict, match=r"acme_corp.*read it again"):
        mine.save_routing_config(config)
    config = mine.get_routing_config("acme_corp")
    config.preferred_optimizer = "gepa"
    mine.save_routing_config(config)
    mine.save_routing_config(config.model_copy(update={"max_training_iterations": 3}))
    found = theirs.get_routing_config("acme_corp")
    assert (found.min_samples_for_optimization, found.preferred_optimizer, found.max_training_iterations) == (
        7,
        "gepa",
        3,
    )


def test_a_change_gives_up_when_others_are_always_first():
    def busy(call: Call) -> None:
        if (call.verb, call.tenant_id, *call.places) == ("read", "acme_corp", Collection.CONFIG):
            Configs(store).save(make_config(min_samples_for_optimization=next(numbers)))

    numbers, store = itertools.count(1), WatchedStore()
    Configs(store).save(make_config())
    store.after = busy
    with pytest.raises(Conflict, match="it was changed by others 50 times in a row"):
        Configs(store).change("acme_corp", lambda config: config)


def test_a_damaged_line_of_the_list_is_mended_by_changing_the_config():
    store = MemoryStore()
    Configs(store).save(make_config())
    (line,) = store.scan(EVERYONE, Collection.TENANTS)
    store.write(EVERYONE, [Record(Collection.TENANTS, line.id, "damaged")])
    assert Configs(store).tenant_ids() == []
    Configs(store).change("acme_corp", lambda config: config)
    assert Configs(store).tenant_ids() == ["acme_corp"]


def test_a_tenant_that_is_added_while_it_is_removed_stays_on_the_list():
    def raced(call: Call) -> None:
        if (call.verb, *call.places) == ("remove", Collection.TENANTS):
            Configs(store).add(make_config())

    store = WatchedStore()
    Configs(store).save(make_config())
    store.before = raced
    Configs(store).remove("acme_corp")
    assert Configs(store).get("acme_corp") == make_config()
    assert Configs(store).tenant_ids() == ["acme_corp"]


def test_a_line_of_the_list_that_was_changed_and_changed_back_is_not_taken_for_untouched():
    def enabled_again(call: Call) -> None:
        is_its_line = (call.verb, call.tenant_id) == ("write", EVERYONE)
        if is_its_line and Configs(store).get("acme_corp").enable_auto_optimization is False:
            store.write("acme_corp", [to_record(Collection.CONFIG, "routing", make_config())])

    store = WatchedStore()
    Configs(store).save(make_config())
    store.before = enabled_again
    Configs(store).change("acme_corp", lambda config: config.model_copy(update={"enable_auto_optimization": False}))
    assert [entry.is_enabled for entry in Configs(store).entries()] == [True]
