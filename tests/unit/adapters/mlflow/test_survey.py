"""What is looked at of an experiment's assessments is bounded by name."""

from __future__ import annotations

from collections import Counter
from typing import Any

from argotune.adapters.mlflow.survey import MOST_NAMES, MlflowSurvey
from argotune.tenants.binding import TraceProject


class Mlflow:
    """Has an experiment with these traces."""

    def __init__(self, *traces: list[str]) -> None:
        self._rows = [trace(number, names) for number, names in enumerate(traces)]

    def experiment_id(self, _name: str) -> str:
        return "7"

    def pages(self, *_asked: Any) -> list[list[dict[str, Any]]]:
        return [self._rows]


def trace(number: int, names: list[str]) -> dict[str, Any]:
    at = "2026-11-21T12:00:00Z"
    said = [{"assessment_name": name, "last_update_time": at, "feedback": {"value": "good"}} for name in names]
    return {"trace_id": f"tr-{number}", "request_time": at, "assessments": said}


def test_names_beyond_the_most_are_left_out_and_those_within_are_seen_on():
    names = [f"name {number}" for number in range(MOST_NAMES + 1)]
    survey = MlflowSurvey(Mlflow(names, names))
    found = Counter(a.name for a in survey.newest_remarks(TraceProject(source="mlflow", project="shop"), 10))
    assert found == dict.fromkeys(names[:MOST_NAMES], 2)
