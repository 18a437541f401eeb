"""The commands of docs/traces.md, run by a shell against a real Phoenix: what they write is read."""

from __future__ import annotations

import re
import secrets
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from factories import FIELDS

from argotune.adapters.phoenix.connection import PhoenixHttp
from argotune.adapters.phoenix.traces import PhoenixTraces
from argotune.data.experiences import Experience
from argotune.data.span_format import read_span
from argotune.data.spans import Span
from argotune.data.stream import Stream

PAGE = Path(__file__).resolve().parents[3] / "docs" / "traces.md"


def commands() -> str:
    section = PAGE.read_text("utf-8").partition("## Example over HTTP")[2].partition("\n## ")[0]
    return section.partition("```\n")[2].partition("```")[0]


def arrived(traces: PhoenixTraces) -> Span:
    """Phoenix stores what it took a moment later."""
    for _ in range(200):
        if found := [read.span for read in traces.spans_after(Stream("acme_corp", "routing"), None)]:
            return found[0]
        time.sleep(0.1)
    raise TimeoutError("the span did not arrive")


@pytest.mark.phoenix
def test_a_decision_written_with_curl_as_documented_is_read(phoenix_url: str):
    prefix = f"curl{secrets.token_hex(4)}"
    script = commands().replace("http://localhost:6006", phoenix_url).replace("cogniverse", prefix)
    for known in re.findall(r'_id": "([0-9a-f]+)"', script):
        script = script.replace(known, secrets.token_hex(len(known) // 2))
    done = subprocess.run(["bash", "-ec", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    read = read_span(arrived(PhoenixTraces(PhoenixHttp(phoenix_url), prefix)), "acme_corp", {"routing": FIELDS})
    assert isinstance(read, Experience)
    assert (read.query, dict(read.answers)) == ("clips of the harbour bridge", {"agent": "video_search_agent"})
    assert (read.at, read.agent_success) == (datetime(2026, 11, 29, 10, tzinfo=UTC), True)
