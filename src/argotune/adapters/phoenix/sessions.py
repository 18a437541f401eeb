"""Sessions of a Phoenix project of which something is said, and the traces that lie in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from argotune.adapters.phoenix.annotations import is_said
from argotune.adapters.phoenix.connection import PhoenixHttp
from argotune.adapters.phoenix.spans import parsed, text_in, time_of

SESSIONS_AT_ONCE = 100


@dataclass(frozen=True)
class AnnotatedSession:
    """A session, and those of its traces that ended at some time or later."""

    session_id: str
    trace_ids: tuple[str, ...]


def annotated_sessions(
    http: PhoenixHttp, project_path: str, names: Sequence[str], since: datetime, *, newest_first: bool = False
) -> Iterator[AnnotatedSession]:
    """Sessions with an annotation under one of these names, and a trace since then; a page of them is in memory. A
    server that does not heed the filter gives all sessions: then nothing is said of some."""
    params = {"filter": is_said("session", names), "order": "desc" if newest_first else "asc"}
    for row in http.pages(f"{project_path}/sessions", params, SESSIONS_AT_ONCE):
        found = parsed(lambda each: _session_of(each, since), row)
        if found.trace_ids:
            yield found


def _session_of(row: Mapping[str, Any], since: datetime) -> AnnotatedSession:
    traces = (text_in(trace["trace_id"]) for trace in row["traces"] if time_of(trace["end_time"]) >= since)
    return AnnotatedSession(text_in(row["session_id"]), tuple(traces))
