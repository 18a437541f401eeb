"""100,000 spans in Phoenix to examples: our reader against the client's own DataFrame call, in the same run.

    python benchmarks/spans.py --phoenix-python .venv-phoenix/bin/python --client-python CLIENT/bin/python

CLIENT is an environment with arize-phoenix-client and pandas. Starts a Phoenix of its own, writes the spans straight
into its SQLite file (through the API they would take half an hour), and measures each reader in a fresh process:
wall time and growth of the resident memory over what was there after importing.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from argotune import wiring
from argotune.cli.demo.sample import TENANTS, queries

OURS = """
import json, resource, sys, time
from datetime import UTC, datetime, timedelta
from argotune.adapters.phoenix.connection import PhoenixHttp
from argotune.adapters.phoenix.traces import PhoenixTraces
from argotune.data.annotations import strongest
from argotune.data.examples import examples_from
from argotune.data.experiences import Fields, Unusable, read_span
from argotune.data.guards.masking import Mask
from argotune.tenants.config import RoutingConfigUnified
from argotune.data.stream import Stream
config = RoutingConfigUnified(tenant_id="bench", min_trace_confidence=0.0)
fields = Fields("routing", ("query", "entities", "relationships", "enhanced_query"), {"agent": tuple(config.agents)})
traces = PhoenixTraces(PhoenixHttp(sys.argv[1], timeout_s=300), "bench")
before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
since = datetime.now(UTC) - timedelta(hours=25)
read = traces.spans_after(Stream("bench", "routing"), None, since)
found = (read_span(span, "bench", {"routing": fields}) for span, _ in read)
mask = Mask(config.masking)
experiences = (mask.experience(e, fields) for e in found if not isinstance(e, Unusable))
annotations = strongest(traces.annotations(Stream("bench", "routing"), ["agent"], since))
gathered = examples_from(experiences, annotations, fields, config)
print(json.dumps({"rows": len(gathered.examples) + sum(gathered.counts.values()), "examples": len(gathered.examples),
    "s": time.perf_counter() - started, "mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024}))
"""
THEIRS = """
import json, resource, sys, time
import pandas
from phoenix.client import Client
client = Client(base_url=sys.argv[1])
before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
frame = client.spans.get_spans_dataframe(project_identifier="bench-bench-bench.routing", limit=1_000_000, timeout=600)
print(json.dumps({"rows": len(frame), "s": time.perf_counter() - started,
    "mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--phoenix-python", type=Path, required=True)
    parser.add_argument("--client-python", type=Path, required=True)
    parser.add_argument("--spans", type=int, default=100_000)
    parser.add_argument("--port", type=int, default=6333)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        _fill(arguments, Path(folder))
        with wiring.phoenix_server(arguments.phoenix_python, Path(folder), arguments.port) as url:
            ours = _measure(Path(sys.executable), OURS, url)
            theirs = _measure(arguments.client_python, THEIRS, url)
    print(f"ours:   {ours}")
    print(f"theirs: {theirs}")
    print(f"time {ours['s'] / theirs['s']:.2f}, memory growth {ours['mb'] / theirs['mb']:.2f} of theirs")


def _measure(python: Path, code: str, url: str) -> dict[str, float]:
    done = subprocess.run([python, "-c", code, url], check=True, capture_output=True, text=True, timeout=900)
    return json.loads(done.stdout)


def _fill(arguments: argparse.Namespace, folder: Path) -> None:
    with wiring.phoenix_server(arguments.phoenix_python, folder, arguments.port):
        pass
    database = sqlite3.connect(next(folder.rglob("phoenix.db")))
    now = datetime.now(UTC).replace(tzinfo=None)
    project = database.execute(
        "INSERT INTO projects (name, created_at, updated_at, gradient_start_color, gradient_end_color)"
        " VALUES ('bench-bench-bench.routing', ?, ?, '#5bdbff', '#1c76fc')",
        (now.isoformat(" "), now.isoformat(" ")),
    ).lastrowid
    chance = random.Random(1)
    words = sorted({word for tenant in TENANTS for query in queries(tenant) for word in query.query.split()})
    for number in range(arguments.spans):
        _insert(
            database, project, now - timedelta(seconds=chance.uniform(60, 86_000)), _attributes(chance, words, number)
        )
    database.commit()
    database.close()


def _insert(database: sqlite3.Connection, project: int | None, at: datetime, attributes: dict[str, object]) -> None:
    start, end = at.strftime("%Y-%m-%d %H:%M:%S.%f"), (at + timedelta(seconds=1)).strftime("%Y-%m-%d %H:%M:%S.%f")
    trace = database.execute(
        "INSERT INTO traces (project_rowid, trace_id, start_time, end_time) VALUES (?, hex(randomblob(16)), ?, ?)",
        (project, start, end),
    ).lastrowid
    database.execute(
        "INSERT INTO spans (trace_rowid, span_id, name, span_kind, start_time, end_time, attributes, events,"
        " status_code, status_message, cumulative_error_count, cumulative_llm_token_count_prompt,"
        " cumulative_llm_token_count_completion)"
        " VALUES (?, lower(hex(randomblob(8))), 'bench.routing', 'AGENT', ?, ?, ?, '[]', 'OK', '', 0, 0, 0)",
        (trace, start, end, json.dumps(attributes)),
    )


def _attributes(chance: random.Random, words: list[str], number: int) -> dict[str, object]:
    query = " ".join(chance.choices(words, k=chance.randint(4, 10)))
    routing = {
        "tenant_id": "bench",
        "program": "routing",
        "query": query,
        "entities": f"entity {number}",
        "enhanced_query": f"{query} in full",
        "modality": "video",
        "chosen_agent": chance.choice(["video_search_agent", "document_search_agent", "summarizer_agent"]),
        "confidence": chance.random(),
        "search_quality": chance.random(),
        "agent_success": chance.random() < 0.8,
        "processing_time": chance.random() * 3,
        "program_version": "v0123456789ab",
        "propensity": 1.0,
        "language": "en",
    }
    return {
        "input": {"value": query, "mime_type": "text/plain"},
        "output": {"value": json.dumps({"agent": "x", "reasoning": "because " * 20})},
        "session": {"id": f"bench:{number % 1000}"},
        "routing": routing,
    }


if __name__ == "__main__":
    main()
