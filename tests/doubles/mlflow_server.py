"""A real MLflow server on loopback, with its data in a folder of its own. It ends with the process that started it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
"""Without these it calls home and keeps workers for jobs that nobody asks for."""


@contextmanager
def mlflow_serving(python: Path, folder: Path, limit_s: float = 160.0) -> Iterator[str]:
    """The URL of a server, empty at first, that keeps traces in SQLite and stores artefacts itself."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = QUIET | {"PATH": os.environ["PATH"], "HOME": str(folder)}
    with (folder / "mlflow.log").open("ab") as log:
        command = [python.absolute(), Path(__file__).absolute(), str(folder), str(port)]
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield _ready(process, f"http://127.0.0.1:{port}", time.monotonic() + limit_s, folder / "mlflow.log")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)
        process.stdin.close()


def _ready(process: subprocess.Popen[bytes], url: str, deadline_s: float, log: Path) -> str:
    while time.monotonic() < deadline_s and process.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/health", timeout=2.0).close()
            return url
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"MLflow did not answer: {log.read_text()[-2000:]}")


def _serve(folder: str, port: str) -> None:
    """Runs in MLflow's own Python."""

    def end_with_parent() -> None:
        while os.read(0, 1024):
            pass
        os.killpg(0, signal.SIGTERM)

    threading.Thread(target=end_with_parent, daemon=True).start()
    from mlflow.cli import cli

    store, files = f"sqlite:///{folder}/mlflow.db", f"{folder}/artifacts"
    cli(["server", "--port", port, "--workers", "1", "--backend-store-uri", store, "--artifacts-destination", files])


if __name__ == "__main__":
    _serve(*sys.argv[1:])
