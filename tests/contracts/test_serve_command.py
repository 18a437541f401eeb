"""`argotune serve --continuous` as a process: /metrics and /healthz, signals, and one line for what is wrong."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from slow_rows import mostly_slow

from argotune.adapters.memory.store import MemoryStore
from argotune.adapters.prometheus import MetricsServer
from argotune.adapters.sqlite import SQLiteStore
from argotune.cli import main
from argotune.runs.pass_figures import PassFigures
from argotune.runs.service_figures import Lateness, ServiceFigures, WorkNow
from argotune.tenants.catalog import Configs
from argotune.tenants.config import RoutingConfigUnified
from argotune.wiring import utc_now

ODD = 'a "tenant"\nwith {braces}'


@contextmanager
def process(*flags: str, **variables: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "argotune.cli", "serve", "--continuous", "--port", "0", *flags]
    env = {"PATH": "/usr/bin:/bin", "PHOENIX_ENDPOINT": "http://127.0.0.1:9", **variables}
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as running:
        try:
            first = running.stderr.readline()
            port = re.search(r"on port (\d+)", first)
            assert port is not None, first
            yield running, f"http://127.0.0.1:{port[1]}"
        finally:
            running.kill()


def asked(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def samples(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    found = text_string_to_metric_families(text)
    return {(s.name, tuple(s.labels.values())): s.value for family in found for s in family.samples}


def wait_for(url: str, name: str, labels: tuple[str, ...], value: float) -> None:
    deadline = time.monotonic() + 60
    while samples(asked(f"{url}/metrics")[1]).get((name, labels)) != value:
        assert time.monotonic() < deadline, asked(f"{url}/metrics")[1]
        time.sleep(0.1)


@pytest.mark.parametrize("number", mostly_slow([signal.SIGTERM, signal.SIGINT]))
def test_a_signal_ends_the_process_soon_with_nothing_wrong(number: signal.Signals, tmp_path: Path):
    url = f"sqlite:///{tmp_path}/store.db"
    Configs(SQLiteStore.from_url(url)).save(RoutingConfigUnified(tenant_id="acme"))
    with process(CONFIG_STORE_URL=url) as (running, address):
        assert asked(f"{address}/healthz") == (200, "ok\n")
        wait_for(address, "argotune_service_store_up", (), 1)
        wait_for(address, "argotune_tenants", ("enabled",), 1)
        running.send_signal(number)
        assert running.wait(timeout=30) == 0
        assert "stopped; what was not finished goes on where it stood" in running.stderr.read()


def test_a_store_that_is_away_is_told_once_and_the_process_stays_well():
    with process(CONFIG_STORE_URL="redis://127.0.0.1:9") as (running, address):
        time.sleep(3)
        assert asked(f"{address}/healthz")[0] == 200
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=30) == 0
        told = [line for line in running.stderr.read().splitlines() if line.startswith("store: ")]
    assert len(told) == 1


@pytest.mark.parametrize(
    ("flags", "variables", "code", "said"),
    [
        ([], {"ARGOTUNE_SERVICE_SPANS_MINUTES": "0"}, 2, "ARGOTUNE_SERVICE_SPANS_MINUTES"),
        ([], {"ARGOTUNE_SERVICE_TENANTS_AT_ONCE": "-1"}, 2, "ARGOTUNE_SERVICE_TENANTS_AT_ONCE"),
        ([], {"ARGOTUNE_SERVICE_BACKOFF_SECONDS": "7200"}, 2, "backoff: 7200 s, then at most 3600 s"),
        (["--tenants", "nobody"], {}, 4, "'nobody'"),
        (["--tenants", "[1]"], {}, 2, "--tenants: '[1]' is not a JSON list of tenant ids"),
        (["--port", "70000"], {}, 2, "--address, --port: cannot listen"),
    ],
)
def test_what_is_wrong_is_one_line(
    flags: list[str],
    variables: dict[str, str],
    code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main(["serve", "--continuous", "--store-url", "memory://", *flags]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_without_continuous_the_flag_is_named(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit, match="2"):
        main(["serve"])
    assert "the following arguments are required: --continuous" in capsys.readouterr().err


class Watched:
    why_unwell = "2 visits hang, and no more places are given away"
    figures = ServiceFigures(
        tenants={"at work": 1, "idle": 9},
        visits={"done": 3, "failed": 1},
        lateness={"spans": Lateness(2, 3.5, 3.0)},
        passed=PassFigures(spans=70, labels=8),
        waits_s={"looks": 0.0, "passes": 90.0},
        work=(WorkNow(ODD, "routing: training", 30, 100, utc_now()),),
        stuck=2,
        is_store_up=True,
    )


def test_metrics_and_health_of_a_service_and_an_odd_tenant_breaks_no_line():
    server, stop = MetricsServer(MemoryStore, utc_now, "127.0.0.1", 0, Watched()), threading.Event()
    thread = threading.Thread(target=server.serve, args=(60, stop, print))
    thread.start()
    try:
        assert asked(f"http://127.0.0.1:{server.port}/healthz") == (503, f"{Watched.why_unwell}\n")
        found = samples(asked(f"http://127.0.0.1:{server.port}/metrics")[1])
    finally:
        stop.set()
        thread.join()
    assert {
        (name, labels): value for (name, labels), value in found.items() if name.startswith("argotune_service")
    } == {
        ("argotune_service_tenants", ("at work",)): 1,
        ("argotune_service_tenants", ("idle",)): 9,
        ("argotune_service_visits_total", ("done",)): 3,
        ("argotune_service_visits_total", ("failed",)): 1,
        ("argotune_service_lateness_seconds_count", ("spans",)): 2,
        ("argotune_service_lateness_seconds_sum", ("spans",)): 3.5,
        ("argotune_service_longest_wait_seconds", ("looks",)): 0,
        ("argotune_service_longest_wait_seconds", ("passes",)): 90,
        ("argotune_service_spans_total", ()): 70,
        ("argotune_service_labels_total", ()): 8,
        ("argotune_service_stuck", ()): 2,
        ("argotune_service_store_up", ()): 1,
        ("argotune_service_work_done", (ODD, "routing: training")): 30,
        ("argotune_service_work_total", (ODD, "routing: training")): 100,
    }


def test_what_hangs_at_the_end_is_named_and_the_process_ends_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    ends: list[int] = []
    monkeypatch.setattr("argotune.cli.commands.serve.os._exit", ends.append)
    monkeypatch.setattr("argotune.service.loop.Service.run", lambda _self, _stop: ("acme", "other"))
    monkeypatch.setattr("argotune.cli.commands.serve.signal.signal", lambda *_: None)
    assert main(["serve", "--continuous", "--store-url", "memory://", "--port", "0"]) == 0
    assert ends == [0]
    assert "goes on where it stood; given up in the middle: acme, other" in capsys.readouterr().err
