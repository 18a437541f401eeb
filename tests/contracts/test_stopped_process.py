"""A real process that is stopped (SIGSTOP) longer than its lease lasts, on real stores."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import stopped_runner
from stopped_runner import TENANT, run, texts, world_on

from argotune.errors import Conflict
from argotune.runs.book import RunBook
from argotune.settings import Settings
from argotune.wiring import open_store


@contextmanager
def stopped_process(url: str, call: int) -> Iterator[subprocess.Popen[bytes]]:
    """A real run of the loop that stops itself by SIGSTOP at an LM call."""
    command = [sys.executable, "-W", "ignore", stopped_runner.__file__, url, str(call)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            until_s = time.monotonic() + 60
            while Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
                assert process.poll() is None, f"it ended with {process.returncode}"
                assert time.monotonic() < until_s, "it did not stop"
                time.sleep(0.05)
            yield process
        finally:
            process.kill()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
@pytest.mark.parametrize(
    ("kind", "call"), [("sqlite", 1), pytest.param("redis", 40, marks=[pytest.mark.redis, pytest.mark.slow])]
)
def test_a_process_that_was_stopped_by_sigstop_leaves_the_finished_run_alone(
    kind: str, call: int, tmp_path: Path, request: pytest.FixtureRequest
):
    url = f"sqlite:///{tmp_path}/store.db" if kind == "sqlite" else request.getfixturevalue("redis_server").url
    if kind == "redis":
        request.getfixturevalue("redis_server").call("FLUSHALL")
    with closing(open_store(Settings(CONFIG_STORE_URL=url))) as store, stopped_process(url, call) as process:
        run(world_on(store))
        finished = texts(store)
        assert [run.outcome for run in RunBook(store, TENANT).runs()] == ["promoted"]
        process.send_signal(signal.SIGCONT)
        assert process.wait(60) == Conflict.exit_code
        assert texts(store) == finished
