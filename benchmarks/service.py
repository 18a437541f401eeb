"""The continuous service over many tenants in one process, on a clock that runs faster than the machine's.

    python benchmarks/service.py [--tenants 1000] [--busy 50] [--minutes 30] [--speed 10] [--cold]

Store and traces are in memory and answer after 1 ms and 20 ms, as a Redis and a Phoenix near by do; LMs are scripted.
The busy tenants begin with 150 labelled decisions and get ten every five minutes, and the LM of one of them never
answers. The others were looked at before; with --cold nobody was, so that all 1,000 are due at once.
The clock is `speed` times as fast as the work, so that lateness is that of a machine so many times slower. `settled`
are the calls from then on when every busy tenant but the hanging one had its first visit.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

sys.path += [str(Path(__file__).parents[1] / "tests" / folder) for folder in ("", "doubles")]

from world import START, World

from argotune.pipeline.operations.attending import Visit, VisitAsked, attend
from argotune.scheduling.chores import Chore, ServiceRules
from argotune.service.loop import Service

STORE_S, TRACES_S = 0.001, 0.02
HANGS = "busy-000"


class Slow:
    """Passes everything on after a while, and counts the calls by name."""

    def __init__(self, inner: object, wait_s: float) -> None:
        self._inner, self._wait_s, self.calls = inner, wait_s, Counter[str]()

    def __getattr__(self, name: str):
        method = getattr(self._inner, name)

        def call(*args, **kwargs):
            self.calls[name] += 1
            time.sleep(self._wait_s)
            return method(*args, **kwargs)

        return call


def world_of(tenants: int, busy: int, *, is_cold: bool) -> World:
    world = World()
    for number in range(tenants):
        tenant_id = f"busy-{number:03}" if number < busy else f"idle-{number:04}"
        world.tenant(tenant_id)
        if number < busy:
            world.receive(150, tenant_id)
        elif not is_cold:
            attend(world.ports, VisitAsked(tenant_id, frozenset({Chore.SPANS})))
    return world


def measured(tenants: int, busy: int, minutes: float, speed: float, *, is_cold: bool = False) -> dict[str, object]:
    """What the service did in so many minutes of its clock."""
    world, gate, stop, began = (
        world_of(tenants, busy, is_cold=is_cold),
        threading.Event(),
        threading.Event(),
        time.monotonic(),
    )

    def clock():
        return START + timedelta(seconds=(time.monotonic() - began) * speed)

    world.lms.on_call = lambda: gate.wait() if threading.current_thread().name.endswith(HANGS) else None
    store, traces = Slow(world.store, STORE_S), Slow(world.traces, TRACES_S)
    ports = replace(world.ports, store=store, traces=traces, clock=clock)
    seen, first = Counter[str](), SimpleNamespace(at=None, calls=None)

    def on_visit(visit: Visit) -> None:
        seen[visit.tenant_id] += visit.failure is None
        if first.at is None and len(_busy(seen)) >= busy - 1:
            first.at, first.calls = clock(), (Counter(store.calls), Counter(traces.calls))

    service = Service(ports, ServiceRules(stop_s=1), lambda _: None, on_visit=on_visit)
    cpu, before_mb = time.process_time(), _peak_mb()
    thread = threading.Thread(target=service.run, args=(stop,))
    thread.start()
    _feed(world, busy, began + minutes * 60 / speed, speed)
    figures, took_cpu = service.figures, time.process_time() - cpu
    stop.set()
    thread.join()
    gate.set()
    ended = START + timedelta(minutes=minutes)
    calls = first.calls or (Counter(), Counter())
    settled_min = (ended - first.at).total_seconds() / 60 if first.at else 0.0
    return {
        "busy_visited": len(_busy(seen)),
        "hanging": {"visits": seen[HANGS], "at_work": figures.tenants["at work"]},
        "visits": dict(figures.visits),
        "late_s": {c: {"mean": x.total_s / x.visits, "most": x.longest_s} for c, x in figures.lateness.items()},
        "cpu_s": took_cpu,
        "cpu_share": took_cpu / (minutes * 60),
        "mb": {"before": before_mb, "peak": _peak_mb()},
        "store": dict(store.calls),
        "traces": dict(traces.calls),
        "settled": {
            "minutes": settled_min,
            "store": sum((store.calls - calls[0]).values()),
            "traces": sum((traces.calls - calls[1]).values()),
        },
        "spans": figures.passed.spans,
    }


def _busy(seen: Counter[str]) -> list[str]:
    return [tenant_id for tenant_id, visits in seen.items() if visits and tenant_id.startswith("busy")]


def _feed(world: World, busy: int, until: float, speed: float) -> None:
    """Ten decisions for each busy tenant every five minutes."""
    sent = 150
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, 300 / speed))
        for number in range(busy):
            world.receive(10, f"busy-{number:03}", first=sent)
        sent += 10


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(tell: Callable[[str], None] = print) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenants", type=int, default=1000)
    parser.add_argument("--busy", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--speed", type=float, default=10)
    parser.add_argument("--cold", action="store_true")
    asked = parser.parse_args()
    found = measured(asked.tenants, asked.busy, asked.minutes, asked.speed, is_cold=asked.cold)
    tell(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
