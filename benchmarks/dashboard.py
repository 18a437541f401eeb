"""Time of what the dashboard's first page shows, over a store with many tenants and runs.

    python benchmarks/dashboard.py [--tenants 1000] [--runs 50000] [--times 5] [--redis redis://localhost:6379/0]
                                   [--keep FOLDER]

Fills a SQLite file, and a Redis: an empty one that is named, else one that is started here. Every tenant has runs that
were rejected, one open contest in ten, twenty queued spans of which half wait; ten passes hold their leases. Then it
times `fleet_standing` and what `argotune fleet --json` prints of it, in this process, importing not counted; the
smallest, the median and the largest of so many times. With --keep the SQLite file stays, for a dashboard to open.
"""

from __future__ import annotations

import argparse
import json
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

AT_WORK = 10
NOW = NOON + timedelta(days=100)


def fill(store: Store, tenants: int, runs: int) -> None:
    """So many runs over so many tenants, with the records that passes leave beside them."""
    for number in range(tenants):
        tenant_id = f"tenant-{number:05}"
        Configs(store).save(make_config(tenant_id=tenant_id, enable_auto_optimization=number % 20 > 0))
        found = list(_runs(tenant_id, runs * (number + 1) // tenants - runs * number // tenants))
        sums = [to_record(Collection.RUN_SUMS, name, s) for name, s in sums_of(run.summary for run in found).items()]
        store.write(tenant_id, [*map(RunBook.record_of, found), *sums, *_queue(number)])
        if number % 10 == 0:
            opened = ContestBook(store, tenant_id).opening(make_contest(), Shares())
            store.write(tenant_id, list(opened))
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


def measured(store: Store, times: int) -> dict[str, list[float]]:
    """Seconds of each page's operations, so many times."""
    one = "tenant-00000"
    pages: dict[str, Callable[[], object]] = {
        "fleet": lambda: json.dumps(fleet_standing(store, NOW).as_json()),
        "accuracy of a tenant": lambda: accuracy_over_time(store, one),
        "decisions of a tenant": lambda: decisions_of(store, one),
    }
    return {name: [_seconds(page) for _ in range(times)] for name, page in pages.items()}


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


@contextmanager
def redis_of(url: str | None, folder: Path) -> Iterator[RedisStore | None]:
    """A store on the Redis that is named, else on one of our own; None where that is not on PATH."""
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
        yield store


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


def tell(name: str, store: Store, tenants: int, runs: int, times: int) -> None:
    began = time.perf_counter()
    fill(store, tenants, runs)
    print(f"| {name}: filled with {tenants:,} tenants and {runs:,} runs | {time.perf_counter() - began:.0f} s | | |")
    for page, seconds in measured(store, times).items():
        shown = (min(seconds), statistics.median(seconds), max(seconds))
        print(f"| {name}: {page} | " + " | ".join(f"{each:.3f} s" for each in shown) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenants", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=50_000)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--redis")
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args()
    print("| page | smallest | median | largest |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.keep or Path(temporary)
        with closing(SQLiteStore(folder / "state.db")) as store:
            tell("SQLite", store, asked.tenants, asked.runs, asked.times)
        with redis_of(asked.redis, Path(temporary)) as redis:
            if redis:
                tell("Redis", redis, asked.tenants, asked.runs, asked.times)


if __name__ == "__main__":
    main()
