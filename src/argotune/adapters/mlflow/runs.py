"""The older way in which DSPy programs are logged: an MLflow run for a decision, with what went in and came out as
parameters `input.*` and `output.*`, its outcome as metrics, and the program's name in a tag."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from argotune.adapters.json_http import storable_json
from argotune.adapters.mlflow.connection import documented
from argotune.adapters.mlflow.spans import OWN, SpanPlace, TraceInfo, time_at
from argotune.data.openinference import INPUTS, KIND, OUTPUTS
from argotune.data.spans import Json, Span

PROGRAM_TAG = "dspy_program_name"

SCORE = "outcome_score"

RUN_PREFIX = "run-"
"""Begins what stands for the id of a trace where there is a run in its place."""

_DECISION = "decision"
"""What stands for the id of the one span that a run is read as."""

_STATUS = {"FINISHED": "OK", "FAILED": "ERROR", "KILLED": "ERROR"}


def decision_of(row: Mapping[str, Any]) -> tuple[TraceInfo, Span]:
    """A run as the trace of one decision, and that decision; what each metric says as an assessment of it.

    Raises BadAnswer.
    """
    with documented("a run"):
        return _decision(row["info"], row.get("data") or {})


def _decision(info: Mapping[str, Any], data: Mapping[str, Any]) -> tuple[TraceInfo, Span]:
    tags, params = _by_key(data.get("tags")), _by_key(data.get("params"))
    id, status, at_ms = f"{RUN_PREFIX}{info['run_id']}", info["status"], int(info["start_time"])
    started_at, ended_at = time_at(at_ms), time_at(int(info.get("end_time") or at_ms))
    own = {f"metadata.{name}": value for name, value in tags.items() if not name.startswith(OWN)}
    attributes: dict[str, Json] = {
        **{str(storable_json(name)): storable_json(value) for name, value in own.items()},
        KIND: "CHAIN",
        **_values(INPUTS, "input.", params),
        **_values(OUTPUTS, "output.", params),
        **_outcome(data.get("metrics") or ()),
    }
    trace = TraceInfo(
        id=id,
        at_ms=at_ms,
        ended_at=ended_at,
        is_whole=status in _STATUS,
        is_in_file=False,
        name=None,
        attributes=attributes,
        assessments=[_assessment(id, metric) for metric in data.get("metrics") or ()],
    )
    name = f"{storable_json(tags[PROGRAM_TAG])}.forward"
    place, state = SpanPlace(id, _DECISION).id, _STATUS.get(status, "UNSET")
    return trace, Span(place, id, name, started_at, ended_at, attributes, state)


def _values(attribute: str, prefix: str, params: Mapping[str, str]) -> dict[str, Json]:
    """What went in, or came out, as OpenInference tells it: MLflow has kept texts alone."""
    found = {name.removeprefix(prefix): value for name, value in params.items() if name.startswith(prefix)}
    return {attribute: json.dumps(storable_json(found), ensure_ascii=False)} if found else {}


def _outcome(metrics: Sequence[Mapping[str, Any]]) -> dict[str, Json]:
    """What a run's score says of its decision, where a span has what its user thought of it."""
    found = [metric.get("value") for metric in metrics if metric["key"] == SCORE]
    return {"routing.user_satisfaction": found[-1]} if found else {}


def _assessment(id: str, metric: Mapping[str, Any]) -> Mapping[str, Json]:
    return {
        "assessment_id": metric["key"],
        "assessment_name": metric["key"],
        "trace_id": id,
        "span_id": _DECISION,
        "source": {"source_type": "CODE", "source_id": "metric"},
        "last_update_time": time_at(int(metric["timestamp"])).isoformat(),
        "feedback": {"value": metric.get("value")},
    }


def _by_key(pairs: Any) -> dict[str, str]:
    return {str(pair["key"]): str(pair.get("value", "")) for pair in pairs or ()}
