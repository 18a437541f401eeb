"""A shop: dumps of what its ordinary DSPy application left in Phoenix (tests/data/spans), and the programs in it.

The dumps are Phoenix 20.26.1's rows of openinference-instrumentation-dspy 0.1.48 under dspy 3.4.1, whole traces each.
What adapters and LMs said is left out of them: nothing reads it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from argotune.data.experiences import Experience
from argotune.data.fields import Fields
from argotune.data.openinference import KIND, read_decision
from argotune.data.source import TraceSource
from argotune.data.span_format import UnusableSpan
from argotune.data.spans import Span
from argotune.data.stream import Stream
from argotune.tenants.binding import BoundProgram, TraceBinding, TraceProject

DUMPS = Path(__file__).parents[1] / "data" / "spans" / "phoenix"
FILES = sorted(path.stem for path in DUMPS.glob("*.json"))

TEAMS = ("billing", "shipping", "technical", "other")


def _fields(program: str, inputs: str, answers: dict[str, tuple[str, ...] | None], optional: str = "") -> Fields:
    named = tuple(inputs.split())
    left_out = frozenset(optional.split())
    return Fields(program, named, answers, tuple(name for name in named if name not in left_out), left_out)


FIELDS = {
    fields.program: fields
    for fields in (
        _fields("route", "message", {"team": TEAMS}),
        _fields("answer", "question", {"answer": None}),
        _fields("pipeline", "query history", {"intent": TEAMS}, optional="history"),
        _fields("agent", "request", {"answer": None}),
        _fields("extract", "text", dict.fromkeys(("order_ids", "urgency", "is_angry", "person"))),
        _fields("twice", "message", {"team": TEAMS}),
        _fields("outer", "message", {"reply": None}),
        _fields("router", "message", {"team": TEAMS}),
        _fields("chat", "question history", {"answer": None}),
        _fields("look", "question picture", {"answer": None}),
    )
}

PROGRAMS = {
    "route": BoundProgram(span="Predict", signature="RouteTicket"),
    "answer": BoundProgram(span="ChainOfThought"),
    "pipeline": BoundProgram(span="RewriteThenClassify"),
    "agent": BoundProgram(span="ReAct"),
    "extract": BoundProgram(span="Predict", signature="Extract"),
    "twice": BoundProgram(span="Twice"),
    "outer": BoundProgram(span="Outer"),
    "router": BoundProgram(span="Router"),
    "chat": BoundProgram(span="Predict", signature="Chat"),
    "look": BoundProgram(span="Predict", signature="Look"),
}

SHOP = TraceProject(project="shop")


def stream(program: str, **binding: Any) -> Stream:
    """A program's decisions in the shop's project. `binding`: what else its binding says."""
    return Stream("acme", program, TraceBinding(**{"project": SHOP.project, "programs": PROGRAMS, **binding}))


def rows_of(file: str) -> list[dict[str, Any]]:
    """Phoenix's rows of a dump."""
    return json.loads((DUMPS / f"{file}.json").read_text())


def span_of(row: dict[str, Any]) -> Span:
    """A row as it is."""
    started, ended = (datetime.fromisoformat(row[name]) for name in ("start_time", "end_time"))
    attributes = {**row["attributes"], KIND: row["span_kind"]}
    of, parent, message = row["context"], row["parent_id"], row["status_message"]
    return Span(
        of["span_id"],
        of["trace_id"],
        row["name"],
        started,
        ended,
        attributes,
        row["status_code"],
        parent,
        failure=message,
    )


def spans_of(*files: str) -> list[Span]:
    return [span_of(row) for file in files for row in rows_of(file)]


def under_other_ids(spans: Iterable[Span], salt: str) -> list[Span]:
    """The same spans as if they were sent again: Phoenix knows each trace and each span once."""

    def other(id: str | None, length: int) -> str | None:
        return id and sha256(f"{salt} {id}".encode()).hexdigest()[:length]

    return [
        replace(s, span_id=other(s.span_id, 16), trace_id=other(s.trace_id, 32), parent_id=other(s.parent_id, 16))
        for s in spans
    ]


def read(traces: TraceSource, of: Stream, since: datetime | None = None) -> Iterator[Experience | UnusableSpan]:
    """What becomes of a stream's spans, but for other tenants'."""
    found = (read_decision(each.span, of, FIELDS[of.module]) for each in traces.spans_after(of, None, since))
    return (each for each in found if each is not None)


def told(found: Iterable[Experience | UnusableSpan]) -> Counter[str]:
    """How many were read, failed, and left out by reason."""
    return Counter(
        x.value if isinstance(x, UnusableSpan) else f"failed: {x.failure}" if x.failure else "read" for x in found
    )
