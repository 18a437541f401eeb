"""The contract of ports.Store, run on every adapter, and what each real adapter does when its product fails."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
import traceback
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from argotune.adapters.redis_store import Address, RedisStore, parse_address
from argotune.adapters.sqlite_store import SQLiteStore
from argotune.errors import AccessDenied, ArgotuneError, ConfigInvalid, Conflict, Corrupt, Unavailable
from argotune.ports import ANY, Record, Store
from argotune.records import EVERYONE, seal, tag_of

ACME = "acme_corp"

HOSTILE = [
    "../../etc/passwd", "{{workflow.uid}}", "a}b{", "}", "{}", "a:b", ":", "%7B", "*", "Größe/ä", "日本語 \U0001f600",
    "$(touch x)", "line\nbreak", "nul\x00byte", "'; DROP TABLE records; --", "x" * 5_000, "\ud800 lone surrogate", "",
]  # fmt: skip

HOSTILE_TENANTS = [name for name in HOSTILE if name and "\ud800" not in name and len(name) <= 200]


def made(id: str, body: object = 0, collection: str = "runs") -> Record:
    return Record(collection, id, seal("made", body))


def ids(store: Store, tenant_id: str = ACME, collection: str = "runs") -> list[str]:
    return sorted(record.id for record in store.scan(tenant_id, collection))


def test_what_is_not_there_is_none(store: Store) -> None:
    assert store.read(ACME, "runs", "r1") is None
    assert ids(store) == []
    assert store.remove(ACME, "runs") == 0
    store.let_go(ACME, "routing", "nobody")


def test_a_document_is_read_as_it_was_written_and_can_be_overwritten(store: Store) -> None:
    for record in (made("r1", "first"), made("r1", "second")):
        store.write(ACME, [record])
        assert store.read(ACME, "runs", "r1") == record.document
    assert list(store.scan(ACME, "runs")) == [made("r1", "second")]


def test_records_of_several_collections_are_written_in_one_step(store: Store) -> None:
    records = [made("r1", n, collection) for n, collection in enumerate(("runs", "markers", "experiences.routing"))]
    store.write(ACME, records)
    assert [store.read(ACME, record.collection, "r1") for record in records] == [r.document for r in records]
    store.write(ACME, [])


@pytest.mark.parametrize("expected", ["the tag", ANY])
def test_a_met_expectation_lets_the_write_through(store: Store, expected: str) -> None:
    now, later = made("p", 1), made("p", 2)
    store.write(ACME, [now], {("runs", "p"): None})
    store.write(ACME, [later], {("runs", "p"): tag_of(now.document) if expected == "the tag" else ANY})
    assert store.read(ACME, "runs", "p") == later.document


def test_an_expectation_may_be_about_a_record_that_is_not_written(store: Store) -> None:
    store.write(ACME, [made("p", 1)])
    store.write(ACME, [made("q")], {("runs", "p"): tag_of(made("p", 1).document), ("markers", "none"): None})
    store.write(ACME, [], {("runs", "q"): tag_of(made("q").document)})
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
        {("markers", "p"): tag_of(made("p", 1).document)},
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
    assert [store.read(ACME, "runs", id) for id in HOSTILE] == [record.document for record in records]
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
    assert store.read(tenant_id, "runs", "mine") == made("mine", 1).document
    assert not store.hold(tenant_id, "routing", "somebody else", 60)


def test_collections_do_not_run_into_leases_or_each_other(store: Store) -> None:
    assert store.hold(ACME, "routing", "me", 60)
    for collection in ("lease", "lease:routing", "runs", "runs:r1", "runs."):
        store.write(ACME, [made("r1", collection, collection)], {(collection, "r1"): None})
    assert not store.hold(ACME, "routing", "you", 60)
    store.write(EVERYONE, [made(ACME, 1, "tenants")])
    assert ids(store, EVERYONE, "tenants") == [ACME]


def test_a_document_of_5_mb_is_stored_whole(store: Store) -> None:
    big = made("big", "ä\u0000" * 1_800_000)
    assert len(big.document.encode()) > 5_000_000
    store.write(ACME, [big, made("small")])
    assert store.read(ACME, "runs", "big") == big.document
    store.write(ACME, [made("big")], {("runs", "big"): tag_of(big.document)})
    assert len(list(store.scan(ACME, "runs"))) == 2


def test_scan_gives_each_of_5000_documents_once(store: Store) -> None:
    records = [made(f"r{n}", n) for n in range(5_000)]
    store.write(ACME, records)
    found = list(store.scan(ACME, "runs"))
    assert len(found) == 5_000
    assert set(found) == set(records)


def test_scan_holds_a_few_documents_at_a_time(store: Store) -> None:
    for n in range(200):
        store.write(ACME, [made(f"r{n}", "x" * 100_000)])
    tracemalloc.start()
    try:
        assert sum(len(record.document) for record in store.scan(ACME, "runs")) > 20_000_000
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


def test_a_lease_expires_unless_it_is_renewed(store: Store) -> None:
    for turn in range(4):
        assert store.hold(ACME, "routing", "one", 0.4), turn
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
    assert store.read(ACME, "runs", "counter") == made("counter", 100).document


def _add_one(store: Store) -> bool:
    there = store.read(ACME, "runs", "counter")
    tag, number = (None, 0) if there is None else (tag_of(there), int(there.split('"body":')[1].split(",")[0]))
    try:
        store.write(ACME, [made("counter", number + 1)], {("runs", "counter"): tag})
    except Conflict:
        return False
    return True


CALLS: list[Callable[[Store], object]] = [
    lambda store: store.read(ACME, "runs", "r1"),
    lambda store: list(store.scan(ACME, "runs")),
    lambda store: store.write(ACME, [made("r1")]),
    lambda store: store.write(ACME, [made("r2")], {("runs", "r2"): None}),
    lambda store: store.remove(ACME, "runs", ["r1"]),
    lambda store: store.remove(ACME, "runs"),
    lambda store: store.hold(ACME, "routing", "me", 1),
    lambda store: store.let_go(ACME, "routing", "me"),
]


def test_a_locked_database_is_unavailable_for_writing_only(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(SQLiteStore(path, busy_timeout_s=0.1)) as store, closing(sqlite3.connect(path)) as other:
        store.write(ACME, [made("r1")])
        other.execute("BEGIN IMMEDIATE")
        for call in CALLS[2:]:
            with pytest.raises(Unavailable, match=r"store\.db' is locked"):
                call(store)
        assert store.read(ACME, "runs", "r1") == made("r1").document
        assert list(store.scan(ACME, "runs")) == [made("r1")]
        other.rollback()
        store.write(ACME, [made("r1", 2)])


def test_sqlite_keeps_one_file_in_a_folder_that_it_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for url, path in (
        ("sqlite:///new/folder/a b%20.db", tmp_path / "new/folder/a b%20.db"),
        (f"sqlite:///{tmp_path}/absolute.db", tmp_path / "absolute.db"),
    ):
        store = SQLiteStore.from_url(url)
        store.write(ACME, [made("r1")])
        store.close()
        assert [p.name for p in path.parent.iterdir() if p.is_file()] == [path.name]
        with closing(sqlite3.connect(path)) as file:
            assert file.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert file.execute("SELECT tenant, id FROM records").fetchall() == [(ACME, "r1")]
        assert store.read(ACME, "runs", "r1") == made("r1").document
        store.close()


def _other_application(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE customers (name)")


def _other_schema(path: Path) -> None:
    SQLiteStore(path).close()
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA user_version = 7")


def _damaged(path: Path) -> None:
    with closing(SQLiteStore(path)) as store:
        store.write(ACME, [made(f"r{n}", "x" * 1_000) for n in range(100)])
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (_other_application, ConfigInvalid, "another application"),
        (_other_schema, ConfigInvalid, "schema 7 of another release"),
        (lambda path: path.write_text("tenant,query\n" * 100), ConfigInvalid, "not an SQLite database"),
        (lambda path: path.mkdir(), ConfigInvalid, "cannot be opened"),
        (_damaged, Corrupt, "damaged"),
    ],
)
def test_sqlite_refuses_a_file_that_is_not_ours_and_leaves_it_alone(
    tmp_path: Path, spoil: Callable[[Path], object], error: type[ArgotuneError], message: str
) -> None:
    path = tmp_path / "file.db"
    spoil(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(error, match=message), closing(SQLiteStore(path)) as store:
        list(store.scan(ACME, "runs"))
    assert (path.read_bytes() if path.is_file() else None) == before


@pytest.mark.parametrize(
    "url",
    ["sqlite://", "sqlite:///", "sqlite://a.db", "sqlite:///:memory:", "sqlite:///a.db?mode=ro", "sqlite:///\x00"],
)
def test_sqlite_refuses_a_url_that_names_no_file(url: str) -> None:
    with pytest.raises(ConfigInvalid, match="CONFIG_STORE_URL"):
        SQLiteStore.from_url(url)


def test_sqlite_says_when_its_folder_cannot_be_made_or_holds_no_wal(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigInvalid, match="CONFIG_STORE_URL: the folder of"):
        SQLiteStore(tmp_path / "file" / "store.db")
    with pytest.raises(ConfigInvalid, match="cannot keep a WAL"):
        SQLiteStore(":memory:")


FORKING = """
import os, sys, threading
from argotune.adapters.sqlite_store import SQLiteStore
from argotune.ports import Record
store = SQLiteStore(sys.argv[1])
with store._transaction():
    child = os.fork()
    if child == 0:
        store._lock.acquire()
        store.read("acme", "runs", "none")
        os._exit(0 if next(store.scan("acme", "runs"), None) is None else 1)
    assert os.waitpid(child, 0)[1] == 0
store.write("acme", [Record("runs", "parent", "x" * 80)])
if os.fork() == 0:
    store.write("acme", [Record("runs", "child", "x" * 80)])
    os._exit(0)
os.wait()
assert sorted(record.id for record in store.scan("acme", "runs")) == ["child", "parent"]
"""


def test_sqlite_outlives_a_fork(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", FORKING, str(tmp_path / "store.db")], check=True, timeout=60)


SECRET = "s3cret/pa#ss"
ESCAPED = "s3cret%2Fpa%23ss"


def _all_text(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


@pytest.mark.redis
def test_a_stopped_redis_is_unavailable_and_a_restarted_one_is_found_again(new_redis: Callable) -> None:
    server = new_redis("--requirepass", SECRET)
    with closing(RedisStore.from_url(f"redis://:{ESCAPED}@127.0.0.1:{server.port}/3", timeout_s=2)) as store:
        store.write(ACME, [made("r1")])
        server.stop()
        for call in CALLS:
            with pytest.raises(Unavailable, match=f"127.0.0.1:{server.port}") as caught:
                call(store)
            assert "s3cret" not in _all_text(caught.value)
        server.start()
        for call in CALLS:
            call(store)
        server.stop()
        server.start()
        store.write(ACME, [made("first after a restart")], {("runs", "first after a restart"): None})


@pytest.mark.redis
@pytest.mark.parametrize("credentials", ["", ":s3cret-wrong@", "nobody:s3cret@", "reader:s3cret@"])
@pytest.mark.parametrize("query", ["", "?cluster=true"])
def test_redis_refusing_us_is_access_denied(new_redis: Callable, credentials: str, query: str) -> None:
    reader = ["--user", "reader", "on", ">s3cret", "~argotune:*", "-@all", "+hget"]
    server = new_redis("--requirepass", SECRET, *reader)
    with pytest.raises(AccessDenied, match="CONFIG_STORE_URL") as caught:
        RedisStore.from_url(f"redis://{credentials}127.0.0.1:{server.port}{query}").write(ACME, [made("r1")])
    assert "s3cret" not in _all_text(caught.value)


@pytest.mark.redis
@pytest.mark.parametrize("trouble", [("CONFIG", "SET", "maxmemory", 1), ("REPLICAOF", "127.0.0.1", 1)])
def test_a_full_or_read_only_redis_is_unavailable_for_writing(new_redis: Callable, trouble: tuple) -> None:
    server = new_redis()
    with closing(RedisStore.from_url(server.url)) as store:
        store.write(ACME, [made("r1")])
        server.call(*trouble)
        for expect in (None, {("runs", "r1"): tag_of(made("r1").document)}):
            with pytest.raises(Unavailable):
                store.write(ACME, [made("r1", 2), made("r2")], expect)
        assert list(store.scan(ACME, "runs")) == [made("r1")]


@pytest.mark.redis
def test_a_redis_that_does_not_answer_in_time_is_unavailable(new_redis: Callable) -> None:
    server = new_redis("--enable-debug-command", "yes")
    with closing(RedisStore.from_url(server.url, timeout_s=0.3)) as store:
        sleeper = threading.Thread(target=server.call, args=("DEBUG", "SLEEP", "1.5"))
        sleeper.start()
        time.sleep(0.2)
        with pytest.raises(Unavailable):
            store.read(ACME, "runs", "r1")
        sleeper.join()
        assert store.read(ACME, "runs", "r1") is None


@pytest.mark.redis
def test_a_key_of_another_type_is_corrupt_and_nothing_is_stored(new_redis: Callable) -> None:
    server = new_redis()
    server.call("SET", "argotune:{acme_corp}:markers", "text")
    with closing(RedisStore.from_url(server.url)) as store:
        with pytest.raises(Corrupt):
            store.write(ACME, [made("r1"), made("r1", 1, "markers")])
        assert ids(store) == []


@pytest.mark.redis
def test_redis_says_when_the_url_is_wrong_about_the_cluster(redis_server, redis_cluster) -> None:
    with pytest.raises(ConfigInvalid, match="leave out the cluster option"):
        RedisStore.from_url(redis_server.url + "?cluster=true")
    stores = [RedisStore.from_url(node.url) for node in redis_cluster]
    with pytest.raises(ConfigInvalid, match="cluster=true"):
        [store.read(ACME, "runs", "r1") for store in stores]  # one of them has the slot
    for store in stores:
        store.close()


@pytest.mark.redis
def test_a_database_that_redis_does_not_have_is_a_wrong_url(redis_server) -> None:
    with (
        closing(RedisStore.from_url(redis_server.url + "999")) as store,
        pytest.raises(ConfigInvalid, match="database"),
    ):
        store.read(ACME, "runs", "r1")


@pytest.mark.redis
def test_keys_of_a_tenant_lie_in_one_slot_under_one_prefix(new_redis: Callable) -> None:
    server = new_redis()
    with closing(RedisStore.from_url(server.url)) as store:
        store.write("a}b:{*", [made("r1"), made("r1", 1, "examples.modality.video")])
        store.hold("a}b:{*", "run/x y", "me", 60)
        store.write(EVERYONE, [made("t", 1, "tenants")])
    prefix = "argotune:{a%7Db%3A%7B%2A}:"
    names = ["runs", "examples.modality.video", "lease:run%2Fx%20y"]
    assert set(server.call("KEYS", "*")) == {*(prefix + name for name in names), "argotune:{*}:tenants"}


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://h", Address("h", 6379, 0, None, None, False, {"ssl": False})),
        ("redis://u:p%40%2F@h:7000/5", Address("h", 7000, 5, "u", "p@/", False, {"ssl": False})),
        ("rediss://:p@[::1]:7/", Address("::1", 7, 0, None, "p", False, {"ssl": True})),
        ("redis://h?cluster=true", Address("h", 6379, 0, None, None, True, {"ssl": False})),
        ("redis+cluster://h:1", Address("h", 1, 0, None, None, True, {"ssl": False})),
        (
            "rediss+cluster://h?ssl_ca_certs=/ca.pem",
            Address("h", 6379, 0, None, None, True, {"ssl": True, "ssl_ca_certs": "/ca.pem"}),
        ),
    ],
)
def test_a_redis_url_is_read_in_all_its_parts(url: str, address: Address) -> None:
    assert parse_address(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "redis://", "redis:", "http://u:s3cret@h", "redis://:s3cret/x@h:1/0", "redis://:s3cret#x@h", "redis://:s3cret?x@h",
        "redis://:s3cret@h:port", "redis://:s3cret@h:99999", "redis://:s3cret@h/one", "redis://:s3cret@h/-1",
        "redis://:s3cret@h?cluster=maybe", "redis://h?password=s3cret", "redis://:s3cret@h?ssl_ca_certs=x",
        "redis://:s3cret@h/1?cluster=true", "redis://:s3cret@[::1", "redis://:s3cret@a..b", "redis://:s3cret℀@h",
    ],
)  # fmt: skip
def test_a_bad_redis_url_is_refused_without_showing_the_password(url: str) -> None:
    with pytest.raises(ConfigInvalid, match="CONFIG_STORE_URL") as caught:
        RedisStore.from_url(url)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__suppress_context__
    assert os.linesep not in str(caught.value)
