"""What the manifests repeat for every module and optimizer is what the tables say, and stands nowhere else."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
from pathlib import Path

import pytest
from deploy.binaries import REPOSITORY
from deploy.manifest_rules import problems
from deploy.strict_schema import ARGO_VERSIONS, argo_problems, is_argo, load, load_files

from argotune.scheduling.watching import STEP_MODULES
from argotune.tenants.config import METHODS, MODULES

SYNC = runpy.run_path(str(REPOSITORY / "workflows" / "sync.py"))
FILES = sorted((REPOSITORY / "workflows").rglob("*.yaml"))
RUN = REPOSITORY / "workflows" / "auto-optimization-multi-tenant.yaml"
ONE_MORE = SYNC["Names"]((*MODULES, "ranking_of_pages", "own"), (*METHODS, "shortest"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_manifests_are_what_the_tables_say(path: Path) -> None:
    """`make sync-chart` writes them anew."""
    text = path.read_text(encoding="utf-8")
    assert SYNC["synced"](text) == text


def test_writing_them_anew_brings_no_environment_up_to_date() -> None:
    """It must work without network, also where pyproject.toml has changed since the environment was made."""
    words = ["make", "-n", "sync-chart", "-W", "pyproject.toml", "-W", "uv.lock"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    told = subprocess.run(
        words, cwd=REPOSITORY, check=True, capture_output=True, text=True, env=env
    ).stdout.splitlines()
    assert [line.split()[:2] for line in told] == [[".venv/bin/python", "workflows/sync.py"], ["cp", "--parents"]]


def test_a_module_and_an_optimizer_more_break_no_rule_of_the_manifests() -> None:
    text = SYNC["synced"](RUN.read_text(encoding="utf-8"), ONE_MORE)
    found, rest = load(text), load_files(*sorted(set((REPOSITORY / "workflows").glob("*.yaml")) - {RUN}))
    assert problems([*rest, *found]) == []
    assert [p for o in found if is_argo(o) for version in ARGO_VERSIONS for p in argo_problems(o, version)] == []
    assert f"enum: [all, {', '.join(ONE_MORE.modules)}]" in text
    assert "--status=ranking_of_pages={{inputs.parameters.ranking-of-pages}}" in text
    assert ", shortest]" in text


def test_no_module_and_no_optimizer_is_named_outside_of_what_is_written_anew() -> None:
    names = [*MODULES, *METHODS, *STEP_MODULES, "own"]
    others = SYNC["synced"](RUN.read_text(encoding="utf-8"), SYNC["Names"](("other",), ("another",)))
    by_hand = "\n".join(line for line in others.splitlines() if not line.lstrip().startswith("#"))
    left = [name for name in names if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", by_hand)]
    assert left == ["workflow", "own"], "Argo's own word, and `own` is explained in a description"


def test_writing_anew_repairs_a_line_that_was_changed_by_hand() -> None:
    text = RUN.read_text(encoding="utf-8")
    broken = text.replace('- {name: routing, value: "{{tasks.routing.status}}"}\n', "")
    assert broken != text
    assert SYNC["synced"](broken) == text
