"""What the SQLite store does beyond the contract: its file, its refusals, locks and forks."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from made import ACME, made, only_r1_is_corrupt

from argotune.adapters.sqlite import SQLiteStore
from argotune.errors import ArgotuneError, ConfigInvalid, Corrupt, Unavailable
from argotune.store.port import Store


def test_a_locked_database_is_unavailable_for_writing_only(
    tmp_path: Path, reading: Sequence[Callable[[Store], object]], writing: Sequence[Callable[[Store], object]]
) -> None:
    path = tmp_path / "store.db"
    with closing(SQLiteStore(path, busy_timeout_s=0.1)) as store, closing(sqlite3.connect(path)) as other:
        store.write(ACME, [made("r1")])
        other.execute("BEGIN IMMEDIATE")
        for call in writing:
            with pytest.raises(Unavailable, match=r"store\.db' is locked"):
                call(store)
        assert [call(store) for call in reading] == [made("r1").text, [made("r1")], None]
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
        assert store.read(ACME, "runs", "r1") == made("r1").text
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
        (lambda path: path.mkdir(), ConfigInvalid, "no ordinary file"),
        (lambda path: path.symlink_to("/dev/null"), ConfigInvalid, "no ordinary file"),
        (lambda path: path.symlink_to("/dev/full"), ConfigInvalid, "no ordinary file"),
        (lambda path: path.symlink_to(path), ConfigInvalid, "cannot be opened"),
        (lambda path: os.mkfifo(path), ConfigInvalid, "no ordinary file"),
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
import os, signal, sys, threading
from argotune.adapters.sqlite import SQLiteStore
from argotune.store.port import Record

store = SQLiteStore(sys.argv[1])
is_writing, may_end = threading.Event(), threading.Event()

def write():
    with store._transaction():
        is_writing.set()
        may_end.wait()

def child(work):
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        work()
        os._exit(0)
    return pid

writer = threading.Thread(target=write)
writer.start()
is_writing.wait()
reader = child(lambda: store.read("acme", "runs", "none"))  # the lock of the parent's thread is not inherited
assert os.waitpid(reader, 0)[1] == 0
may_end.set()
writer.join()
store.write("acme", [Record("runs", "parent", "x" * 80)])
assert os.waitpid(child(lambda: store.write("acme", [Record("runs", "child", "x" * 80)])), 0)[1] == 0
assert sorted(record.id for record in store.scan("acme", "runs")) == ["child", "parent"]
"""


def test_sqlite_outlives_a_fork(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", FORKING, str(tmp_path / "store.db")], check=True, timeout=60)


@pytest.mark.parametrize("ahead_s", [2 * 365 * 86_400, 70])
def test_a_lease_further_ahead_than_its_term_was_taken_by_a_wrong_clock_and_binds_nobody(
    tmp_path: Path, ahead_s: float
) -> None:
    path = tmp_path / "store.db"
    with closing(SQLiteStore(path)) as store:
        assert store.hold(ACME, "routing", "one", 60)
        assert not store.hold(ACME, "routing", "two", 1), "a short term of one's own voids no longer one"
        with closing(sqlite3.connect(path, isolation_level=None)) as file:
            file.execute("UPDATE leases SET expires_s = expires_s + ?", (ahead_s,))
        assert store.hold(ACME, "routing", "two", 60)
        assert not store.hold(ACME, "routing", "one", 60)


def test_a_file_made_before_leases_had_terms_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(SQLiteStore(path)) as store:
        store.write(ACME, [made("r1", "kept")])
        assert store.hold(ACME, "routing", "one", 60)
        assert store.hold(ACME, "modality", "one", 60)
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("ALTER TABLE leases DROP COLUMN term_s")
        file.execute("UPDATE leases SET expires_s = expires_s + 1e6 WHERE name = 'modality'")
    with closing(SQLiteStore(path)) as store:
        assert store.read(ACME, "runs", "r1") is not None
        assert not store.hold(ACME, "routing", "two", 60)
        assert store.hold(ACME, "modality", "two", 60)


def test_a_byte_that_is_no_text_makes_a_record_corrupt_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(SQLiteStore(path)) as store, closing(sqlite3.connect(path)) as other:
        store.write(ACME, [made("r1"), made("r2")])
        other.execute("UPDATE records SET document = CAST(? AS TEXT) WHERE id = 'r1'", (b'{"hash":"\xff\xfe',))
        other.commit()
        only_r1_is_corrupt(store)
