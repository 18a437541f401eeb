"""Time of what the dashboard's first page shows, over a store with many tenants and runs.

    python benchmarks/dashboard.py [--tenants 1000] [--runs 50000] [--times 5] [--redis redis://localhost:6379/0]
                                   [--keep FOLDER] [--page .venv-dashboard/bin/python]

Fills a SQLite file, and a Redis: an empty one that is named, else one that is started here. Every tenant has runs that
were rejected, one open contest in ten, twenty queued spans of which half wait; ten passes hold their leases. Then it
times `fleet_standing` and what `argotune fleet --json` prints of it, in this process, importing not counted; the
smallest, the median and the largest of so many times, and the CPU that they took. With --keep the SQLite file stays,
for a dashboard to open. With --page the dashboard is started on each store, and its first page loaded in Chromium so
many times, until nothing is drawn any more. The first takes longest: the browser knows nothing yet.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path

sys.path += [str(Path(__file__).parents[1] / "tests")]

from factories import NOON, make_config, make_contest, make_run, make_verdict

from argotune.adapters.redis import RedisStore
from argotune.adapters.sqlite import SQLiteStore
from argotune.data.live_quality import DayScores, LiveQuality, ScoredBy
from argotune.data.splitting import Split
from argotune.errors import Unavailable
from argotune.labels.queue import QueueItem, keep_waiting
from argotune.labels.selection import Reason
from argotune.pipeline.operations.accuracy import accuracy_over_time
from argotune.pipeline.operations.decisions import decisions_of
from argotune.pipeline.operations.fleet import fleet_standing
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.contests import Shares
from argotune.runs.at_work import PassAtWork
from argotune.runs.book import RunBook
from argotune.runs.run import Run, RunState
from argotune.runs.sums import sums_of
from argotune.runs.tallies import keep_tally
from argotune.store.collections import EVERYONE, Collection
from argotune.store.port import Record, Store
from argotune.store.records import to_record
from argotune.tenants.catalog import Configs

ROOT = Path(__file__).parents[1]
AT_WORK = 10
NOW = NOON + timedelta(days=100)


def fill(store: Store, tenants: int, runs: int) -> None:
    """So many runs over so many tenants, with the records that passes leave beside them."""
    for number in range(tenants):
        tenant_id = f"tenant-{number:05}"
        Configs(store).save(make_config(tenant_id=tenant_id, enable_auto_optimization=number % 20 > 0))
        found = list(_runs(tenant_id, runs * (number + 1) // tenants - runs * number // tenants))
        sums = [to_record(Collection.RUN_SUMS, name, s) for name, s in sums_of(run.summary for run in found).items()]
        store.write(tenant_id, [*map(RunBook.record_of, found), *sums, *_queue(number), _live()])
        if number % 10 == 0:
            contest = make_contest(judged_by=found[-1].id if found else "").with_point(NOW, 200)
            store.write(tenant_id, list(ContestBook(store, tenant_id).opening(contest, Shares())))
        keep_tally(store, tenant_id, NOW)
        keep_waiting(store, tenant_id)
        if number < AT_WORK:
            _begin(store, tenant_id)


def _runs(tenant_id: str, count: int) -> Iterator[Run]:
    for number in range(count):
        began = NOON + timedelta(hours=number)
        yield make_run(
            id=f"routing-{number}",
            tenant_id=tenant_id,
            state=RunState.REPORTED,
            started_at=began,
            ended_at=began + timedelta(minutes=3),
            verdict=make_verdict("rejected", "rejected: it cannot be shown any more to be better"),
            lm_calls=300,
            lm_tokens=90_000,
            lm_priced=300,
            lm_nano_usd=45_000_000,
        )


def _queue(tenant: int) -> list[Record]:
    items = (
        QueueItem(
            span_id=f"{tenant:08x}{number:08x}",
            program="routing",
            module="routing",
            split=Split.DEV,
            reason=Reason.LOT,
            probability=0.1,
            queued_at=NOON,
            done_at=NOON if number % 2 else None,
        )
        for number in range(20)
    )
    return [to_record(Collection.QUEUE, item.span_id, item) for item in items]


def _live() -> Record:
    """Ninety days of a champion."""
    days = tuple(
        DayScores(
            day=(NOW - timedelta(days=90 - number)).date(), version="v1", scored_by=by, count=2_400, total=2_100.0
        )
        for number in range(90)
        for by in ScoredBy
    )
    return to_record(Collection.LIVE, "routing", LiveQuality(program="routing", version="v1", days=days))


def _begin(store: Store, tenant_id: str) -> None:
    lease, holder = "run/routing", f"holder of {tenant_id}"
    store.hold(tenant_id, lease, holder, 3600)
    begun = PassAtWork(
        tenant_id=tenant_id,
        module="routing",
        lease=lease,
        holder=holder,
        since=NOW,
        step_since=NOW,
        told_at=NOW,
        what="routing: training by gepa",
        done=20,
        total=50,
    )
    store.write(EVERYONE, [begun.record])


Times = list[tuple[float, float | None]]
"""Seconds by the clock, and of this process's CPU where the work is done in it."""


def measured(store: Store, times: int) -> dict[str, Times]:
    """Each page's operations, so many times."""
    one = "tenant-00000"
    pages: dict[str, Callable[[], object]] = {
        "fleet": lambda: json.dumps(fleet_standing(store, NOW).as_json()),
        "accuracy of a tenant": lambda: accuracy_over_time(store, one),
        "decisions of a tenant": lambda: decisions_of(store, one),
    }
    return {name: [_seconds(page) for _ in range(times)] for name, page in pages.items()}


def _seconds(call: Callable[[], object]) -> tuple[float, float]:
    began, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - began, time.process_time() - cpu


@contextmanager
def redis_of(url: str | None, folder: Path) -> Iterator[tuple[RedisStore, str] | None]:
    """A store and its URL, of the Redis that is named, else of one of our own; None where that is not on PATH."""
    program = shutil.which("redis-server")
    if url is None and program is None:
        yield None
        return
    with ExitStack() as stack:
        if url is None:
            port = _free_port()
            command = [str(program), "--port", str(port), "--save", "", "--dir", str(folder), "--loglevel", "warning"]
            server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            stack.callback(server.wait)
            stack.callback(server.kill)
            url = f"redis://127.0.0.1:{port}/0"
        store = stack.enter_context(closing(RedisStore.from_url(url)))
        _await(store)
        yield store, url


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(store: Store) -> None:
    for _ in range(100):
        with suppress(Unavailable):
            store.read(EVERYONE, Collection.TENANTS, "")
            return
        time.sleep(0.1)


def loaded(python: Path, url: str, times: int) -> Times:
    """How long it takes until the first page stands in a browser, of a dashboard that was just started."""
    port = _free_port()
    options = ["--server.headless", "true", "--server.port", str(port)]
    command = [python.with_name("streamlit"), "run", "scripts/phoenix_dashboard.py", *options]
    environment = {**os.environ, "CONFIG_STORE_URL": url}
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await_port(port)
        asked = {"chromium": shutil.which("chromium"), "url": f"http://127.0.0.1:{port}/", "paths": [""] * times}
        reader = [python, ROOT / "tests" / "acceptance" / "read_pages.py"]
        done = subprocess.run(reader, input=json.dumps(asked), capture_output=True, text=True, check=True)
        pages = json.loads(done.stdout)["pages"]
        assert all(page["metrics"] for page in pages), pages[0]["body"]
        return [(page["seconds"], None) for page in pages]
    finally:
        server.terminate()
        server.wait(30)


def _await_port(port: int) -> None:
    for _ in range(600):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)


def tell(name: str, store: Store, url: str, asked: argparse.Namespace) -> None:
    """The rows of one store."""
    began = time.perf_counter()
    fill(store, asked.tenants, asked.runs)
    what = f"filled with {asked.tenants:,} tenants and {asked.runs:,} runs"
    print(f"| {name}: {what} | {time.perf_counter() - began:.0f} s | | | |", flush=True)
    found = measured(store, asked.times)
    if asked.page:
        found["first page in a browser"] = loaded(asked.page, url, asked.times)
    for page, taken in found.items():
        seconds, cpu = [each for each, _ in taken], [each for _, each in taken if each is not None]
        shown = [min(seconds), statistics.median(seconds), max(seconds), *([statistics.median(cpu)] if cpu else [])]
        cells = [f"{each:.3f} s" for each in shown] + [""] * (4 - len(shown))
        print(f"| {name}: {page} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenants", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=50_000)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--redis")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--page", type=Path)
    asked = parser.parse_args()
    print("| page | smallest | median | largest | CPU, median |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.keep or Path(temporary)
        path = (folder / "state.db").resolve()
        with closing(SQLiteStore(path)) as store:
            tell("SQLite", store, f"sqlite:///{path}", asked)
        with redis_of(asked.redis, Path(temporary)) as redis:
            if redis:
                tell("Redis", *redis, asked)


if __name__ == "__main__":
    main()
