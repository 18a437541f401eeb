"""Fifty processes change one pointer of a real store at once: one wins, the others are told, nothing is lost."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
import racing_writer

from argotune.adapters.redis import RedisStore
from argotune.adapters.sqlite import SQLiteStore
from argotune.store.collections import Collection
from argotune.store.port import Store
from argotune.store.sealing import unseal

PROCESSES = 50
TENANT, POINTER = "acme_corp", (Collection.CHAMPIONS, "routing")


def command(url: str, folder: Path, count: int, race: str) -> list[str]:
    program = racing_writer.__file__
    return [sys.executable, program, url, str(folder), str(count), race]


def race(url: str, folder: Path, name: str) -> list[list[str]]:
    """What each process saw."""
    subprocess.run(command(url, folder, PROCESSES, name), check=True, timeout=120)
    return [json.loads((folder / f"result-{number}").read_text()) for number in range(PROCESSES)]


def reopened(url: str) -> closing:
    return closing((SQLiteStore if url.startswith("sqlite") else RedisStore).from_url(url))


def pointer(store: Store) -> object:
    text = store.read(TENANT, *POINTER)
    assert text is not None
    return unseal("pointer", text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "race"
    folder.mkdir()
    return folder


def test_of_fifty_racing_processes_one_moves_the_pointer_and_the_others_conflict(store_url: str, folder: Path) -> None:
    seen = race(store_url, folder, "set_champion")
    rounds = list(zip(*seen, strict=True))
    assert [sorted(outcomes) for outcomes in rounds] == [["conflict"] * (PROCESSES - 1) + ["won"]] * len(rounds)
    winners = [outcomes.index("won") for outcomes in rounds]
    with reopened(store_url) as store:
        assert pointer(store) == {"round": len(rounds) - 1, "winner": winners[-1]}
        history = {record.id for record in store.scan(TENANT, Collection.HISTORY)}
    assert history == {f"{turn}/{winner}" for turn, winner in enumerate(winners)}


def test_fifty_processes_that_retry_lose_nothing(store_url: str, folder: Path) -> None:
    seen = race(store_url, folder, "append")
    assert any(seen), "nobody met anybody"
    with reopened(store_url) as store:
        names = pointer(store)
        history = {r.id: unseal("pointer", r.text) for r in store.scan(TENANT, Collection.HISTORY)}
    assert sorted(names) == list(range(PROCESSES))
    assert history == {str(n): names[: n + 1] for n in range(PROCESSES)}


def test_a_killed_writer_leaves_all_or_nothing(store_url: str, folder: Path) -> None:
    for _ in range(3):
        writer = subprocess.Popen(command(store_url, folder, 1, "pairs"))
        try:
            _wait_for(folder / "busy", writer)
            time.sleep(0.05)
        finally:
            writer.kill()
            writer.wait()
        (folder / "busy").unlink()
        with reopened(store_url) as store:
            assert store.read(TENANT, Collection.HISTORY, "same") == store.read(TENANT, *POINTER)
            assert pointer(store)


def _wait_for(file: Path, writer: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + 60
    while not file.exists():
        assert writer.poll() is None
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
