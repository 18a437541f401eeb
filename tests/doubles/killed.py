"""Runs that are killed at each of their writes, in processes of their own (crash_runner.py)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import crash_runner
import pytest

LEAST = {"few": 8, "all": 16}
"""Kills, by the writes at which they come."""

WHERE = pytest.mark.parametrize("where", ["few", pytest.param("all", marks=pytest.mark.slow)])


def killed(folder: Path, mode: str, where: str) -> tuple[dict, list[dict]]:
    """What is left of a run that nobody killed, and of each that was."""
    command = [sys.executable, "-W", "ignore", crash_runner.__file__, str(folder), mode, where]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    first, *kills = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(kills) >= LEAST[where]
    return first["whole"], kills
