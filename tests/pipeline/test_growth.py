"""The cost of a pass grows with what is new: benchmarks/growth.py at a small size; calls are counted, not seconds."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from argotune import wiring
from argotune.settings import read_settings
from argotune.tenants.catalog import Configs

GROWTH = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "growth.py"))


def records(found: dict) -> int:
    return sum(found["store"].get(how, 0) for how in ("read", "named", "scanned"))


def costs(folder: Path, experiences: int, runs: int) -> dict[str, dict]:
    url = f"sqlite:///{folder}/{experiences}.db"
    Configs(wiring.open_store(read_settings(store_url=url))).save(GROWTH["config"]())
    first = GROWTH["step"]("first", url, experiences, 0)
    GROWTH["fill_runs"](url, runs)
    steps = ("idle", "new", "trigger", "status", "annotate", "exporter")
    return {"first": first} | {name: GROWTH["step"](name, url, experiences, 20) for name in steps}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, dict], dict[str, dict]]:
    folder = tmp_path_factory.mktemp("growth")
    return costs(folder, 300, 500), costs(folder, 1200, 1500)


@pytest.mark.parametrize("step", ["idle", "trigger", "status", "annotate", "exporter"])
def test_four_times_the_past_costs_no_record_more(measured, step: str) -> None:
    small, large = measured
    # The annotations of a hundredth of the spans are the only thing that grows, and they are read from the traces.
    assert records(large[step]) <= records(small[step]) + 3
    assert large[step]["store"].get("write", 0) == small[step]["store"].get("write", 0)


def test_what_is_new_costs_what_it_is_not_what_is_old(measured) -> None:
    small, large = measured
    assert records(small["first"]) < records(large["first"]) / 2
    assert records(large["new"]) < records(small["new"]) + 50
