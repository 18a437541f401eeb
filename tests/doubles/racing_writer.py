"""A program for test_store_races.py: many processes that change one pointer record of a store at the same time.

    racing_writer.py URL FOLDER COUNT {set_champion,append,pairs}

It forks COUNT processes, each of which opens the store for itself, and lets them go by creating files in FOLDER.
Fifty interpreters would spend most of the time on their imports and hardly ever meet. Each process leaves what it
saw in FOLDER/result-<number>.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from pathlib import Path

from argotune.adapters.redis import RedisStore
from argotune.adapters.sqlite import SQLiteStore
from argotune.errors import Conflict
from argotune.store.collections import Collection
from argotune.store.port import Record
from argotune.store.sealing import seal, tag_of, unseal

TENANT = "acme_corp"
POINTER = (Collection.CHAMPIONS, "routing")
ROUNDS = 5
LIMIT_S = 60.0


def open_store(url: str) -> SQLiteStore | RedisStore:
    return (SQLiteStore if url.startswith("sqlite") else RedisStore).from_url(url)


def wait_for(folder: Path, *names: str) -> None:
    deadline_s = time.monotonic() + LIMIT_S
    while not all((folder / name).exists() for name in names):
        if (folder / "failed").exists() or time.monotonic() > deadline_s:
            raise TimeoutError(f"{names[0]} and so on: not here, or another process failed")
        time.sleep(0.002)


def gather(folder: Path, number: int, step: str) -> None:
    """Wait until all processes are here."""
    (folder / f"{step}-{number}").touch()
    wait_for(folder, f"{step}-go")


def let_go(folder: Path, count: int, step: str) -> None:
    wait_for(folder, *(f"{step}-{number}" for number in range(count)))
    (folder / f"{step}-go").touch()


def set_champion(url: str, folder: Path, number: int) -> list[str]:
    """In each round everybody has seen the same pointer and moves it once, with a line of history."""
    gather(folder, number, "open")
    store = open_store(url)
    outcomes = []
    for turn in range(ROUNDS):
        gather(folder, number, f"read-{turn}")
        there = store.read(TENANT, *POINTER)
        gather(folder, number, f"write-{turn}")
        text = seal("pointer", {"round": turn, "winner": number})
        records = [Record(*POINTER, text), Record(Collection.HISTORY, f"{turn}/{number}", text)]
        try:
            store.write(TENANT, records, {POINTER: None if there is None else tag_of(there)})
            outcomes.append("won")
        except Conflict:
            outcomes.append("conflict")
    store.close()
    return outcomes


def append(url: str, folder: Path, number: int) -> list[str]:
    """Add this process to the list in the pointer, however often somebody else is faster."""
    gather(folder, number, "open")
    store = open_store(url)
    gather(folder, number, "append")
    conflicts = 0
    while True:
        there = store.read(TENANT, *POINTER)
        names = [] if there is None else unseal("pointer", there)
        time.sleep(0.003)  # thinking: others read the same pointer now
        text = seal("pointer", [*names, number])
        records = [Record(*POINTER, text), Record(Collection.HISTORY, f"{len(names)}", text)]
        expect = {POINTER: None if there is None else tag_of(there), (Collection.HISTORY, f"{len(names)}"): None}
        try:
            store.write(TENANT, records, expect)
            break
        except Conflict:
            conflicts += 1
    store.close()
    return ["conflict"] * conflicts


def pairs(url: str, folder: Path, number: int) -> list[str]:
    """Write the same number into two records, for ever: somebody is going to kill this process."""
    store = open_store(url)
    for turn in range(1_000_000):
        text = seal("pointer", [number, turn, "x" * 20_000])
        store.write(TENANT, [Record(*POINTER, text), Record(Collection.HISTORY, "same", text)])
        if turn == 20:
            (folder / "busy").touch()
    return []


RACES = {"set_champion": set_champion, "append": append, "pairs": pairs}


def fork(race: str, url: str, folder: Path, number: int) -> int:
    child = os.fork()
    if child:
        return child
    is_done = False
    try:
        outcomes = RACES[race](url, folder, number)
        (folder / f"result-{number}").write_text(json.dumps(outcomes))
        is_done = True
    finally:  # a child never returns into the code of its parent
        if not is_done:
            traceback.print_exc()
            (folder / "failed").touch()
        os._exit(0 if is_done else 1)


def main(url: str, folder: Path, count: int, race: str) -> int:
    if race == "pairs":
        pairs(url, folder, 0)
    children = [fork(race, url, folder, number) for number in range(count)]
    turns = [step for turn in range(ROUNDS) for step in (f"read-{turn}", f"write-{turn}")]
    for step in ("open", *(turns if race == "set_champion" else ["append"])):
        let_go(folder, count, step)
    return int(any([os.waitpid(child, 0)[1] for child in children]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
