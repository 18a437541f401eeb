"""The first `collect` of a program takes the same memory however many traces wait for it, and what a training reads is
bounded: bytes and reads are counted."""

from __future__ import annotations

import gc
import runpy
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from argotune.adapters.memory.store import MemoryStore
from argotune.adapters.sqlite import SQLiteStore
from argotune.data.cursor import Cursor
from argotune.data.dataset import Dataset
from argotune.data.source import SpanRead
from argotune.data.splitting import Split
from argotune.pipeline.module_pass import Pass
from argotune.pipeline.stages.collect import collect
from argotune.programs import programs_of
from argotune.store.port import Store
from argotune.tenants.config import TrainingRules

GROWTH: Any = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "growth.py"))

BYTES_A_QUESTION = 200
"""Of an example there are its sketch and its id in memory while near-duplicates are looked for, and for each hundredth
question the label of a person."""


def peak_bytes(folder: Path, count: int) -> tuple[int, int]:
    """The most that `collect` held of its own, and how many experiences it took in."""
    config = GROWTH["config"]()
    this = Pass(GROWTH["ports_of"](SQLiteStore(folder / f"{count}.db"), count), config, "routing")
    fields = [program.fields for program in programs_of(config, "routing")]
    gc.collect()
    tracemalloc.start()
    try:
        counts = collect(this, fields).datasets["routing"].counts
        return tracemalloc.get_traced_memory()[1], counts["experiences"]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_four_times_the_questions_take_a_few_bytes_more_each(tmp_path: Path) -> None:
    peak_bytes(tmp_path, 100)  # what is imported and remembered once
    small, few = peak_bytes(tmp_path, 2_000)
    large, many = peak_bytes(tmp_path, 8_000)
    assert (few, many) == (2_000, 8_000)
    assert (large - small) / (many - few) < BYTES_A_QUESTION


MOST = 200


def collected(store: Store, count: int, traces: Any = None) -> Dataset:
    """Of so many questions, of which MOST may be read."""
    config = GROWTH["config"]().model_copy(update={"training": TrainingRules(max_examples=MOST)})
    ports = GROWTH["ports_of"](store, count)
    if traces is not None:
        ports = replace(ports, traces=traces)
    fields = [program.fields for program in programs_of(config, "routing")]
    return collect(Pass(ports, config, "routing"), fields).datasets["routing"]


def peak_of_reading(data: Dataset) -> int:
    gc.collect()
    tracemalloc.start()
    try:
        assert len(data.picked()) == MOST
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_what_a_training_reads_takes_no_more_where_there_are_four_times_the_questions(tmp_path: Path) -> None:
    few, many = (collected(SQLiteStore(tmp_path / f"{n}.db"), n) for n in (1_000, 4_000))
    peak_of_reading(few)  # what is remembered once
    small = peak_of_reading(collected(SQLiteStore(tmp_path / "1000.db"), 1_000))
    assert (peak_of_reading(many) - small) / 3_000 < BYTES_A_QUESTION


class OfNamesRead(MemoryStore):
    """Keeps the names of the examples that are read."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def read_many(self, tenant_id: str, collection: str, ids: Any) -> Any:
        names = list(ids)
        self.names += names if collection == "examples.routing" else []
        return super().read_many(tenant_id, collection, names)

    def scan(self, tenant_id: str, collection: str) -> Any:
        assert not (self.names and collection == "examples.routing"), "all examples were read"
        return super().scan(tenant_id, collection)


def test_only_examples_that_are_trained_on_are_read_and_all_are_counted() -> None:
    store = OfNamesRead()
    data = collected(store, 600)
    store.names = [""]
    chosen = [id for split in Split for id in data.ids(split)]
    assert store.names == [""]
    assert [example.id for example in data.picked()] == chosen == store.names[1:]
    assert len(set(chosen)) == MOST == data.count_read() < data.count()
    counts = [data.count(split) for split in Split]
    assert [len(data.ids(split)) for split in Split] == pytest.approx([MOST * n / sum(counts) for n in counts], abs=1)


class Backwards(GROWTH["MadeUpTraces"]):
    """The same decisions, the newest first."""

    def spans_after(self, _stream: Any, cursor: Cursor | None, _since: Any = None) -> Iterator[SpanRead]:
        for number in range(int(cursor or 0), self._count):
            span = GROWTH["span"](self._count - 1 - number, self._count)
            yield SpanRead(span, Cursor(str(number + 1)))


def test_the_same_examples_are_trained_on_in_whatever_order_traces_came() -> None:
    one, other = collected(MemoryStore(), 600), collected(MemoryStore(), 600, Backwards(600))
    assert {split: one.ids(split) for split in Split} == {split: other.ids(split) for split in Split}
