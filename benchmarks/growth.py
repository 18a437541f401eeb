"""What an old tenant costs: a store of one tenant with many experiences and runs, and what each command takes on it.

    python benchmarks/growth.py [--experiences 200000] [--runs 20000] [--new 100] [--max-examples 5000] [--store-url redis://...]

Fills a SQLite file in a temporary folder (or an empty store that is named; it is emptied at the end) by a first pass
over made-up traces, writes runs of the past, and measures each step in a fresh process: wall time, CPU, peak memory and
the calls to the store. Traces and the LM are made up in the process, so what Phoenix takes is not in the figures.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

from collecting import peak_mb

from argotune import wiring
from argotune.adapters.memory.traces import MemoryTracker
from argotune.data.annotations import Annotation, LabelSource
from argotune.data.cursor import Cursor
from argotune.data.source import SpanRead
from argotune.data.spans import Span
from argotune.data.stream import Stream
from argotune.lm.port import LMs
from argotune.pipeline.module_pass import Request
from argotune.pipeline.passes import run_module
from argotune.pipeline.ports import Ports
from argotune.promotion.verdicts import Comparison, Numbers, Objection, Rejected, Score
from argotune.runs.book import RunBook
from argotune.runs.module_book import ModuleBook
from argotune.runs.run import Run, RunState, Skip
from argotune.runs.sums import sums_of
from argotune.settings import read_settings
from argotune.stats.interval import Interval
from argotune.store.collections import Collection
from argotune.store.records import to_record
from argotune.tenants.catalog import Configs
from argotune.tenants.config import RoutingConfigUnified, TrainingRules

TENANT = "old"
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
AGENTS = ("video_search_agent", "image_search_agent", "summarizer_agent", "detailed_report_agent")
WORDS = [
    f"{a}{b}{c}"
    for a in ("ba", "ke", "li", "mo", "nu", "ra", "se", "ti", "vo", "zu")
    for b in "lmnrst"
    for c in ("and", "elt", "ine", "ock", "ust", "age", "ery", "ish", "om", "ule")
]
LABELLED_EVERY = 100
TEST_EXAMPLES = 400
JUDGED_EVERY = 50
STEPS = ("first", "idle", "new", "trigger", "status", "annotate", "exporter")


def span(number: int, count: int) -> Span:
    """The decision of this number: four to ten words, one in eight failed, spread over eighty days."""
    draw = random.Random(number)
    query = " ".join(draw.choices(WORDS, k=draw.randint(4, 10)))
    at = NOW - timedelta(days=80 * (1 - number / max(count, number + 1)))
    return Span(
        f"{number:016x}",
        f"{number:032x}",
        "cogniverse.routing",
        at,
        at,
        {
            "routing.program": "routing",
            "routing.query": query,
            "routing.chosen_agent": draw.choice(AGENTS),
            "routing.confidence": draw.random(),
            "routing.agent_success": draw.random() < 0.875,
        },
    )


class MadeUpTraces:
    """`count` decisions, and people's labels on one in LABELLED_EVERY; nothing is kept in memory."""

    def __init__(self, count: int) -> None:
        self._count = count

    def spans_after(self, _stream: Stream, cursor: Cursor | None, _since: datetime | None = None) -> Iterator[SpanRead]:
        for number in range(int(cursor or 0), self._count):
            yield SpanRead(span(number, self._count), Cursor(str(number + 1)))

    def holds(self, _stream: Stream, _cursor: Cursor) -> bool:
        return True

    def count_after(
        self,
        _stream: Stream,
        cursor: Cursor | None,
        limit: int,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> int:
        return 0 if until and not since else min(max(self._count - int(cursor or 0), 0), limit)

    def annotations(self, _stream: Stream, names: Sequence[str], _since: datetime) -> Iterator[Annotation]:
        for number in range(0, self._count, LABELLED_EVERY):
            yield Annotation(f"{number:016x}", names[0], AGENTS[number % 4], "HUMAN", "ann", NOW)

    def count_labels(self, *_asked: object) -> int:
        return -(-self._count // LABELLED_EVERY)

    def annotate(self, *_given: object) -> None:
        """Marks of queued spans are not read again."""


class Counted:
    """A store that counts calls, the records that scans gave, and those that were read by name together."""

    def __init__(self, inner: object) -> None:
        self._inner, self.calls = inner, Counter[str]()

    def __getattr__(self, name: str):
        method = getattr(self._inner, name)

        def call(*args, **kwargs):
            self.calls[name] += 1
            return method(*args, **kwargs)

        return call

    def read_many(self, tenant_id: str, collection: str, ids: Iterable[str]):
        names = list(ids)
        self.calls["read_many"] += 1
        self.calls["named"] += len(names)
        return self._inner.read_many(tenant_id, collection, names)

    def scan(self, tenant_id: str, collection: str):
        self.calls["scan"] += 1
        for record in self._inner.scan(tenant_id, collection):
            self.calls["scanned"] += 1
            yield record


def ports_of(store: Counted, count: int) -> Ports:
    lms = SimpleNamespace(open=lambda *_: LMs(task=None, teacher=None, adapter=None, names={"task": "none"}))
    return Ports(store, MadeUpTraces(count), MemoryTracker(), lms,
        lambda: wiring.open_embedders(read_settings()), lambda _: None,
        clock=lambda: NOW + timedelta(days=1), new_id=lambda: f"id-{time.time_ns()}")  # fmt: skip


def run_pass(store: Counted, count: int) -> str:
    ports = ports_of(store, count)
    report = run_module(ports, Configs(store).get(TENANT), "routing", Request(is_forced=True))
    return report.runs[0].sentence


def step(name: str, url: str, count: int, new: int) -> dict[str, object]:
    """One measurement, in this process."""
    store = Counted(wiring.open_store(read_settings(store_url=url)))
    if name in ("first", "idle", "new"):
        import argotune.optimizers  # DSPy's own megabytes are told apart

        assert argotune.optimizers
    if name in ("first", "idle"):
        call = lambda: run_pass(store, count)  # noqa: E731
    elif name == "new":
        call = lambda: run_pass(store, count + new)  # noqa: E731
    else:
        call = {"trigger": _trigger, "status": _status, "annotate": _annotate, "exporter": _exporter}[name](
            store, count
        )
    before_mb, started, cpu = peak_mb(), time.perf_counter(), time.process_time()
    told = call()
    return {"step": name, "s": time.perf_counter() - started, "cpu_s": time.process_time() - cpu, "mb": peak_mb(),
        "before_mb": before_mb, "store": dict(store.calls), "told": told}  # fmt: skip


def _trigger(store: Counted, count: int):
    from argotune.pipeline.stages.trigger import trigger

    config = Configs(store).get(TENANT)

    def is_due():
        return trigger(
            ModuleBook(store, TENANT, "routing").state, MadeUpTraces(count), config, "routing", forced=False, now=NOW
        ).is_due

    return is_due


def _status(store: Counted, _count: int):
    from argotune.pipeline.operations.inspecting import status_of

    return lambda: str(status_of(store, TENANT).programs[-1].sentence)


def _annotate(store: Counted, _count: int):
    return lambda: str(RunBook(store, TENANT).latest_challenger("routing"))


def _exporter(store: Counted, _count: int):
    from argotune.adapters.prometheus import StoreMetrics

    metrics = StoreMetrics(lambda: store, lambda: NOW)
    return lambda: str(metrics.refresh() or len(list(metrics.collect())))


def fill_runs(url: str, count: int) -> None:
    """Runs of the past two years: one in JUDGED_EVERY was judged on TEST_EXAMPLES examples, the others were skipped."""
    store = wiring.open_store(read_settings(store_url=url))
    sums = [found.summary for found in RunBook(store, TENANT).runs()]
    for start in range(0, count, 500):
        batch = [_past_run(number, NOW - timedelta(hours=count - number)) for number in range(start, start + 500)]
        store.write(TENANT, [RunBook.record_of(run) for run in batch])
        sums += [run.summary for run in batch]
    store.write(TENANT, [to_record(Collection.RUN_SUMS, name, found) for name, found in sums_of(sums).items()])


def _past_run(number: int, at: datetime) -> Run:
    run = Run(id=f"routing-{number:06}", tenant_id=TENANT, module="routing", program="routing", started_at=at,
        ended_at=at, state=RunState.SKIPPED, skip=Skip(reason="nothing new to learn from"), counts={"examples": 7},
        lm_calls=number % 7)  # fmt: skip
    if number % JUDGED_EVERY:
        return run
    ids = [f"{number:012x}{place:012x}" for place in range(TEST_EXAMPLES)]
    scores = tuple(Score(id, LabelSource.HUMAN, {"label": AGENTS[0]}, 0.0, 1.0) for id in ids)
    numbers = Numbers(n=TEST_EXAMPLES, champion_mean=0.5, challenger_mean=0.5, effect=0.0, interval=Interval(-0.1, 0.1),
        p_value=1.0, level=0.01, wins=10, losses=10, slices=(), slice_level=0.05)  # fmt: skip
    return run.model_copy(update={"state": RunState.REPORTED, "skip": None,
        "comparison": Comparison("routing", "v0", "v1", scores, TEST_EXAMPLES, TEST_EXAMPLES),
        "verdict": Rejected("rejected: +0.00 points", Objection.NO_BETTER, numbers)})  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiences", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--new", type=int, default=100)
    parser.add_argument("--max-examples", type=int, default=TrainingRules().max_examples)
    parser.add_argument("--store-url")
    parser.add_argument("--steps", nargs="*", default=STEPS, choices=STEPS)
    parser.add_argument("--one", choices=STEPS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        found = step(arguments.one, arguments.store_url, arguments.experiences, arguments.new)
        return print(json.dumps(found))
    with tempfile.TemporaryDirectory() as folder:
        measure(arguments, arguments.store_url or f"sqlite:///{Path(folder)}/growth.db")


def config() -> RoutingConfigUnified:
    """A tenant whose passes gather and decide: no LM here can carry out what they decide on."""
    return RoutingConfigUnified(
        tenant_id=TENANT,
        agents=dict.fromkeys(AGENTS, "an agent"),
        modules=["routing"],
        min_trace_confidence=0.0,
        phoenix_lookback_hours=24.0 * 90,
        preferred_optimizer="gepa",
    )


def measure(arguments: argparse.Namespace, url: str) -> None:
    """Fill the store and print a line for each step."""
    store = wiring.open_store(read_settings(store_url=url))
    Configs(store).save(config().model_copy(update={"training": TrainingRules(max_examples=arguments.max_examples)}))
    for name in arguments.steps:
        print(_line(_measured(name, url, arguments)), flush=True)
        if name == "first":
            fill_runs(url, arguments.runs)


def _measured(name: str, url: str, arguments: argparse.Namespace) -> dict[str, object]:
    numbers = ["--experiences", str(arguments.experiences), "--new", str(arguments.new)]
    words = [sys.executable, __file__, "--one", name, "--store-url", url, *numbers]
    return json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout)


def _line(found: dict[str, object]) -> str:
    numbers = "{step:9} {s:7.2f} s {cpu_s:7.2f} s CPU {mb:6.0f} MB ({before_mb:.0f} before)".format(**found)
    return f"{numbers}  {json.dumps(found['store'])}  {found['told']}"


if __name__ == "__main__":
    main()
