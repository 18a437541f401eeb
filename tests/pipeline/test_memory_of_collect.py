"""The first `collect` of a program takes the same memory however many traces wait for it: bytes are counted."""

from __future__ import annotations

import gc
import runpy
import tracemalloc
from pathlib import Path

from argotune.adapters.sqlite import SQLiteStore
from argotune.pipeline.module_pass import Pass
from argotune.pipeline.stages.collect import collect
from argotune.programs import programs_of

GROWTH = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "growth.py"))

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


def test_four_times_the_questions_take_a_few_bytes_more_each(tmp_path: Path) -> None:
    peak_bytes(tmp_path, 100)  # what is imported and remembered once
    small, few = peak_bytes(tmp_path, 2_000)
    large, many = peak_bytes(tmp_path, 8_000)
    assert (few, many) == (2_000, 8_000)
    assert (large - small) / (many - few) < BYTES_A_QUESTION
