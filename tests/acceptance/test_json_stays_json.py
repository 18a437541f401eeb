"""Stdout is for results: what a user's program prints, while it is loaded or asked, is on stderr."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from terminal import on_terminal

LOUD = """
import sys
import dspy

print("loading")


def loud(config):
    print("made")
    sys.stdout.write("by hand\\n")
    sys.stdout.flush()
    return dspy.Predict("query -> mood: Literal['calm', 'angry']"), lambda example, prediction: 1.0
"""


def argotune(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": "/usr/bin:/bin", "CONFIG_STORE_URL": f"sqlite:///{folder}/store.db", "PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "argotune.cli", *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("command", [("annotate",), ("evaluate", "--module", "loud")], ids=["annotate", "evaluate"])
def test_json_stays_json_when_a_users_program_prints(tmp_path: Path, command: tuple[str, ...]):
    (tmp_path / "shop.py").write_text(LOUD)
    config = {"tenant_id": "acme", "programs": {"loud": "shop:loud"}, "modules": ["loud"]}
    (tmp_path / "config.json").write_text(json.dumps([config]))
    assert argotune(tmp_path, "tenants", "import", "config.json").returncode == 0
    done = argotune(tmp_path, *command, "--tenant", "acme", "--json")
    assert isinstance(json.loads(done.stdout), list), done.stderr
    assert {"loading", "made", "by hand"} <= set(done.stderr.splitlines())


def test_json_stays_json_where_a_bar_is_on_the_terminal(tmp_path: Path):
    configs = [{"tenant_id": id, "shared": True, "modules": ["routing"]} for id in ("acme", "zebra")]
    (tmp_path / "config.json").write_text(json.dumps(configs))
    assert argotune(tmp_path, "tenants", "import", "config.json").returncode == 0
    env = {"PATH": "/usr/bin:/bin", "CONFIG_STORE_URL": f"sqlite:///{tmp_path}/store.db", "TERM": "xterm"}
    found = on_terminal([sys.executable, "-m", "argotune.cli", "pool", "--json"], env, folder=tmp_path)
    assert found.code == 0, found.shown
    assert json.loads(found.out)["pooled"] == []
    assert "pooling programs" in found.shown
