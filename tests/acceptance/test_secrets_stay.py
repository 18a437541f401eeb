"""Servers that repeat the key they were given, and URLs with passwords: no command repeats them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SECRETS = {
    "PHOENIX_API_KEY": "canary-phoenix-77",
    "ARGOTUNE_VESPA_TOKEN": "canary-vespa-77",
    "OPENAI_API_KEY": "canary-openai-77",
    "ROUTER_OPTIMIZER_TEACHER_KEY": "canary-teacher-77",
    "ANNOTATION_API_KEY": "canary-annotator-77",
}


class Echo(BaseHTTPRequestHandler):
    """Refuses everything, and says with what it was asked."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.heard.append(str(self.headers))
        said = f"not with {self.headers.get('Authorization')} or {self.headers.get('x-api-key')}"
        body = json.dumps({"error": {"message": said}, "message": said}).encode()
        self.send_response(400)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def echo() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.heard = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def run(folder: Path, env: dict[str, str], *arguments: str) -> str:
    """All that the command says."""
    command = [str(Path(sys.executable).with_name("argotune")), *arguments]
    whole = {"PATH": "/usr/bin:/bin", "HOME": str(folder), **env}
    done = subprocess.run(command, cwd=folder, env=whole, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("flags", [[], ["--json"]], ids=["table", "json"])
def test_doctor_repeats_no_key_that_a_server_repeats(
    echo: ThreadingHTTPServer, tmp_path: Path, flags: list[str], log_format: str
):
    address = f"127.0.0.1:{echo.server_port}"
    env = {
        **SECRETS,
        "CONFIG_STORE_URL": f"sqlite:///{tmp_path}/a.db",
        "PHOENIX_ENDPOINT": f"http://me:canary-login-77@{address}",
        "VESPA_URL": f"http://{address}",
        "OPENAI_BASE_URL": f"http://{address}/v1",
        "OPENAI_API_BASE": f"http://{address}/v1",
        "ARGOTUNE_TASK_MODEL": "openai/gpt-4o-mini",
        "ARGOTUNE_TEACHER_MODEL": "openai/gpt-4o",
        "ARGOTUNE_ANNOTATION_MODEL": "openai/gpt-4.1",
        "ARGOTUNE_LOG_FORMAT": log_format,
    }
    told = run(tmp_path, env, "doctor", *flags)
    assert told.count("not with") >= 4
    assert "canary" not in told
    heard = "".join(echo.heard)
    assert "canary-teacher-77" in heard
    assert "canary-vespa-77" in heard


@pytest.mark.parametrize("url", ["sqlite://u:PW@x", "redis://:canary/77@host:x", "mysql://me:canary77@host"])
def test_no_password_of_a_store_url_is_repeated(tmp_path: Path, url: str):
    told = run(tmp_path, {"CONFIG_STORE_URL": url}, "status")
    assert "CONFIG_STORE_URL" in told
    assert "PW" not in told
    assert "canary" not in told


def test_the_endpoint_of_a_phoenix_is_shown_without_its_login(tmp_path: Path):
    env = {"CONFIG_STORE_URL": f"sqlite:///{tmp_path}/a.db", "PHOENIX_ENDPOINT": "http://me:canary77@[::1"}
    assert "canary" not in run(tmp_path, env, "doctor", "--json")
