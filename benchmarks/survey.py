"""`argotune connect` on a Phoenix project of 100,000 mixed spans: time, CPU and memory of a look at it.

    python benchmarks/survey.py --phoenix-python .venv-phoenix/bin/python

Two fifths of the traces are of DSPy (two classes, below a web server's span), the others of another framework; every
tenth decision has a thumb. They are written straight into the SQLite file of a Phoenix of its own. Each size of the
sample is measured in a fresh process; memory is the growth over what was there after importing.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from spans import Sent, _application, _attributes, _insert, _measured

from argotune import wiring
from argotune.adapters.memory.store import MemoryStore
from argotune.adapters.phoenix.connection import PhoenixHttp
from argotune.adapters.phoenix.survey import PhoenixSurvey
from argotune.pipeline.operations.connecting import Wanted, connect
from argotune.tenants.binding import TraceProject

PLACE = TraceProject(project="bench")
SAMPLES = (1000, 10_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--phoenix-python", type=Path)
    parser.add_argument("--spans", type=int, default=100_000)
    parser.add_argument("--port", type=int, default=6334)
    parser.add_argument("--look", nargs=2, metavar=("URL", "SAMPLE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.look:
        return print(json.dumps(looked(arguments.look[0], int(arguments.look[1]))))
    if not arguments.phoenix_python:
        parser.error("--phoenix-python is needed")
    with tempfile.TemporaryDirectory() as folder:
        fill(arguments, Path(folder))
        with wiring.phoenix_server(arguments.phoenix_python, Path(folder), arguments.port) as url:
            for sample in SAMPLES:
                print(f"sample of {sample}: {_measured([sys.executable, __file__, '--look', url, str(sample)])}")


def looked(url: str, sample: int) -> dict[str, float]:
    look = PhoenixSurvey(PhoenixHttp(url, timeout_s=120))
    before, started, cpu = peak_mb(), time.perf_counter(), time.process_time()
    sight = connect(MemoryStore(), look, Wanted(PLACE, "bench", sample=sample)).sight
    taken = {"s": time.perf_counter() - started, "cpu_s": time.process_time() - cpu, "mb": peak_mb() - before}
    seen = {"spans": sight.spans or 0, "decisions": sight.decisions, "programs": len(sight.programs)}
    return {**seen, "remarks": sum(remark.count for remark in sight.remarks), **taken}


def peak_mb() -> float:
    """Of this program alone: `ru_maxrss` begins with that of the process that started it."""
    said = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(said["VmHWM"].split()[0]) / 1024


def fill(arguments: argparse.Namespace, folder: Path) -> None:
    """A Phoenix project of mixed traces."""
    with wiring.phoenix_server(arguments.phoenix_python, folder, arguments.port):
        pass
    database = sqlite3.connect(next(folder.rglob("phoenix.db")))
    now = datetime.now(UTC).replace(tzinfo=None)
    project = database.execute(
        "INSERT INTO projects (name, created_at, updated_at, gradient_start_color, gradient_end_color)"
        f" VALUES ('{PLACE.project}', ?, ?, '#5bdbff', '#1c76fc')",
        (now.isoformat(" "), now.isoformat(" ")),
    ).lastrowid
    chance, written = random.Random(1), 0
    while written < arguments.spans:
        spans = [(name, kind, {**said, **_kind(kind)}) for name, kind, said in mixed(chance, written)]
        _insert(database, project, now - timedelta(seconds=chance.uniform(900, 86_000)), spans)
        written += len(spans)
    thumbs(database, now.isoformat(" "))
    database.commit()
    database.close()


def mixed(chance: random.Random, number: int) -> list[Sent]:
    """One trace: of DSPy, or of another framework."""
    said = _attributes(chance, ["find", "the", "keynote", "of", "may"], number)
    if chance.random() < 0.4:
        request, module, *below = _application(said, below=True)
        name = chance.choice(["Route", "Support"])
        return [request, (f"{name}.forward", *module[1:]), *below]
    values = {"input": said["input"], "output": said["output"]}
    names = [("POST /chat", "UNKNOWN"), ("RunnableSequence", "CHAIN"), ("Retriever", "RETRIEVER")]
    return [(name, kind, values) for name, kind in [*names, ("Prompt", "CHAIN"), ("ChatOpenAI", "LLM")]]


def _kind(kind: str) -> dict[str, object]:
    """Phoenix's paged route tells the kind by this attribute."""
    return {"openinference": {"span": {"kind": kind}}}


def thumbs(database: sqlite3.Connection, now: str) -> None:
    database.execute(
        "INSERT INTO span_annotations (span_rowid, name, label, score, explanation, metadata, annotator_kind,"
        " created_at, updated_at, identifier, source) SELECT id, 'user_feedback', 'thumbs-up', 1.0, NULL, '{}',"
        " 'HUMAN', ?, ?, '', 'API' FROM spans WHERE name IN ('Route.forward', 'Support.forward') AND id % 50 = 2",
        (now, now),
    )


if __name__ == "__main__":
    main()
