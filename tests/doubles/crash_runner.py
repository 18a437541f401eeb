"""Runs the loop in a process that is killed (SIGKILL) at a chosen write, then again to its end; prints what is left.

    crash_runner.py FOLDER promoting|gathering|cascade few|all

Kills at writes of one run, each on a fresh SQLite file, in forked children; the parent then finishes the run and prints
one JSON line for each kill. `all`: before and after every write. `few`: in turn before or after the middle write of
each collection, and at the last of all. With `gathering` it is a later run of an open contest, with `cascade` one that
trains a student in front of an LM that is right on every other question, of `all` only at each sixth write: it trains
anew after each kill.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from world import START, ScriptedLMs, World, half_right, traffic

from argotune.adapters.memory.traces import MemoryTracker
from argotune.adapters.sqlite import SQLiteStore
from argotune.data import gathering_steps
from argotune.labels.queue import AnnotationQueue
from argotune.pipeline.module_pass import Request
from argotune.pipeline.passes import run_module
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.registry import Registry
from argotune.runs.book import RunBook
from argotune.runs.module_book import ModuleBook
from argotune.runs.progress import PassState
from argotune.store.port import Record

N_DECISIONS = 150


class KilledAtWrite(SQLiteStore):
    """A store whose process is killed just before or just after the n-th write; LM answers count as one write in 30."""

    kill_at: int | None = None
    kill_after = False
    answers = 0

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.written: list[str] = []

    def write(
        self, tenant_id: str, records: Sequence[Record], expect: Mapping[tuple[str, str], str | None] | None = None
    ) -> None:
        is_answer = bool(records) and records[0].collection == "answers"
        self.answers += is_answer
        counts = not is_answer or self.answers % 30 == 0
        if counts:
            self.written.append(records[0].collection if records else "nothing")
        is_due = counts and len(self.written) == self.kill_at
        if is_due and not self.kill_after:
            os.kill(os.getpid(), signal.SIGKILL)
        super().write(tenant_id, records, expect)
        if is_due:
            os.kill(os.getpid(), signal.SIGKILL)

    def forget(self) -> None:
        """Count from here on."""
        self.written.clear()
        self.answers = 0


def world_on(path: Path) -> World:
    """A world on a SQLite file; traces and tracker are rebuilt the same each time, as servers outlive a pod."""
    # Who runs again has the ids of who was killed, and so its lease: none waits for it to lapse.
    world = World(store=KilledAtWrite(path), lms=ScriptedLMs(), tracker=MemoryTracker())
    world.new_config = world.tenant("acme")
    world.receive(N_DECISIONS)
    world.traces.record("acme", traffic("acme", 40, first=N_DECISIONS)[0])
    world.store.forget()
    return world


def gathering_on(path: Path) -> World:
    """A world two hours after a run that opened a contest, with requests that nobody has labelled."""
    base = path.with_name("base.db")
    if path != base and not path.exists():
        for part in path.parent.glob(f"{base.name}*"):
            shutil.copy(part, path.with_name(part.name.replace(base.name, path.name)))
    world = world_on(path)
    world.new_config = world.tenant("acme", contest={"min_people_labels": 1000}, min_samples_for_optimization=30)
    if path != base:
        world.traces.record("acme", traffic("acme", 40, first=1000)[0])
        world.later(hours=2)
        world._ids = itertools.count(100)
    world.store.forget()
    return world


def cascade_on(path: Path) -> World:
    """A world whose tenant wants a cascade."""
    world = world_on(path)
    world.new_config = world.tenant("acme", preferred_optimizer="cascade")
    world.lms.answer = half_right
    world.store.forget()
    return world


MODES = {"promoting": (world_on, 1), "gathering": (gathering_on, 1), "cascade": (cascade_on, 6)}


def run(world: World) -> None:
    run_module(world.ports, world.new_config, "routing", Request())


def killed(path: Path, kill_at: int, kill_after: bool, start: Callable[[Path], World]) -> bool:
    """Run in a child; whether it was killed."""
    child = os.fork()
    if child == 0:
        world = start(path)
        world.store.kill_at, world.store.kill_after = kill_at, kill_after
        run(world)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def left(world: World) -> dict[str, object]:
    """Finish the run and say what is there."""
    world.later(seconds=5)
    run(world)
    registry, book = Registry(world.store, "acme"), RunBook(world.store, "acme")
    champion, _ = registry.champion("routing")
    runs = book.runs()
    return {
        "champion": champion.version if champion else None,
        "promotions": len(registry.history("routing")),
        "outcomes": [r.outcome for r in runs],
        "contests": [c.state for c in ContestBook(world.store, "acme").contests()],
        "answered": sum(len(page.pairs) for page in ContestBook(world.store, "acme").pages(runs[0].contest or "")),
        "paid": sum(r.lm_calls for r in runs),
        "answers": sum(1 for _ in world.store.scan("acme", "answers")),
        "calls_again": world.lms.calls,
        "queue": [[i.span_id, i.reason, i.is_marked] for i in AnnotationQueue(world.store, "acme").items()],
        "queued": AnnotationQueue(world.store, "acme").queued_on(world.now.date()),
        "labels": ModuleBook(world.store, "acme", "routing").read(PassState).settled_labels,
    }


def moments(written: Sequence[str], step: int) -> list[tuple[int, bool]]:
    """Each `step`-th write, before and after it."""
    return [(kill_at, kill_after) for kill_at in range(1, len(written) + 1, step) for kill_after in (False, True)]


def few_moments(written: Sequence[str]) -> list[tuple[int, bool]]:
    """The middle write of each collection and the last, in turn before and after it."""
    numbers: dict[str, list[int]] = {}
    for number, collection in enumerate(written, 1):
        numbers.setdefault(collection, []).append(number)
    chosen = sorted({*(of_one[len(of_one) // 2] for of_one in numbers.values()), len(written)})
    return [(kill_at, bool(turn % 2)) for turn, kill_at in enumerate(chosen)]


def main(folder: Path, start: Callable[[Path], World], step: int, is_few: bool) -> None:
    if start is gathering_on:
        run(start(folder / "base.db"))
    world = start(folder / "whole.db")
    say({"whole": left(world), "start": START.isoformat()})
    written = world.store.written
    for kill_at, kill_after in few_moments(written) if is_few else moments(written, step):
        path = folder / f"{kill_at}-{kill_after}.db"
        assert killed(path, kill_at, kill_after, start), f"it ended before write {kill_at}"
        say({"kill_at": kill_at, "after": kill_after, **left(start(path))})


def say(what: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    gathering_steps.AT_ONCE = 60  # so that they are taken in in steps, and it is killed between these
    main(Path(sys.argv[1]), *MODES[sys.argv[2]], sys.argv[3] == "few")
