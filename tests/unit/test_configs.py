"""Configurations of tenants: saved, listed, removed, whatever a tenant calls itself."""

from __future__ import annotations

import pytest
from factories import make_config, make_version
from hypothesis import given
from hypothesis import strategies as st

from argotune.adapters.memory_store import MemoryStore
from argotune.configs import Configs
from argotune.errors import ConfigInvalid, Corrupt, NotFound
from argotune.ports import Record
from argotune.records import Collection, seal
from argotune.registry import Registry

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


def test_a_crash_between_config_and_list_is_mended_by_saving_again():
    class Full(MemoryStore):
        def write(self, tenant_id, records, expect=None):
            if tenant_id == "*":
                raise OSError("killed here")
            super().write(tenant_id, records, expect)

    store = Full()
    with pytest.raises(OSError, match="killed here"):
        Configs(store).save(make_config())
    store.__class__ = MemoryStore
    assert Configs(store).tenant_ids() == []
    Configs(store).save(make_config())
    assert Configs(store).tenant_ids() == ["acme_corp"]
