"""The documented scripts against real parts: Phoenix, SQLite and the embedded LM, on one small tenant."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from argotune import ModalitySpanCollector, create_default_config_manager, wiring
from argotune.answers import NoAnswers
from argotune.budget import Meter
from argotune.configs import Configs
from argotune.demo import sample
from argotune.demo.application import serve
from argotune.ports import silent
from argotune.serving import Serving
from argotune.settings import read_settings
from argotune.tenants import BudgetLimits, LMChoice, parse_config

pytestmark = [pytest.mark.phoenix, pytest.mark.lm]
SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
TENANT = "initech"


@pytest.fixture(scope="module")
def environment(phoenix_url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A tenant whose sample queries were served once, by the untuned programs."""
    folder = tmp_path_factory.mktemp("loop")
    names = {
        "CONFIG_STORE_URL": f"sqlite:///{folder}/store.db",
        "PHOENIX_ENDPOINT": phoenix_url,
        "PHOENIX_PROJECT_PREFIX": "acceptance",
    }
    settings = read_settings(
        store_url=names["CONFIG_STORE_URL"], phoenix_endpoint=phoenix_url, phoenix_project_prefix="acceptance"
    )
    store = wiring.open_store(settings)
    fields = {"min_samples_for_optimization": 20, "gate": {"min_test_examples": 5}}
    config = parse_config({**sample.config(TENANT).model_dump(mode="json"), **fields})
    Configs(store).save(config)
    lms = wiring.open_lms(settings).open(LMChoice(), Meter(BudgetLimits()), NoAnswers())
    with Serving(store, config, lms, wiring.open_embedder, wiring.utc_now) as serving:
        serve(TENANT, serving, wiring.open_sink(settings), "acceptance", wiring.utc_now(), silent)
    return {"PATH": "/usr/bin:/bin", "HOME": str(folder), **names}


def script(environment: dict[str, str], name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / name), "--tenant-id", TENANT, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=170)


def test_the_documented_scripts_work_the_loop_in_order(environment: dict[str, str], tmp_path: Path):
    dry = script(environment, "auto_optimization_trigger.py", "--module", "routing", "--dry-run")
    assert "[DRY RUN] Would trigger optimization with:" in dry.stdout, dry.stderr
    assert "Traces: 42" in dry.stdout

    output = tmp_path / "results" / "routing.json"
    done = script(environment, "auto_optimization_trigger.py", "--module", "routing", "--output", str(output))
    assert done.returncode == 0, done.stderr
    report = json.loads(output.read_text())
    assert report["schema"] == "argotune.report/1"
    assert report["summary"]["runs"] == 1
    (run,) = report["modules"][0]["runs"]
    assert run["outcome"] in ("promoted", "rejected"), run["sentence"]
    assert run["numbers"]["n"] >= 5
    assert run["lm"]["calls"] > 0
    assert "/compare?experimentId=" in run["links"]["comparison"]

    again = script(environment, "auto_optimization_trigger.py", "--module", "routing")
    assert "next run is due in" in again.stdout
    assert "Skipping optimization." in again.stdout

    forced = script(environment, "run_module_optimization.py", "--module", "routing", "--min-confidence", "0.5")
    assert forced.returncode == 0, forced.stderr

    summed = script(environment, "aggregate_results.py", "--output", str(tmp_path / "sum.json"))
    assert summed.returncode == 0, summed.stderr
    assert json.loads((tmp_path / "sum.json").read_text())["summary"]["runs"] == 2


def test_the_documented_python_snippets_work(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    for name, value in environment.items():
        if name not in ("PATH", "HOME"):
            monkeypatch.setenv(name, value)
    manager = create_default_config_manager()
    config = manager.get_routing_config(TENANT)
    assert config.enable_auto_optimization is True
    config.optimization_interval_seconds = 7200
    manager.save_routing_config(config)
    assert manager.get_routing_config(TENANT).optimization_interval_seconds == 7200

    async def check() -> None:
        collector = ModalitySpanCollector(tenant_id=TENANT)
        spans = await collector.collect_spans(lookback_hours=24, min_confidence=0.0)
        assert len(spans) == 42
        counted = dict(spans.groupby("modality").size().items())
        assert sum(counted.values()) == 42
        assert counted["video"] > 5

    asyncio.run(check())
