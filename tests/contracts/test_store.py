"""The contract of Store, run on every adapter."""

from __future__ import annotations

import threading
import time
import tracemalloc
from contextlib import nullcontext

import pytest
from made import ACME, made

from argotune.errors import Conflict
from argotune.store.collections import EVERYONE
from argotune.store.port import ANY, Record, Store
from argotune.store.records import tag_there
from argotune.store.sealing import tag_of

HOSTILE = [
    "../../etc/passwd", "{{workflow.uid}}", "a}b{", "}", "{}", "a:b", ":", "%7B", "*", "Größe/ä", "日本語 \U0001f600",
    "$(touch x)", "line\nbreak", "nul\x00byte", "'; DROP TABLE records; --", "x" * 5_000, "\ud800 lone surrogate", "",
]  # fmt: skip

HOSTILE_TENANTS = [name for name in HOSTILE if name and "\ud800" not in name and len(name) <= 200]


def ids(store: Store, tenant_id: str = ACME, collection: str = "runs") -> list[str]:
    return sorted(record.id for record in store.scan(tenant_id, collection))


def test_what_is_not_there_is_none(store: Store) -> None:
    assert store.read(ACME, "runs", "r1") is None
    assert ids(store) == []
    assert store.remove(ACME, "runs") == 0
    store.let_go(ACME, "routing", "nobody")


def test_a_record_is_read_as_it_was_written_and_can_be_overwritten(store: Store) -> None:
    for record in (made("r1", "first"), made("r1", "second")):
        store.write(ACME, [record])
        assert store.read(ACME, "runs", "r1") == record.text
    assert list(store.scan(ACME, "runs")) == [made("r1", "second")]


def test_of_many_named_records_those_are_read_that_are_there(store: Store) -> None:
    records = [made(f"r{n}", n) for n in range(1_100)]
    store.write(ACME, [*records, made("r1", "another", "markers"), *(made(id, id) for id in HOSTILE)])
    assert store.read_many(ACME, "runs", (r.id for r in records)) == {r.id: r.text for r in records}
    assert store.read_many(ACME, "runs", ["none", *HOSTILE, "r1"]) == {
        **{id: made(id, id).text for id in HOSTILE},
        "r1": made("r1", 1).text,
    }
    assert store.read_many(ACME, "runs", []) == store.read_many("globex", "runs", ["r1"]) == {}
    names = (record.id for record in store.scan(ACME, "runs"))
    assert len(store.read_many(ACME, "runs", names)) == 1_100 + len(HOSTILE)


def test_records_of_several_collections_are_written_in_one_step(store: Store) -> None:
    records = [made("r1", n, collection) for n, collection in enumerate(("runs", "markers", "experiences.routing"))]
    store.write(ACME, records)
    assert [store.read(ACME, record.collection, "r1") for record in records] == [r.text for r in records]
    store.write(ACME, [])


@pytest.mark.parametrize("expected", ["the tag", ANY])
def test_a_met_expectation_lets_the_write_through(store: Store, expected: str) -> None:
    now, later = made("p", 1), made("p", 2)
    store.write(ACME, [now], {("runs", "p"): None})
    store.write(ACME, [later], {("runs", "p"): tag_of(now.text) if expected == "the tag" else ANY})
    assert store.read(ACME, "runs", "p") == later.text


@pytest.mark.parametrize(
    ("damaged", "is_seen"),
    [
        (made("p", 1).text[:-3], True),
        (made("p", 1).text[:40], True),
        ("no record at all, but one of more than seventy-three characters, as most of them have", True),
        ("{}", True),
        ("", True),
        (f"\u00e9{made('p', 1).text}", False),
        ('{"hash":"0\x001', False),
    ],
)
def test_of_two_that_mend_a_damaged_record_the_second_finds_the_work_of_the_first(
    store: Store, damaged: str, is_seen: bool
) -> None:
    store.write(ACME, [Record("runs", "p", damaged)])
    tag = tag_there(store.read(ACME, "runs", "p"))
    store.write(ACME, [made("p", 2)], {("runs", "p"): tag})
    with pytest.raises(Conflict) if is_seen else nullcontext():
        store.write(ACME, [made("p", 3)], {("runs", "p"): tag})
    assert store.read(ACME, "runs", "p") == made("p", 2 if is_seen else 3).text


def test_an_expectation_may_be_about_a_record_that_is_not_written(store: Store) -> None:
    store.write(ACME, [made("p", 1)])
    store.write(ACME, [made("q")], {("runs", "p"): tag_of(made("p", 1).text), ("markers", "none"): None})
    store.write(ACME, [], {("runs", "q"): tag_of(made("q").text)})
    with pytest.raises(Conflict):
        store.write(ACME, [], {("runs", "q"): None})


@pytest.mark.parametrize(
    "unmet",
    [
        {("runs", "p"): None},
        {("runs", "p"): "0" * 64},
        {("runs", "p"): ""},
        {("runs", "p"): "nothing"},
        {("runs", "absent"): "0" * 64},
        {("markers", "p"): tag_of(made("p", 1).text)},
        {("runs", "absent"): None, ("runs", "p"): "0" * 64},
    ],
)
def test_an_unmet_expectation_stores_nothing(store: Store, unmet: dict[tuple[str, str], str | None]) -> None:
    store.write(ACME, [made("p", 1)])
    with pytest.raises(Conflict, match=ACME):
        store.write(ACME, [made("p", 2), made("new"), made("new", 3, "markers")], unmet)
    assert list(store.scan(ACME, "runs")) == [made("p", 1)]
    assert ids(store, collection="markers") == []


def test_hostile_ids_stay_apart_and_come_back_as_they_were(store: Store) -> None:
    records = [made(id, id) for id in HOSTILE]
    store.write(ACME, records, {("runs", id): None for id in HOSTILE})
    assert {record.id: record for record in store.scan(ACME, "runs")} == {record.id: record for record in records}
    assert [store.read(ACME, "runs", id) for id in HOSTILE] == [record.text for record in records]
    assert store.remove(ACME, "runs", HOSTILE) == len(HOSTILE)


@pytest.mark.parametrize("tenant_id", HOSTILE_TENANTS)
def test_a_tenant_never_sees_or_touches_another(store: Store, tenant_id: str) -> None:
    others = [*(other for other in HOSTILE_TENANTS if other != tenant_id), ACME, "acme", f"{{{tenant_id}}}:runs"]
    store.write(tenant_id, [made("mine", 1)])
    assert store.hold(tenant_id, "routing", "me", 60)
    for other in others:
        assert store.read(other, "runs", "mine") is None
        assert ids(store, other) == []
        assert store.remove(other, "runs") == 0
        assert store.hold(other, "routing", "somebody else", 60)
    assert store.read(tenant_id, "runs", "mine") == made("mine", 1).text
    assert not store.hold(tenant_id, "routing", "somebody else", 60)


def test_collections_do_not_run_into_leases_or_each_other(store: Store) -> None:
    assert store.hold(ACME, "routing", "me", 60)
    for collection in ("lease", "lease:routing", "runs", "runs:r1", "runs."):
        store.write(ACME, [made("r1", collection, collection)], {(collection, "r1"): None})
    assert not store.hold(ACME, "routing", "you", 60)
    store.write(EVERYONE, [made(ACME, 1, "tenants")])
    assert ids(store, EVERYONE, "tenants") == [ACME]


def test_a_record_of_5_mb_is_stored_whole(store: Store) -> None:
    big = made("big", "ä\u0000" * 1_800_000)
    assert len(big.text.encode()) > 5_000_000
    store.write(ACME, [big, made("small")])
    assert store.read(ACME, "runs", "big") == big.text
    store.write(ACME, [made("big")], {("runs", "big"): tag_of(big.text)})
    assert len(list(store.scan(ACME, "runs"))) == 2


def test_scan_gives_each_of_5000_records_once(store: Store) -> None:
    records = [made(f"r{n}", n) for n in range(5_000)]
    store.write(ACME, records)
    found = list(store.scan(ACME, "runs"))
    assert len(found) == 5_000
    assert set(found) == set(records)


def test_scan_holds_a_few_records_at_a_time(store: Store) -> None:
    for n in range(200):
        store.write(ACME, [made(f"r{n}", "x" * 100_000)])
    tracemalloc.start()
    try:
        assert sum(len(record.text) for record in store.scan(ACME, "runs")) > 20_000_000
        assert tracemalloc.get_traced_memory()[1] < 6_000_000
    finally:
        tracemalloc.stop()


def test_a_collection_may_be_changed_while_it_is_scanned(store: Store) -> None:
    store.write(ACME, [made(f"r{n:05}", "x" * 500) for n in range(3_000)])
    seen = []
    for n, record in enumerate(store.scan(ACME, "runs")):
        seen.append(record.id)
        if n == 20:
            store.write(ACME, [made(f"s{m}") for m in range(9_000)])
    assert len(seen) == len(set(seen))
    assert set(seen) >= {f"r{n:05}" for n in range(3_000)}
    assert store.remove(ACME, "runs", (record.id for record in store.scan(ACME, "runs"))) == 12_000


def test_remove_forgets_the_named_or_all_and_counts_them(store: Store) -> None:
    store.write(ACME, [made(f"r{n}") for n in range(2_500)] + [made("r0", 0, "markers")])
    assert store.remove(ACME, "runs", []) == 0
    assert store.remove(ACME, "runs", ["r1", "r1", "absent"]) == 1
    assert store.remove(ACME, "runs", (f"r{n}" for n in range(2_000))) == 1_999
    assert store.remove(ACME, "runs") == 500
    assert ids(store) == []
    assert ids(store, collection="markers") == ["r0"]


def test_a_lease_has_one_holder_who_may_renew_it_and_let_it_go(store: Store) -> None:
    assert store.hold(ACME, "routing", "one", 60)
    assert store.hold(ACME, "routing", "one", 60)
    assert not store.hold(ACME, "routing", "two", 60)
    assert store.hold(ACME, "modality", "two", 60)
    store.let_go(ACME, "routing", "two")
    assert not store.hold(ACME, "routing", "two", 60)
    store.let_go(ACME, "routing", "one")
    assert store.hold(ACME, "routing", "two", 60)


def test_who_holds_a_lease_is_told_until_it_lapses_or_is_given_back(store: Store) -> None:
    assert store.holder(ACME, "routing") is None
    for holder in ("one", "Größe/\ud800"):
        assert store.hold(ACME, "routing", holder, 60)
        assert store.holder(ACME, "routing") == holder
        assert store.holder(ACME, "modality") is store.holder("globex", "routing") is None
        store.let_go(ACME, "routing", holder)
        assert store.holder(ACME, "routing") is None
    assert store.hold(ACME, "routing", "one", 0.3)
    time.sleep(0.4)
    assert store.holder(ACME, "routing") is None


def test_only_the_holder_of_a_lease_that_has_not_lapsed_may_renew_it(store: Store) -> None:
    assert not store.renew(ACME, "routing", "one", 60)
    assert store.hold(ACME, "routing", "one", 0.3)
    assert store.renew(ACME, "routing", "one", 0.3)
    assert not store.renew(ACME, "routing", "two", 60)
    assert not store.renew(ACME, "modality", "one", 60)
    time.sleep(0.4)
    assert not store.renew(ACME, "routing", "one", 60), "nobody else held it, but somebody could have"
    assert store.hold(ACME, "routing", "two", 60)
    assert not store.renew(ACME, "routing", "one", 60)
    store.let_go(ACME, "routing", "two")
    assert not store.renew(ACME, "routing", "one", 60), "somebody else held it meanwhile"


def test_a_lease_expires_unless_it_is_renewed(store: Store) -> None:
    assert store.hold(ACME, "routing", "one", 0.4)
    for turn in range(4):
        assert store.renew(ACME, "routing", "one", 0.4), turn
        time.sleep(0.15)
        assert not store.hold(ACME, "routing", "two", 0.4), turn
    time.sleep(0.5)
    assert store.hold(ACME, "routing", "two", 60)
    assert not store.hold(ACME, "routing", "one", 60)
    store.let_go(ACME, "routing", "one")
    assert not store.hold(ACME, "routing", "one", 60)


def test_threads_lose_nothing(store: Store) -> None:
    def count() -> None:
        for _ in range(25):
            while not _add_one(store):
                pass

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.read(ACME, "runs", "counter") == made("counter", 100).text


def _add_one(store: Store) -> bool:
    there = store.read(ACME, "runs", "counter")
    tag, number = (None, 0) if there is None else (tag_of(there), int(there.split('"body":')[1].split(",")[0]))
    try:
        store.write(ACME, [made("counter", number + 1)], {("runs", "counter"): tag})
    except Conflict:
        return False
    return True


@pytest.mark.parametrize("names", [None, ["r1", "r2", "none"]])
def test_records_are_removed_only_where_what_is_expected_is_there(store: Store, names: list[str] | None) -> None:
    claim = made("routing", 1, "leases")
    store.write(ACME, [claim, made("r1"), made("r2")])
    for unmet in ({("leases", "routing"): "0" * 64}, {("leases", "routing"): None}, {("runs", "r1"): "0" * 64}):
        with pytest.raises(Conflict):
            store.remove(ACME, "runs", names, unmet)
        assert ids(store) == ["r1", "r2"]
    met = {("leases", "routing"): tag_of(claim.text), ("runs", "none"): None, ("runs", "r1"): ANY}
    assert store.remove(ACME, "runs", names, met) == 2
    assert (ids(store), store.read(ACME, "leases", "routing")) == ([], claim.text)
    assert store.remove(ACME, "runs", [], met) == 0
