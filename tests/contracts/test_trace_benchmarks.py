"""benchmarks/spans.py and benchmarks/mlflow_traces.py at a small size, on servers of their own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

pytestmark = pytest.mark.slow


def told(name: str, *flags: str | Path) -> dict[str, int]:
    """What it says of `collect` in whole numbers."""
    words = [sys.executable, BENCHMARKS / name, *flags]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True, timeout=240)
    return {what: int(n) for what, n in re.findall(r"\W(rows|examples)\W+(\d+)", done.stdout.strip().splitlines()[-1])}


@pytest.mark.phoenix
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "flags", [[], ["--application"], ["--application", "--below"]], ids=["ours", "of an application", "below"]
)
def test_spans_of_phoenix_become_examples(phoenix_python: Path, free_tcp_port: int, flags: list[str]) -> None:
    server = ("--phoenix-python", phoenix_python, "--port", str(free_tcp_port))
    found = told("spans.py", *server, "--spans", "60", *flags)
    assert found["rows"] == 60
    assert 30 < found["examples"] < 60, "one in five did not succeed"


@pytest.mark.timeout(300)
def test_traces_of_mlflow_become_examples(mlflow_python: Path) -> None:
    found = told("mlflow_traces.py", "--mlflow-python", mlflow_python, "--traces", "60")
    assert found["rows"] == 60
    assert 30 < found["examples"] < 60, "one in five did not succeed"
