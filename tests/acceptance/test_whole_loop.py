"""The documented scripts against real parts: Phoenix, SQLite and the embedded LM, on one small tenant."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from argotune import ModalitySpanCollector, create_default_config_manager, wiring
from argotune.adapters.project_names import project_name
from argotune.data.stream import Stream
from argotune.settings import read_settings
from tests.acceptance.conftest import SAMPLE, SCRIPTS

pytestmark = [pytest.mark.phoenix, pytest.mark.lm]


def script(sample_env: dict[str, str], name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / name), "--tenant-id", SAMPLE, *arguments]
    return subprocess.run(command, env=sample_env, capture_output=True, text=True, timeout=170)


def test_the_documented_scripts_work_the_loop_in_order(sample_env: dict[str, str], tmp_path: Path):
    dry = script(sample_env, "auto_optimization_trigger.py", "--module", "routing", "--dry-run")
    assert "[DRY RUN] Would trigger optimization with:" in dry.stdout, dry.stderr
    assert "Traces: 42" in dry.stdout

    output = tmp_path / "results" / "routing.json"
    done = script(sample_env, "auto_optimization_trigger.py", "--module", "routing", "--output", str(output))
    assert done.returncode == 0, done.stderr
    report = json.loads(output.read_text())
    assert report["schema"] == "argotune.report/1"
    assert report["summary"]["runs"] == 1
    (run,) = report["modules"][0]["runs"]
    assert run["outcome"] in ("promoted", "rejected"), run["sentence"]
    assert run["numbers"]["n"] >= 5
    assert run["lm"]["calls"] > 0
    assert "/compare?experimentId=" in run["links"]["comparison"]

    again = script(sample_env, "auto_optimization_trigger.py", "--module", "routing")
    assert "next run is due in" in again.stdout
    assert "Skipping optimization." in again.stdout

    forced = script(sample_env, "run_module_optimization.py", "--module", "routing", "--min-confidence", "0.5")
    assert forced.returncode == 0, forced.stderr

    summed = script(sample_env, "aggregate_results.py", "--output", str(tmp_path / "sum.json"))
    assert summed.returncode == 0, summed.stderr
    assert json.loads((tmp_path / "sum.json").read_text())["summary"]["runs"] == 2


def test_the_documented_python_snippets_work(sample_env: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    for name, value in sample_env.items():
        if name not in ("PATH", "HOME"):
            monkeypatch.setenv(name, value)
    manager = create_default_config_manager()
    config = manager.get_routing_config(SAMPLE)
    assert config.enable_auto_optimization is True
    config.optimization_interval_seconds = 7200
    manager.save_routing_config(config)
    assert manager.get_routing_config(SAMPLE).optimization_interval_seconds == 7200

    async def check() -> None:
        collector = ModalitySpanCollector(tenant_id=SAMPLE)
        spans = await collector.collect_spans(lookback_hours=24, min_confidence=0.0)
        assert dict(spans.groupby("modality").size().items()) == {"document": 13}

    asyncio.run(check())


def test_what_a_run_has_queued_is_found_in_phoenix_and_labelled_in_a_terminal(sample_env: dict[str, str]):
    def annotate(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        who = () if {"--list", "--status"} & set(arguments) else ("--who", "kim")
        command = [sys.executable, "-m", "argotune.cli", "annotate", "--tenant", SAMPLE, *who, *arguments]
        return subprocess.run(command, env=sample_env, input=typed, capture_output=True, text=True, timeout=60)

    listed = annotate("--list", "--json")
    assert listed.returncode == 0, listed.stderr
    queued = json.loads(listed.stdout)
    assert queued
    found = httpx.post(
        f"{sample_env['PHOENIX_ENDPOINT']}/graphql",
        json={"query": COUNT, "variables": {"name": project_name(sample_env["PHOENIX_PROJECT_PREFIX"], SAMPLE)}},
        timeout=30,
    )
    assert found.json()["data"]["getProjectByName"]["recordCount"] == len(queued)

    done = annotate("--limit", "2", typed="s\n1\n")
    assert "1 of 2 spans labelled as kim" in done.stdout, done.stderr
    assert json.loads(annotate("--status", "--json").stdout)["waiting"] == len(queued) - 1
    assert annotate("--label", queued[0]["span_id"], "--answer", "agent=juggler").returncode == 2
    traces = wiring.open_traces(
        read_settings(
            phoenix_endpoint=sample_env["PHOENIX_ENDPOINT"], phoenix_project_prefix=sample_env["PHOENIX_PROJECT_PREFIX"]
        )
    )
    labels = traces.annotations(Stream(SAMPLE, "routing"), ["agent"], wiring.utc_now() - timedelta(days=99))
    (given,) = [label for label in labels if label.identifier == "kim"]
    assert (given.span_id, given.kind) == (queued[1]["span_id"], "HUMAN")


COUNT = """query($name: String!) { getProjectByName(name: $name) {
  recordCount(filterCondition: "annotations['argotune.queue'].label is not None") } }"""
