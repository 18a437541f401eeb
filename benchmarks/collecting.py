"""What the stage `collect` takes for all traces of one bound program, kept in a SQLite store of its own."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

from argotune import wiring
from argotune.adapters.memory.traces import MemoryTracker
from argotune.adapters.sqlite import SQLiteStore
from argotune.data.source import TraceSource
from argotune.data.stream import stream_of
from argotune.pipeline.module_pass import Pass
from argotune.pipeline.ports import Ports
from argotune.pipeline.stages.collect import collect
from argotune.programs import programs_of
from argotune.settings import read_settings
from argotune.tenants.binding import TraceBinding
from argotune.tenants.config import RoutingConfigUnified


@contextmanager
def collecting(traces: TraceSource, binding: TraceBinding | None) -> Iterator[Callable[[], dict[str, float]]]:
    """Measures `collect` each time it is called: rows and examples that there are, seconds, MB that were added."""
    config = RoutingConfigUnified(
        tenant_id="bench", min_trace_confidence=0.0, phoenix_lookback_hours=25, traces=binding
    )
    fields = [program.fields for program in programs_of(config, "routing")]
    with tempfile.TemporaryDirectory() as folder, closing(SQLiteStore(Path(folder) / "store.db")) as store:
        ports = Ports(store, traces, MemoryTracker(), SimpleNamespace(), lambda: wiring.open_embedders(read_settings()),
            lambda _: None, clock=wiring.utc_now, new_id=wiring.new_id)  # fmt: skip

        def collected() -> dict[str, float]:
            before_mb, started, cpu = peak_mb(), time.perf_counter(), time.process_time()
            counts = collect(Pass(ports, config, "routing"), fields).datasets["routing"].counts
            took = {"s": time.perf_counter() - started, "cpu_s": time.process_time() - cpu, "mb": peak_mb() - before_mb}
            return {"rows": counts["experiences"], "examples": counts["examples"], **took}

        yield collected


def reading(traces: TraceSource, binding: TraceBinding) -> dict[str, float]:
    """What reading alone takes of them: nothing is kept, and what was read is forgotten."""
    config, since = RoutingConfigUnified(tenant_id="bench", traces=binding), wiring.utc_now() - timedelta(hours=25)
    before_mb, started, cpu = peak_mb(), time.perf_counter(), time.process_time()
    rows = sum(1 for _ in traces.spans_after(stream_of(config, "routing"), None, since))
    took = {"s": time.perf_counter() - started, "cpu_s": time.process_time() - cpu, "mb": peak_mb() - before_mb}
    return {"rows": rows, **took}


def peak_mb() -> float:
    """The most that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
