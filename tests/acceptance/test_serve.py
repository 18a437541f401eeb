"""Two processes of `argotune serve --continuous` on one store and a real Phoenix; one of them is killed in its work."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from nearest_demo_lm import NearestDemoLM
from openai_server import running
from world import AGENTS, START, traffic

from argotune import wiring
from argotune.data.stream import Stream
from argotune.runs.book import RunBook
from argotune.settings import Settings, read_settings
from argotune.tenants.catalog import Configs
from argotune.tenants.config import RoutingConfigUnified

TENANTS = [f"served-{number}" for number in range(4)]
AT_ONCE = 2
"""Of each process, so that both are at work."""
NAMES = ("SPANS", "FEEDBACK", "ANNOTATION", "METRICS")

pytestmark = [pytest.mark.phoenix, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def lm() -> Iterator[NearestDemoLM]:
    script = NearestDemoLM()
    with running(script, "127.0.0.1"):
        yield script


@pytest.fixture
def settings(phoenix_url: str, tmp_path: Path, lm: NearestDemoLM) -> Settings:
    """Of a store with tenants whose decisions are in Phoenix, with a person's label each."""
    url = f"sqlite:///{tmp_path}/store.db"
    found = read_settings(store_url=url, phoenix_endpoint=phoenix_url)
    store, sink, later = wiring.open_store(found), wiring.open_sink(found), wiring.utc_now() - START
    for number, tenant_id in enumerate(TENANTS):
        Configs(store).save(_config(tenant_id, lm.url))
        spans, labels = traffic(tenant_id, 120)
        own = {span.span_id: f"5e{number:02}{span.span_id[4:]}" for span in spans}  # Phoenix knows an id only once
        moved = {span.span_id: (span.started_at + later, span.ended_at + later) for span in spans}
        new = [
            replace(s, span_id=own[s.span_id], trace_id=own[s.span_id] * 2, started_at=at, ended_at=until)
            for s in spans
            for at, until in [moved[s.span_id]]
        ]
        sink.record(tenant_id, new)
        sink.annotate(Stream(tenant_id, "routing"), [replace(label, span_id=own[label.span_id]) for label in labels])
    return found


def _config(tenant_id: str, lm_url: str) -> RoutingConfigUnified:
    return RoutingConfigUnified(
        tenant_id=tenant_id,
        agents=AGENTS,
        modules=["routing"],
        preferred_optimizer="nearest",
        gate={"min_slice_examples": 1000},
        decisions={"exploration_share": 0.0},
        lm={"task_model": "openai/gpt-4o-mini", "api_base": lm_url, "timeout_s": 20},
    )


def _replica(settings: Settings, log: Path, stack: ExitStack) -> subprocess.Popen[bytes]:
    env = {
        "PATH": "/usr/bin:/bin",
        "CONFIG_STORE_URL": settings.store_url,
        "PHOENIX_ENDPOINT": settings.phoenix_endpoint,
        "ARGOTUNE_TASK_KEY": "sk-of-the-tests",
        "ARGOTUNE_LEASE_SECONDS": "10",
        "ARGOTUNE_SERVICE_TENANTS_AT_ONCE": str(AT_ONCE),
        **{f"ARGOTUNE_SERVICE_{name}_MINUTES": "0.2" for name in NAMES},
    }
    command = [sys.executable, "-m", "argotune.cli", "serve", "--continuous", "--port", "0"]
    found = subprocess.Popen(command, env=env, stderr=stack.enter_context(log.open("wb")))
    stack.callback(found.kill)
    return found


def _until(is_so: Callable[[], bool], limit_s: float = 400) -> None:
    deadline = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.3)


def test_a_killed_replica_loses_nothing_and_one_that_is_asked_to_end_does(
    settings: Settings, lm: NearestDemoLM, tmp_path: Path
):
    store = wiring.open_store(settings)

    def outcomes() -> list[str]:
        return [run.outcome for tenant_id in TENANTS for run in RunBook(store, tenant_id).runs()]

    lm.delay_s = 0.2
    with ExitStack() as stack:
        one, other = (_replica(settings, tmp_path / f"{name}.log", stack) for name in ("one", "other"))
        _until(lambda: outcomes().count("unfinished") > AT_ONCE)
        one.kill()
        lm.delay_s = 0.0
        _until(lambda: outcomes() == ["promoted"] * len(TENANTS))
        other.send_signal(signal.SIGTERM)
        assert other.wait(timeout=30) == 0
    told = (tmp_path / "other.log").read_text("utf-8")
    assert "stopped; what was not finished goes on where it stood" in told
