"""What applications send to MLflow: spans over OTLP as JSON, and what MLflow's own client says of a trace besides."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import httpx

from argotune.adapters.mlflow.connection import MlflowHttp
from argotune.adapters.project_names import project_name
from argotune.data.spans import Span

OK, ERROR = 1, 2
SPANS_AT_ONCE = 400

_OF_THE_SERVER = ("mlflow.artifactLocation", "mlflow.trace.spansLocation")


class MlflowWriter:
    """Writes into one server; TraceSink but for annotations. Experiments are made when they are missing."""

    def __init__(self, url: str, prefix: str) -> None:
        self._http, self._prefix = MlflowHttp(url), prefix
        self._otlp = httpx.Client(base_url=url, timeout=60)

    def close(self) -> None:
        self._http.close()
        self._otlp.close()

    def record(self, tenant_id: str, spans: Sequence[Span]) -> None:
        """Spans to the experiment by the tenant's name."""
        experiment_id = self.experiment(project_name(self._prefix, tenant_id))
        self._send(experiment_id, map(_otlp_span, spans))

    def experiment(self, name: str) -> str:
        return self._http.made_experiment(name)

    def replay(self, project: str, trace: Mapping[str, Any], at: datetime | None = None) -> str:
        """A trace as MLflow gave it back, under ids of its own and, if asked, at another time; with its assessments.
        Its id is returned."""
        (id,) = self.replay_all(project, [(trace, at)])
        return id

    def replay_all(self, project: str, traces: Iterable[tuple[Mapping[str, Any], datetime | None]]) -> list[str]:
        """Many of them, their spans in few requests."""
        experiment_id, spans, ids = self.experiment(project), list[dict[str, Any]](), list[str]()
        for trace, at in traces:
            id = os.urandom(16).hex()
            own = {_hex(span["span_id"]): os.urandom(8).hex() for span in trace["spans"]}
            first = min(int(span["start_time_unix_nano"]) for span in trace["spans"])
            shift = (int(at.timestamp() * 1e6) * 1000 - first) if at else 0
            self._begin(f"tr-{id}", experiment_id, trace["trace_info"], (first + shift) / 1e9, own)
            spans += [_moved(span, id, own, shift) for span in trace["spans"]]
            ids.append(f"tr-{id}")
        self._send(experiment_id, spans)
        return ids

    def replay_to_file(self, project: str, trace: Mapping[str, Any], file: Mapping[str, Any]) -> str:
        """A trace whose spans are in a file, as MLflow kept them before 3.5."""
        experiment_id, id = self.experiment(project), f"tr-{os.urandom(16).hex()}"
        at_s = datetime.fromisoformat(trace["trace_info"]["request_time"]).timestamp()
        self._begin(id, experiment_id, trace["trace_info"], at_s, {})
        folder = f"api/2.0/mlflow-artifacts/artifacts/{experiment_id}/traces/{id}/artifacts"
        self._http.put(f"{folder}/traces.json", file)
        return id

    def assess(self, trace_id: str, assessment: Mapping[str, Any]) -> None:
        body = {**assessment, "trace_id": trace_id}
        self._http.post(f"api/3.0/mlflow/traces/{trace_id}/assessments", {"assessment": body})

    def log_run(self, project: str, row: Mapping[str, Any]) -> str:
        """A run as MLflow gave it back, under an id of its own."""
        data, info = row["data"], row["info"]
        made = {"experiment_id": self.experiment(project), "start_time": info["start_time"], "tags": data["tags"]}
        run_id = self._http.post("api/2.0/mlflow/runs/create", made)["run"]["info"]["run_id"]
        batch = {"run_id": run_id, "params": data["params"], "metrics": data["metrics"]}
        self._http.post("api/2.0/mlflow/runs/log-batch", batch)
        ended = {"run_id": run_id, "status": info["status"], "end_time": info["end_time"]}
        self._http.post("api/2.0/mlflow/runs/update", ended)
        return run_id

    def _begin(
        self, id: str, experiment_id: str, info: Mapping[str, Any], at_s: float, span_ids: Mapping[str, str]
    ) -> None:
        location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment_id}}
        said = {
            "trace_id": id,
            "trace_location": location,
            "request_time": datetime.fromtimestamp(at_s).astimezone().isoformat(timespec="milliseconds"),
            "execution_duration": info["execution_duration"],
            "state": info["state"],
            "trace_metadata": info["trace_metadata"],
            "tags": {key: value for key, value in info["tags"].items() if key not in _OF_THE_SERVER},
            "assessments": [_own(each, id, span_ids) for each in info.get("assessments", ())],
        }
        self._http.post("api/3.0/mlflow/traces", {"trace": {"trace_info": said}})

    def _send(self, experiment_id: str, spans: Iterable[dict[str, Any]]) -> None:
        waiting = list(spans)
        for start in range(0, len(waiting), SPANS_AT_ONCE):
            batch = {"resourceSpans": [{"scopeSpans": [{"spans": waiting[start : start + SPANS_AT_ONCE]}]}]}
            headers = {"x-mlflow-experiment-id": experiment_id}
            self._otlp.post("/v1/traces", json=batch, headers=headers).raise_for_status()


def _own(assessment: Mapping[str, Any], trace_id: str, span_ids: Mapping[str, str]) -> dict[str, Any]:
    """Of the copy of a trace, under an id of its own."""
    own = {**assessment, "trace_id": trace_id, "assessment_id": f"a-{os.urandom(16).hex()}"}
    return {**own, "span_id": span_ids.get(own["span_id"], own["span_id"])} if "span_id" in own else own


def _otlp_span(span: Span) -> dict[str, Any]:
    ended_at = span.ended_at or span.started_at
    above = {"parentSpanId": span.parent_id.rpartition(".")[2]} if span.parent_id else {}
    return {
        **above,
        "traceId": (span.trace_id or "").removeprefix("tr-"),
        "spanId": span.span_id.rpartition(".")[2],
        "name": span.name,
        "startTimeUnixNano": str(_ns(span.started_at)),
        "endTimeUnixNano": str(_ns(ended_at)),
        "attributes": [{"key": key, "value": _typed(value)} for key, value in span.attributes.items()],
        "status": {"code": {"OK": OK, "ERROR": ERROR}.get(span.status, 0)},
    }


def _ns(at: datetime) -> int:
    return int(at.timestamp()) * 10**9 + at.microsecond * 1000


def _typed(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_typed(each) for each in value]}}
    if isinstance(value, Mapping):
        return {"kvlistValue": {"values": [{"key": key, "value": _typed(each)} for key, each in value.items()]}}
    return {"stringValue": value}


def _moved(span: Mapping[str, Any], trace_id: str, ids: Mapping[str, str], shift: int) -> dict[str, Any]:
    own = [each for each in span["attributes"] if each.get("value") and each["key"] != "mlflow.traceRequestId"]
    status = span.get("status") or {}
    moved = {
        "traceId": trace_id,
        "spanId": ids[_hex(span["span_id"])],
        "name": span["name"],
        "startTimeUnixNano": str(int(span["start_time_unix_nano"]) + shift),
        "endTimeUnixNano": str(int(span["end_time_unix_nano"]) + shift),
        "attributes": _camel(own),
        "events": _camel(span.get("events") or []),
        "status": {"code": ("STATUS_CODE_OK", "STATUS_CODE_ERROR").index(status["code"]) + 1},
    }
    parent = span.get("parent_span_id")
    return {**moved, "parentSpanId": ids[_hex(parent)]} if parent else moved


_CAMEL = {"string_value": "stringValue", "int_value": "intValue", "double_value": "doubleValue"}
_CAMEL |= {"bool_value": "boolValue", "array_value": "arrayValue", "kvlist_value": "kvlistValue"}
_CAMEL |= {"time_unix_nano": "timeUnixNano"}


def _camel(value: Any) -> Any:
    """OTLP's own JSON of what MLflow writes with names of protobuf."""
    if isinstance(value, list):
        return [_camel(each) for each in value]
    if isinstance(value, Mapping):
        return {_CAMEL.get(key, key): _camel(each) for key, each in value.items()}
    return value


def _hex(encoded: str) -> str:
    return base64.b64decode(encoded).hex()
