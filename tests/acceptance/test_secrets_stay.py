"""Servers that repeat the key they were given, and URLs with passwords: no command repeats them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from loopback import Quiet, answering

SECRETS = {
    "PHOENIX_API_KEY": "canary-phoenix-77",
    "ARGOTUNE_VESPA_TOKEN": "canary-vespa-77",
    "OPENAI_API_KEY": "canary-openai-77",
    "ROUTER_OPTIMIZER_TEACHER_KEY": "canary-teacher-77",
    "ANNOTATION_API_KEY": "canary-annotator-77",
}


@dataclass
class Echo:
    """Refuses everything, and says with what it was asked."""

    heard: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, request: Quiet, _body: bytes) -> tuple[int, dict[str, Any]]:
        self.heard.append(str(request.headers))
        said = f"not with {request.headers.get('Authorization')} or {request.headers.get('x-api-key')}"
        return 400, {"error": {"message": said}, "message": said}


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    with answering(server.answer) as server.url:
        yield server


def run(folder: Path, env: dict[str, str], *arguments: str) -> str:
    """All that the command says."""
    command = [str(Path(sys.executable).with_name("argotune")), *arguments]
    whole = {"PATH": "/usr/bin:/bin", "HOME": str(folder), **env}
    done = subprocess.run(command, cwd=folder, env=whole, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("flags", "log_format"),
    [
        ([], "text"),
        (["--json"], "json"),
        pytest.param([], "json", marks=pytest.mark.slow),
        pytest.param(["--json"], "text", marks=pytest.mark.slow),
    ],
)
def test_doctor_repeats_no_key_that_a_server_repeats(echo: Echo, tmp_path: Path, flags: list[str], log_format: str):
    address = echo.url.removeprefix("http://")
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
