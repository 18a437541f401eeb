"""The dashboard in Debian's Chromium, as its documented command starts it, on a store that a real run with Phoenix and
the embedded LM has filled: figures are those of the commands, and nothing is fetched from elsewhere.

With ARGOTUNE_SCREENSHOTS=docs/dashboard the pages are photographed for the documentation.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from required import lacking

from argotune import wiring
from argotune.cli.demo import sample
from argotune.pipeline.operations.tenants import add_tenant
from argotune.settings import read_settings
from argotune.tenants.catalog import Configs
from argotune.tenants.config import parse_config
from tests.acceptance.conftest import SAMPLE, SCRIPTS
from tests.conftest import python_with

pytestmark = [pytest.mark.phoenix, pytest.mark.lm, pytest.mark.slow]

READER = Path(__file__).with_name("read_pages.py")
ROOT = SCRIPTS.parent
HOSTILE = "**x** [a](javascript:alert(1)) <img src=x onerror=alert(1)>"
LIMIT_S = 400
"""Of a run by the embedded LM on a machine that does much else."""


@pytest.fixture(scope="module")
def dashboard_python() -> Path:
    return python_with("dashboard", "make .venv-dashboard/.ready")


@pytest.fixture(scope="module")
def chromium() -> str:
    return shutil.which("chromium") or lacking("no chromium on PATH: apt-get install chromium")


@pytest.fixture(scope="module")
def env(served: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of commands and pages: SAMPLE was run twice, and a tenant has a hostile name."""
    folder = tmp_path_factory.mktemp("browser")
    url = f"sqlite:///{folder}/store.db"
    store = wiring.open_store(read_settings(store_url=url))
    fields = {"modules": ["routing"], "min_samples_for_optimization": 20, "decisions": {"exploration_share": 0}}
    Configs(store).save(parse_config({"tenant_id": SAMPLE, "agents": sample.config(SAMPLE).agents, **fields}))
    add_tenant(store, HOSTILE, {})
    found = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "CONFIG_STORE_URL": url, **served}
    for _ in range(2):
        command = [sys.executable, SCRIPTS / "run_module_optimization.py", "--tenant-id", SAMPLE, "--module", "routing"]
        done = subprocess.run(command, env=found, capture_output=True, text=True, timeout=LIMIT_S)
        assert done.returncode == 0, done.stderr
    return found


@contextmanager
def dashboard(python: Path, env: dict[str, str], *argv: str) -> Iterator[str]:
    """The documented command; yields the address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    options = ["--server.headless", "true", "--server.port", str(port)]
    command = [python.with_name("streamlit"), "run", "scripts/phoenix_dashboard.py", *options, "--", *argv]
    log = Path(env["HOME"], "dashboard.log")
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=out, stderr=out)
    try:
        _await(f"http://127.0.0.1:{port}/_stcore/health", process, log)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(20)


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(LIMIT_S * 5):
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(url).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    pytest.fail(f"no answer: {log.read_text()}")


def read(python: Path, chromium: str, url: str, *paths: str, screenshots: list[str] | None = None) -> dict[str, Any]:
    """What is on these pages."""
    asked = {"chromium": chromium, "url": url, "paths": paths, "screenshots": screenshots}
    done = subprocess.run([python, READER], input=json.dumps(asked), capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def told(env: dict[str, str], *arguments: str) -> Any:
    """What a command says with --json."""
    command = [sys.executable, "-m", "argotune.cli", *arguments, "--json"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def seen(dashboard_python: Path, chromium: str, env: dict[str, str]) -> dict[str, Any]:
    """All pages of SAMPLE, and the tenant with the hostile name."""
    newest = told(env, "versions", "--tenant", SAMPLE)[-1]["id"]
    paths = ["", f"tenant?tenant={SAMPLE}", f"version?tenant={SAMPLE}&version={newest}", f"decisions?tenant={SAMPLE}"]
    hostile = "tenant?tenant=" + httpx.QueryParams({"t": HOSTILE}).__str__().removeprefix("t=")
    folder = os.environ.get("ARGOTUNE_SCREENSHOTS")
    names = ("fleet", "tenant", "version", "decisions")
    shots = [str(Path(folder, f"{name}.png").resolve()) if folder else None for name in names]
    with dashboard(dashboard_python, env, "--phoenix-endpoint", env["PHOENIX_ENDPOINT"]) as url:
        found = read(dashboard_python, chromium, url, *paths, hostile, screenshots=[*shots, None])
    named = dict(zip([*names, "hostile"], found["pages"], strict=True))
    return {**found, **named, "newest": newest}


def test_figures_of_all_pages_are_those_of_the_commands(seen: dict[str, Any], env: dict[str, str]):
    totals = told(env, "fleet")["totals"]
    fleet = seen["fleet"]["metrics"]
    assert fleet["Tenants"] == str(totals["enabled"] + totals["disabled"])
    assert fleet["Labels to give"] == str(totals["waiting"])
    assert fleet["LM calls"] == f"{totals['spent']['lm_calls']:,}"
    queue = told(env, "annotate", "--tenant", SAMPLE, "--status")
    assert seen["tenant"]["metrics"]["Wait for a label"] == str(queue["waiting"])
    for status in told(env, "status", "--tenant", SAMPLE):
        assert status["sentence"] in " ".join(seen["tenant"]["body"].split())
    story = told(env, "explain", "--tenant", SAMPLE, seen["newest"])
    numbers = (story["judged"] or story["run"])["numbers"]
    assert seen["version"]["metrics"]["Gain in points"] == f"{100 * numbers['effect']:+.1f}"
    assert seen["version"]["metrics"]["Labels of people"] == str(numbers["labels"])
    decisions = told(env, "decisions", "--tenant", SAMPLE)
    assert seen["decisions"]["metrics"]["Runs"] == str(len(decisions)) == "2"
    assert decisions[0]["reason"] in " ".join(seen["decisions"]["body"].split())


@pytest.mark.parametrize("name", ["fleet", "tenant", "version", "decisions", "hostile"])
def test_pages_are_whole_at_1280_pixels_and_reached_by_keyboard(seen: dict[str, Any], name: str):
    page = seen[name]
    assert page["exceptions"] == []
    assert page["too_wide_by"] <= 0
    assert {"Fleet", "Tenant", "Version", "Decisions"} <= set(page["focus"])
    assert page["plots"] > 0 or name == "hostile"


def test_a_tenants_text_is_text_and_nothing_is_fetched_from_elsewhere(seen: dict[str, Any]):
    page = seen["hostile"]
    assert HOSTILE in page["texts"]
    assert page["images"] == 0
    assert [link for link in page["links"] if not link.startswith("http://127.0.0.1:")] == []
    assert seen["dialogs"] == []
    assert seen["outside"] == []


def test_the_version_and_the_tenant_link_to_phoenix(seen: dict[str, Any], env: dict[str, str]):
    assert any(link.startswith(f"{env['PHOENIX_ENDPOINT']}/projects/") for link in seen["tenant"]["links"])
    linked = told(env, "explain", "--tenant", SAMPLE, seen["newest"])["run"]["links"]["comparison"]
    assert linked is None or linked in seen["version"]["links"]


def test_two_tabs_at_once_show_each_its_own_tenant(dashboard_python: Path, chromium: str, env: dict[str, str]):
    with dashboard(dashboard_python, env, "--tenants", SAMPLE, "idle") as url, ThreadPoolExecutor(2) as both:
        asked = [[f"tenant?tenant={id}"] * 2 for id in (SAMPLE, "idle")]
        found = both.map(lambda paths: read(dashboard_python, chromium, url, *paths)["pages"], asked)
        sample_pages, idle_pages = found
    for page in sample_pages:
        assert SAMPLE in page["texts"]
        assert page["alerts"] == []
    for page in idle_pages:
        assert page["alerts"] == ["It is not there."]
        assert SAMPLE not in page["texts"]
