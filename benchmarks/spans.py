"""100,000 spans in Phoenix to examples: the stage `collect` against the client's own DataFrame call, in the same run.

    python benchmarks/spans.py --phoenix-python .venv-phoenix/bin/python --client-python CLIENT/bin/python

CLIENT is an environment with arize-phoenix-client and pandas; without one ours alone is measured. With `--application`
there are traces as OpenInference writes them, four spans each, in place of spans as docs/traces.md asks; with `--below`
each lies under a span of a web server. Starts a Phoenix of its own, writes the spans straight into its SQLite file
(through the API they would take half an hour), and measures each reader in a fresh process: wall time, CPU and growth
of the resident memory over what was there after importing. `collect` masks, labels, splits and keeps what it reads, in
a SQLite store.
"""

from __future__ import annotations

import argparse
import json
import random
import secrets
import sqlite3
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from collecting import collecting

from argotune import wiring
from argotune.adapters.phoenix.connection import PhoenixHttp
from argotune.adapters.phoenix.traces import PhoenixTraces
from argotune.cli.demo.sample import TENANTS, queries
from argotune.tenants.binding import BoundProgram, TraceBinding

BOUND = TraceBinding(project="bench-bench-bench.routing", programs={"routing": BoundProgram(span="Route")})

THEIRS = """
import json, resource, sys, time
import pandas
from phoenix.client import Client
client = Client(base_url=sys.argv[1])
before, started, cpu = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter(), time.process_time()
frame = client.spans.get_spans_dataframe(project_identifier="bench-bench-bench.routing", limit=1_000_000, timeout=600)
print(json.dumps({"rows": len(frame), "s": time.perf_counter() - started, "cpu_s": time.process_time() - cpu,
    "mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--phoenix-python", type=Path)
    parser.add_argument("--client-python", type=Path)
    parser.add_argument("--spans", type=int, default=100_000)
    parser.add_argument("--port", type=int, default=6333)
    parser.add_argument("--application", action="store_true")
    parser.add_argument("--below", action="store_true")
    parser.add_argument("--ours", metavar="URL", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ours:
        return print(json.dumps(ours(arguments.ours, BOUND if arguments.application else None)))
    if not arguments.phoenix_python:
        parser.error("--phoenix-python is needed")
    with tempfile.TemporaryDirectory() as folder:
        _fill(arguments, Path(folder))
        with wiring.phoenix_server(arguments.phoenix_python, Path(folder), arguments.port) as url:
            how = ["--application"] if arguments.application else []
            found = _measured([sys.executable, __file__, "--ours", url, *how])
            print(f"ours:   {found}")
            if not arguments.client_python:
                return
            theirs = _measured([str(arguments.client_python), "-c", THEIRS, url])
    print(f"theirs: {theirs}")
    print(f"time {found['s'] / theirs['s']:.2f}, memory growth {found['mb'] / theirs['mb']:.2f} of theirs")


def ours(url: str, traces: TraceBinding | None) -> dict[str, float]:
    """What `collect` takes for all spans of the tenant at this Phoenix."""
    with PhoenixHttp(url, timeout_s=300) as http, collecting(PhoenixTraces(http, "bench"), traces) as collected:
        return collected()


def _measured(words: list[str]) -> dict[str, float]:
    return json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, timeout=900).stdout)


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
        said = _attributes(chance, words, number)
        spans = _application(said, arguments.below) if arguments.application else [("bench.routing", "AGENT", said)]
        _insert(database, project, now - timedelta(seconds=chance.uniform(900, 86_000)), spans)
    database.commit()
    database.close()


Sent = tuple[str, str, dict[str, object]]


def _insert(database: sqlite3.Connection, project: int | None, at: datetime, spans: list[Sent]) -> None:
    """A trace of spans, each in the one before."""
    start, end = at.strftime("%Y-%m-%d %H:%M:%S.%f"), (at + timedelta(seconds=1)).strftime("%Y-%m-%d %H:%M:%S.%f")
    trace = database.execute(
        "INSERT INTO traces (project_rowid, trace_id, start_time, end_time) VALUES (?, hex(randomblob(16)), ?, ?)",
        (project, start, end),
    ).lastrowid
    parent = None
    for name, kind, attributes in spans:
        span_id = secrets.token_hex(8)
        database.execute(
            "INSERT INTO spans (trace_rowid, span_id, parent_id, name, span_kind, start_time, end_time, attributes,"
            " events, status_code, status_message, cumulative_error_count, cumulative_llm_token_count_prompt,"
            " cumulative_llm_token_count_completion) VALUES (?, ?, ?, ?, ?, ?, ?, ?, '[]', 'OK', '', 0, 0, 0)",
            (trace, span_id, parent, name, kind, start, end, json.dumps(attributes)),
        )
        parent = span_id


def _application(said: dict[str, Any], below: bool) -> list[Sent]:
    """The same decision as a module's: what it asks lies in it, and it in a request where `below`."""
    given = {name: said["routing"].get(name, "") for name in ("query", "entities", "relationships", "enhanced_query")}
    answer = {"reasoning": "because " * 20, "agent": said["routing"]["chosen_agent"], "confidence": 0.8}
    values = {"input": {"value": json.dumps(given)}, "output": {"value": json.dumps(answer)}}
    outcome = {"routing": {"agent_success": said["routing"]["agent_success"]}}
    asked = {**values, "llm": {"input_messages": [{"message": {"role": "user", "content": "Route it. " * 200}}]}}
    names = ("Predict.forward", "Predict(RouteQuery).forward")
    web = [("POST /route", "UNKNOWN", {"http": {"route": "/route"}})] if below else []
    module = ("Route.forward", "CHAIN", {**values, **outcome})
    return [*web, module, *((name, "CHAIN", values) for name in names), ("LM.__call__", "LLM", asked)]


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
