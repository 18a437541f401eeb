"""Mending: what is lost and can be known from what is there is made again; the rest is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from factories import after, make_config, make_version
from watched_store import Meanwhile, WatchedStore

from argotune.adapters.memory.store import MemoryStore
from argotune.adapters.sqlite import SQLiteStore
from argotune.cli import main
from argotune.errors import Conflict, Corrupt
from argotune.pipeline.operations.mending import Fault, look_over
from argotune.promotion.registry import Registry
from argotune.promotion.versions import Champion
from argotune.store.collections import EVERYONE, Collection
from argotune.store.port import Record, Store
from argotune.store.records import to_record
from argotune.tenants.agenda import Agenda, keep_agenda, seen_agenda
from argotune.tenants.catalog import Configs

FIRST, SECOND = (make_version(text, created_at=after(n)) for n, text in enumerate(["first", "second"]))


def installation(store: Store) -> Registry:
    """A tenant with two champions in its history."""
    Configs(store).save(make_config())
    agenda = Agenda(tenant_id="acme_corp", looked_at=after(0), due_at=None, open_at=None)
    keep_agenda(store, agenda, seen_agenda(store, "acme_corp"))
    registry = Registry(store, "acme_corp")
    for version in (FIRST, SECOND):
        registry.keep(version)
        registry.override("routing", version.id, who="kim", reason="it is better", now=after(5))
    return registry


def damage(store: Store, tenant_id: str, collection: str) -> str:
    record = next(iter(store.scan(tenant_id, collection)))
    store.write(tenant_id, [Record(collection, record.id, record.text[:-5])])
    return record.id


@pytest.mark.parametrize("is_lost", [True, False], ids=["lost", "damaged"])
def test_a_champion_is_restored_from_its_history(is_lost: bool):
    store = MemoryStore()
    registry = installation(store)
    before, _ = registry.champion("routing")
    if is_lost:
        store.remove("acme_corp", Collection.CHAMPIONS)
    else:
        damage(store, "acme_corp", Collection.CHAMPIONS)
    for move in (
        lambda: registry.pointed("routing"),
        lambda: registry.override("routing", FIRST.id, who="kim", reason="why", now=after(9)),
        lambda: registry.roll_back("routing", who="kim", reason="why", now=after(9)),
    ):
        with pytest.raises(Corrupt, match=r"champions 'routing' of tenant 'acme_corp'"):
            move()
    assert look_over(store)[0].mended == ""
    assert look_over(store, is_mending=True)[0].mended == "restored from its history"
    assert registry.champion("routing")[0] == before
    assert look_over(store) == []


def test_a_damaged_pointer_that_somebody_else_sets_meanwhile_is_not_restored_over_that():
    store = WatchedStore()
    registry = installation(store)
    damage(store, "acme_corp", Collection.CHAMPIONS)
    moved = Champion(program="routing", version=FIRST.id, previous=None, since=after(9), sequence=9)
    store.before = Meanwhile(lambda: store.write("acme_corp", [to_record(Collection.CHAMPIONS, "routing", moved)]))
    with pytest.raises(Conflict):
        registry.restore("routing")
    assert registry.champion("routing")[0] == moved


@pytest.mark.parametrize("is_lost", [True, False], ids=["lost", "damaged"])
@pytest.mark.parametrize("asked", [(), ("acme_corp",)], ids=["known by its agenda", "named"])
def test_a_tenant_with_a_config_is_listed_again(is_lost: bool, asked: tuple[str, ...]):
    store = MemoryStore()
    installation(store)
    if is_lost:
        store.remove(EVERYONE, Collection.TENANTS)
    else:
        damage(store, EVERYONE, Collection.TENANTS)
    (finding, *_) = look_over(store, asked, is_mending=True)
    assert (finding.tenant_id, finding.mended) == ("acme_corp", "listed again")
    assert Configs(store).tenant_ids() == ["acme_corp"]
    assert look_over(store, asked) == []


def test_a_line_of_the_list_without_a_config_is_taken_off_it():
    store = MemoryStore()
    installation(store)
    store.remove("acme_corp", Collection.CONFIG)
    assert [f.mended for f in look_over(store, is_mending=True)] == ["taken off the list"]
    assert Configs(store).tenant_ids() == []


@pytest.mark.parametrize("collection", [Collection.HISTORY, Collection.VERSIONS, Collection.CONFIG])
def test_what_nobody_can_know_any_more_is_named_and_left(collection: str):
    store = MemoryStore()
    installation(store)
    id = damage(store, "acme_corp", collection)
    (finding,) = look_over(store, is_mending=True)
    assert isinstance(finding, Fault)
    assert finding.sentence.startswith(f"{collection} {id!r} of tenant 'acme_corp': ")
    assert finding.mended == ""


def test_the_doctor_says_what_is_wrong_repairs_it_and_ends_with_1_while_something_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    store = SQLiteStore(tmp_path / "store.db")
    installation(store)
    store.remove("acme_corp", Collection.CHAMPIONS)
    url = f"--store-url=sqlite:///{tmp_path}/store.db"
    assert main(["doctor", "--records", url]) == 1
    assert "FAIL  champions 'routing' of tenant 'acme_corp' is lost" in capsys.readouterr().out
    assert main(["doctor", "--repair", "--json", url]) == 0
    assert json.loads(capsys.readouterr().out)[0]["mended"] == "restored from its history"
    assert main(["doctor", "--records", "--tenant", "acme_corp", url]) == 0
    assert main(["doctor", "--tenant", "acme_corp", url]) == 2
    store.close()
