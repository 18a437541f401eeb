"""A Phoenix server as a subprocess, for the demo and the tests: loopback only, no call to the internet.

The server lives in a Python environment of its own, because importing it costs 400 MB. Production installations
run Phoenix themselves and need nothing of this.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from argotune.adapters.phoenix.connection import PhoenixHttp
from argotune.adapters.retrying import Patience
from argotune.errors import ConfigInvalid, Unavailable
from argotune.errors.lines import told

_OFFLINE = {
    "PHOENIX_TELEMETRY_ENABLED": "false",
    "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
    "PHOENIX_DISABLE_AGENT_ASSISTANT": "true",
    "PHOENIX_ENABLE_MCP_SERVER": "false",
    "PHOENIX_ALLOWED_SANDBOX_PROVIDERS": "NONE",
}
"""Without these the server looks for updates and offers an assistant, a shell and code sandboxes."""

_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT")
"""What the server sees of our environment: no keys of LMs, no PHOENIX_* that would undo the above."""

STOP_LIMIT_S = 15.0


class PhoenixServer:
    """One server on free ports with its data in `folder`; a context manager that starts and stops it.

    `python` is an interpreter that has arize-phoenix installed. Stops with the process that started it.
    """

    def __init__(self, python: Path, folder: Path, port: int = 0, start_limit_s: float = 180.0) -> None:
        self._python, self._folder, self._start_limit_s = python.absolute(), folder.absolute(), start_limit_s
        self._port = port or _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def log(self) -> Path:
        """Where the server writes what it says."""
        return self._folder / "phoenix.log"

    @property
    def process_id(self) -> int | None:
        """The server's process, None when it does not run."""
        return self._process.pid if self._process else None

    def start(self, waiting: Callable[[float], None] = lambda _seconds: None) -> None:
        """Start and wait until requests are answered; `waiting` is told the seconds so far.

        Raises ConfigInvalid when the interpreter is missing or the port is taken, Unavailable when the server ends
        or the limit passes.
        """
        if not self._python.is_file() or not os.access(self._python, os.X_OK):
            raise ConfigInvalid(f"Phoenix: there is no Python at {self._python}")
        if _is_taken(self._port):
            raise ConfigInvalid(f"Phoenix: port {self._port} is in use by another program")
        self._folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = self._begun(log)
        with ExitStack() as when_it_fails:
            when_it_fails.callback(self.stop)
            self._wait_until_ready(waiting)
            when_it_fails.pop_all()

    def _begun(self, log: BinaryIO) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(  # noqa: S603
                [self._python, "-P", Path(__file__).with_name("main.py")],
                env=self._environment(),
                cwd=self._folder,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        except OSError as error:
            raise ConfigInvalid(f"Phoenix: {self._python} is no program: {error.strerror}") from error

    def stop(self) -> None:
        """Ask the server to end, and end it when it does not."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin:
            process.stdin.close()

    def __enter__(self) -> PhoenixServer:
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.stop()

    def _wait_until_ready(self, waiting: Callable[[float], None]) -> None:
        assert self._process is not None
        began = time.monotonic()
        with PhoenixHttp(self.url, timeout_s=2.0, patience=Patience(retries=0)) as http:
            while (waited_s := time.monotonic() - began) < self._start_limit_s:
                if self._process.poll() is not None:
                    raise Unavailable(f"Phoenix ended with code {self._process.returncode}: {self._last_words()}")
                if http.is_ready():
                    return
                waiting(waited_s)
                time.sleep(0.2)
        raise Unavailable(f"Phoenix did not answer within {self._start_limit_s:g} s; see {self.log}")

    def _environment(self) -> dict[str, str]:
        passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        return (
            passed_on
            | _OFFLINE
            | {
                "HOME": str(self._folder),
                "PHOENIX_HOST": "127.0.0.1",
                "PHOENIX_PORT": str(self._port),
                "PHOENIX_GRPC_PORT": str(_free_port()),
                "PHOENIX_WORKING_DIR": str(self._folder),
                "PHOENIX_LOG_MIGRATIONS": "false",
            }
        )

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").split("\n")
        return next((told(line) for line in reversed(lines) if line.strip()), "it said nothing")


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
