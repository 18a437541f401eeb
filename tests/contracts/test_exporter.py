"""The exporter as Prometheus meets it: over HTTP, from real stores, while they go away and come back."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from factories import LATER, NOON, after, make_config, make_contest, make_run, make_verdict
from prometheus_client import openmetrics
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families
from watched_store import Fails, WatchedStore

from argotune.adapters.memory.store import MemoryStore
from argotune.adapters.prometheus import MetricsServer
from argotune.adapters.redis import RedisStore
from argotune.cli import main
from argotune.errors import AccessDenied, ArgotuneError, ConfigInvalid, Unavailable
from argotune.promotion.contest_book import ContestBook
from argotune.runs.book import RunBook
from argotune.runs.run import RunState
from argotune.runs.tallies import RoundRecord, keep_round, keep_tally
from argotune.store.port import Store
from argotune.tenants.catalog import Configs

Samples = dict[str, float]

SHOWN = {
    'argotune_runs_total{module="routing",outcome="promoted"}': 1,
    'argotune_runs_total{module="modality",outcome="skipped"}': 0,
    'argotune_run_seconds_sum{module="routing",outcome="promoted"}': 90.5,
    'argotune_run_seconds_count{module="routing",outcome="promoted"}': 1,
    'argotune_runs_unfinished{module="own"}': 1,
    'argotune_contests_open{module="routing"}': 1,
    'argotune_contests_open{module="modality"}': 0,
    'argotune_unfinished_run_started_timestamp_seconds{module="own"}': NOON.timestamp(),
    "argotune_run_ended_timestamp_seconds": after(90.5).timestamp(),
    'argotune_lm_calls_total{module="routing"}': 7,
    'argotune_lm_tokens_total{module="routing"}': 800,
    'argotune_lm_reused_total{module="routing"}': 9,
    'argotune_tenants{state="enabled"}': 1,
    'argotune_tenants{state="disabled"}': 1,
    'argotune_records_unreadable{collection="tallies"}': 0,
    "argotune_rounds_total": 1,
    "argotune_round_started_timestamp_seconds": NOON.timestamp(),
    "argotune_round_duration_seconds": 30,
    "argotune_round_tenants": 5,
    "argotune_round_submitted": 2,
    "argotune_round_failed": 1,
    "argotune_round_complete": 1,
    'argotune_round_skipped{reason="not due"}': 2,
    "argotune_store_up": 1,
    "argotune_store_read_timestamp_seconds": after(60).timestamp(),
}


def fill(store: Store) -> None:
    """A tenant with a promotion, an open contest and an unfinished run of its own, one that is off, and a round."""
    Configs(store).save(make_config())
    Configs(store).save(make_config(tenant_id="sleeping", enable_auto_optimization=False))
    ended = {"state": RunState.REPORTED, "verdict": make_verdict(), "ended_at": after(90.5)}
    runs = [
        make_run(id="r1", lm_calls=7, lm_tokens=800, lm_reused=9, **ended),
        make_run(id="r2", module="support_bot", program="support_bot"),
    ]
    store.write("acme_corp", [RunBook.record_of(run) for run in runs])
    for tenant_id in ("acme_corp", "sleeping"):
        book = ContestBook(store, tenant_id)
        store.write(tenant_id, list(book.opening(make_contest(), book.shares())))
        keep_tally(store, tenant_id, LATER)
    numbers = {"tenants": 5, "submitted": 2, "failed": 1, "skipped": {"not due": 2}, "is_complete": True}
    keep_round(store, RoundRecord(name="round-1", started_at=NOON, ended_at=after(30), **numbers))


@contextmanager
def serving(open_store: Callable[[], Store], refresh_s: float = 0.05, tell=lambda _text: None) -> Iterator[str]:
    """The server in threads of this process; yields its URL."""
    server, stop = MetricsServer(open_store, lambda: after(60), "127.0.0.1", 0), threading.Event()
    serving = threading.Thread(target=server.serve, args=(refresh_s, stop, tell))
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        stop.set()
        serving.join(5)


def get(url: str, **headers: str) -> str:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
        return answer.read().decode()


def samples(url: str) -> Samples:
    found = {}
    for family in text_string_to_metric_families(get(f"{url}/metrics")):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
            found[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
    return found


def wait_for(url: str, sample: str, value: float, limit_s: float = 30.0) -> Samples:
    deadline_s = time.monotonic() + limit_s
    while (found := samples(url)).get(sample) != value:
        assert time.monotonic() < deadline_s, f"not within {limit_s} s: {sample} {value}, but {found}"
        time.sleep(0.02)
    return found


# What is shown


def test_every_store_shows_the_same(store: Store):
    fill(store)
    with serving(lambda: store) as url:
        found = wait_for(url, "argotune_store_up", 1)
    assert {name: found.get(name) for name in SHOWN} == SHOWN


def test_more_tenants_are_no_more_series_and_none_is_named():
    store = MemoryStore()
    fill(store)
    with serving(lambda: store) as url:
        before = wait_for(url, "argotune_store_up", 1)
        for number in range(30):
            Configs(store).save(make_config(tenant_id=f"tenant-{number}"))
            store.write(f"tenant-{number}", [RunBook.record_of(make_run(module=f"own_{number}"))])
            keep_tally(store, f"tenant-{number}", LATER)
        later = wait_for(url, 'argotune_tenants{state="enabled"}', 31)
        assert before.keys() == later.keys()
        assert "tenant-" not in get(f"{url}/metrics")


def test_strict_openmetrics_is_understood_too():
    store = MemoryStore()
    fill(store)
    with serving(lambda: store) as url:
        wait_for(url, "argotune_store_up", 1)
        text = get(f"{url}/metrics", Accept=openmetrics.exposition.CONTENT_TYPE_LATEST)
    families = {family.name: family for family in openmetrics_parser.text_string_to_metric_families(text)}
    assert families["argotune_runs"].type == "counter"
    assert families["argotune_run_seconds"].type == "summary"
    assert all(family.documentation for family in families.values())


@pytest.mark.parametrize(
    ("path", "status"), [("/healthz", 200), ("/metrics?x=1", 200), ("/", 404), ("/metrics/x", 404)]
)
def test_there_are_two_pages(path: str, status: int):
    with serving(MemoryStore) as url:
        try:
            get(url + path)
            found = 200
        except urllib.error.HTTPError as error:
            found = error.code
            error.close()
    assert found == status


# Outages


@pytest.mark.parametrize("error", [Unavailable("down"), AccessDenied("refused")])
def test_what_was_read_last_stays_while_the_store_cannot_be_read(error: ArgotuneError):
    store, told = WatchedStore(), []
    store.before = scans = Fails(("scan",))
    fill(store)
    with serving(lambda: store, tell=told.append) as url:
        wait_for(url, "argotune_store_up", 1)
        scans.error = error
        assert wait_for(url, "argotune_store_up", 0) == {**samples(url), "argotune_store_up": 0}
        assert {**samples(url), "argotune_store_up": 1}.items() >= SHOWN.items()
        assert get(f"{url}/healthz") == "ok\n"
        scans.error = None
        wait_for(url, "argotune_store_up", 1)
    assert told == [f"the store cannot be read: {error}", "the store can be read again"]


@pytest.mark.redis
def test_a_redis_that_is_not_there_yet_goes_away_and_comes_back(new_redis):
    redis = new_redis()
    redis.stop()
    with serving(lambda: RedisStore.from_url(redis.url, timeout_s=1)) as url:
        assert samples(url) == {"argotune_store_up": 0}  # no zeros: they would look like counters that fell
        redis.start()
        fill(RedisStore.from_url(redis.url))
        wait_for(url, "argotune_rounds_total", 1)
        redis.stop()
        down = wait_for(url, "argotune_store_up", 0)
        assert down["argotune_rounds_total"] == 1
        redis.start()
        wait_for(url, "argotune_rounds_total", 0)  # this Redis keeps nothing


def test_a_store_that_can_never_be_opened_is_told_at_once(capsys: pytest.CaptureFixture[str]):
    assert main(["exporter", "--port", "0", "--store-url", "postgres://me:hunter2@db"]) == 2
    assert "CONFIG_STORE_URL: postgres://... names no store" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_that_nobody_foresaw_ends_the_process_instead_of_freezing_its_numbers():
    store = WatchedStore()
    store.before = Fails(("scan",), ZeroDivisionError())
    server = MetricsServer(lambda: store, lambda: NOON, "127.0.0.1", 0)
    assert server.serve(60, threading.Event(), lambda _text: None) is False


# The command


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--interval", "0"], "--interval: 0 is not within 1 and 3600 seconds"),
        (["--interval", "nan"], "--interval: nan is not within"),
        (["--port", "70000"], "cannot listen at '', 70000"),
        (["--port", "-1"], "cannot listen at '', -1"),
        (["--address", "no.such.address.invalid"], "cannot listen at 'no.such.address.invalid', 9090"),
    ],
)
def test_a_wrong_flag_is_named(flags: list[str], told: str, capsys: pytest.CaptureFixture[str]):
    assert main(["exporter", "--store-url", "memory://", *flags]) == 2
    assert told in capsys.readouterr().err


def test_a_port_in_use_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigInvalid, match="cannot listen"):
        MetricsServer(MemoryStore, lambda: NOON, "127.0.0.1", taken.getsockname()[1])


def test_without_its_extra_the_command_names_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "argotune.adapters.prometheus")
    assert main(["exporter", "--store-url", "memory://"]) == 2
    assert "pip install 'argotune[exporter]'" in capsys.readouterr().err


@contextmanager
def process(store_url: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "argotune.cli", "exporter", "--port", "0", "--interval", "1"]
    env = {"PATH": "/usr/bin:/bin", "CONFIG_STORE_URL": store_url}
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as running:
        try:
            port = re.search(r"on port (\d+)", running.stderr.readline())
            assert port is not None
            yield running, f"http://127.0.0.1:{port[1]}"
        finally:
            running.kill()


def end(running: subprocess.Popen[str], number: signal.Signals) -> int:
    """Exit code. Takes a fraction of a second, but other work may share the machine with the tests."""
    running.send_signal(number)
    return running.wait(timeout=4)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_at_once(number: signal.Signals, tmp_path: Path):
    with process(f"sqlite:///{tmp_path}/store.db") as (running, url):
        wait_for(url, "argotune_store_up", 1)
        assert end(running, number) == 0


def test_so_it_does_while_it_waits_for_a_store_that_says_nothing():
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        process(f"redis://127.0.0.1:{silent.getsockname()[1]}") as (running, url),
    ):
        assert samples(url) == {"argotune_store_up": 0}
        assert end(running, signal.SIGTERM) == 0
