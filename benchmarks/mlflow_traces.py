"""100,000 traces in MLflow, four spans each, to examples: the stage `collect`, then a read that finds nothing new.

    python benchmarks/mlflow_traces.py --mlflow-python .venv-mlflow/bin/python --traces 100000

Starts an MLflow of its own and writes the traces straight into its SQLite file (over OTLP they take half an hour). With
`--below` each lies under a span of the application, so that what a search tells of a trace does not say what is in it.
Measured in fresh processes, reading alone and the whole stage: wall time, CPU and growth of the resident memory over
what was there after importing.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from collecting import collecting, reading

from argotune import wiring
from argotune.adapters.mlflow.connection import MlflowHttp
from argotune.adapters.mlflow.traces import MlflowTraces
from argotune.cli.demo.sample import TENANTS, queries
from argotune.tenants.binding import BoundProgram, TraceBinding

BOUND = TraceBinding(source="mlflow", project="bench", programs={"routing": BoundProgram(span="Route")})
NAMES = (
    ("Route.forward", "CHAIN"),
    ("Predict.forward", "LLM"),
    ("ChatAdapter.format", "PARSER"),
    ("LM.__call__", "LLM"),
)
Names = tuple[tuple[str, str], ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mlflow-python", type=Path)
    parser.add_argument("--traces", type=int, default=100_000)
    parser.add_argument("--below", action="store_true")
    parser.add_argument("--ours", nargs=2, metavar=("WHAT", "URL"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ours:
        return print(json.dumps(ours(*arguments.ours)))
    if not arguments.mlflow_python:
        parser.error("--mlflow-python is needed")
    with tempfile.TemporaryDirectory() as folder:
        with serving(arguments.mlflow_python, Path(folder)) as url, MlflowHttp(url) as http:
            experiment = http.made_experiment(BOUND.project)
        fill(Path(folder) / "mlflow.db", int(experiment), arguments.traces, arguments.below)
        with serving(arguments.mlflow_python, Path(folder)) as url:
            for what in ("reading", "collecting"):
                words = [sys.executable, __file__, "--ours", what, url]
                print(what, subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, timeout=3600).stdout)


def ours(what: str, url: str) -> dict[str, float]:
    """What reading all traces at this MLflow takes, or `collect`, and what that takes again."""
    if what == "reading":
        with MlflowHttp(url, timeout_s=300) as http:
            return reading(MlflowTraces(http, "bench"), BOUND)
    with MlflowHttp(url, timeout_s=300) as http, collecting(MlflowTraces(http, "bench"), BOUND) as collected:
        return {**collected(), "again_s": collected()["s"]}


@contextmanager
def serving(python: Path, folder: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    words = [python, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    words += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", f"{folder}/artifacts"]
    with (folder / "log").open("ab") as log:
        server = subprocess.Popen(words, env={**os.environ, **quiet}, stdout=log, stderr=log, start_new_session=True)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
                break
            except OSError:
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def fill(file: Path, experiment: int, count: int, below: bool) -> None:
    database, chance, now = sqlite3.connect(file), random.Random(1), wiring.utc_now()
    words = sorted({word for tenant in TENANTS for query in queries(tenant) for word in query.query.split()})
    names = ((("handle", "UNKNOWN"),) if below else ()) + NAMES
    for number in range(count):
        at = now - timedelta(seconds=chance.uniform(900, 86_000))
        insert(database, experiment, int(at.timestamp() * 1e9), names, said(chance, words, number))
    database.commit()
    database.close()


def said(chance: random.Random, words: list[str], number: int) -> dict[str, str]:
    """Inputs and outputs of one decision, as MLflow keeps them."""
    query = " ".join(chance.choices(words, k=chance.randint(4, 10)))
    given = {"query": query, "entities": f"entity {number}", "relationships": "", "enhanced_query": f"{query} in full"}
    agent = chance.choice(["video_search_agent", "document_search_agent", "summarizer_agent"])
    answer = {"reasoning": "because " * 20, "agent": agent, "confidence": chance.random()}
    outcome = {"routing.agent_success": json.dumps(chance.random() < 0.8)}
    return {"mlflow.spanInputs": json.dumps(given), "mlflow.spanOutputs": json.dumps(answer), **outcome}


def insert(database: sqlite3.Connection, experiment: int, at_ns: int, names: Names, values: dict[str, str]) -> None:
    """A trace of spans, each in the one before."""
    trace, parent = secrets.token_bytes(16), None
    id = f"tr-{trace.hex()}"
    database.execute(
        "INSERT INTO trace_info (request_id, experiment_id, timestamp_ms, execution_time_ms, status, request_preview,"
        " response_preview, db_payload_generation, trace_name) VALUES (?, ?, ?, 900, 'OK', ?, ?, 1, ?)",
        (id, experiment, at_ns // 10**6, values["mlflow.spanInputs"], values["mlflow.spanOutputs"], names[0][0]),
    )
    tags = {"mlflow.traceName": names[0][0], "mlflow.trace.spansLocation": "TRACKING_STORE"}
    database.executemany(
        "INSERT INTO trace_tags (key, value, request_id) VALUES (?, ?, ?)", [(*tag, id) for tag in tags.items()]
    )
    for level, (name, kind) in enumerate(names):
        span = secrets.token_bytes(8)
        long = {"prompt": json.dumps("Route it. " * 200)} if name == "LM.__call__" else {}
        said_in_it = {"mlflow.spanType": json.dumps(kind), **values, **long}
        start, end, parent_id = at_ns + level, at_ns + 9 * 10**8, parent.hex() if parent else None
        content = content_of(trace, span, parent, name, start, said_in_it)
        database.execute(
            "INSERT INTO spans (trace_id, experiment_id, span_id, parent_span_id, name, type, status,"
            " start_time_unix_nano, end_time_unix_nano, content) VALUES (?, ?, ?, ?, ?, ?, 'OK', ?, ?, ?)",
            (id, experiment, span.hex(), parent_id, name, kind, start, end, content),
        )
        parent = span


def content_of(
    trace: bytes, span: bytes, parent: bytes | None, name: str, at_ns: int, attributes: dict[str, Any]
) -> str:
    ids = {"trace_id": trace, "span_id": span, "parent_span_id": parent}
    own = {"mlflow.traceRequestId": json.dumps(f"tr-{trace.hex()}"), **attributes}
    return json.dumps(
        {
            **{key: id and b64encode(id).decode() for key, id in ids.items()},
            "name": name,
            "start_time_unix_nano": at_ns,
            "end_time_unix_nano": at_ns + 9 * 10**8,
            "events": [],
            "status": {"code": "STATUS_CODE_OK", "message": ""},
            "attributes": own,
            "links": [],
        }
    )


if __name__ == "__main__":
    main()
