"""MLflow's assessments as annotations: feedback, which judges an answer, and expectations, which say the right one."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from argotune.adapters.json_http import Body, storable_json
from argotune.adapters.mlflow.connection import documented
from argotune.adapters.mlflow.spans import SESSION_OF_TRACE, SpanPlace
from argotune.data.annotations import Annotation, AnnotatorKind

_KINDS: Mapping[str, AnnotatorKind] = {"HUMAN": "HUMAN", "LLM_JUDGE": "LLM", "AI_JUDGE": "LLM", "CODE": "CODE"}
_SOURCES: Mapping[AnnotatorKind, str] = {"HUMAN": "HUMAN", "LLM": "LLM_JUDGE", "CODE": "CODE"}

_SCORE = "argotune.score"
"""Where feedback of ours says how sure it is: MLflow has one value in it, the label. Empty where it is not told: an
update adds to metadata and takes nothing out."""


def annotation_of(row: Mapping[str, Any], span_id: str) -> Annotation | None:
    """The annotation in an assessment of a span; None where it was taken back or its judge failed. Raises BadAnswer."""
    with documented("an assessment"):
        if row.get("valid") is False:
            return None
        value = _value(row)
        return None if value is None else _annotation(row, span_id, value)


def _annotation(row: Mapping[str, Any], span_id: str, value: Any) -> Annotation | None:
    source = row.get("source") or {}
    label = value if isinstance(value, str) else json.dumps(_whole(value), ensure_ascii=False)
    found = Annotation(
        span_id=span_id,
        name=str(storable_json(row["assessment_name"])),
        label=str(storable_json(label)),
        kind=_KINDS.get(source.get("source_type", "CODE"), "CODE"),
        identifier=str(storable_json(source.get("source_id") or "")),
        updated_at=datetime.fromisoformat(row["last_update_time"]),
        explanation=str(storable_json(row.get("rationale") or "")),
        score=_score(row, value),
        is_of_session=session_of(row) is not None,
    )
    return found if found.says_something else None


def session_of(row: Mapping[str, Any]) -> str | None:
    """The session that an assessment is of, None where it is of a trace or a span.

    MLflow keeps it on the first trace of the session, and its evaluations on the first span there.
    """
    found: str | None = (row.get("metadata") or {}).get(SESSION_OF_TRACE)
    return found


def _value(row: Mapping[str, Any]) -> Any:
    """What is said, None where nothing is: a judge that failed has said nothing."""
    if "expectation" not in row:
        return (row.get("feedback") or {}).get("value")
    expectation = row["expectation"]
    serialized = expectation.get("serialized_value")
    return json.loads(serialized["value"]) if serialized else expectation.get("value")


def _whole(value: Any) -> Any:
    """MLflow gives every number back as one with a point."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _score(row: Mapping[str, Any], value: Any) -> float | None:
    """The number of feedback that is one, 1 and 0 of thumbs up and down; nothing of an expectation."""
    if own := (row.get("metadata") or {}).get(_SCORE):
        value = float(own)
    if "feedback" not in row or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def is_same(row: Mapping[str, Any], annotation: Annotation, place: SpanPlace) -> bool:
    """Whether an assessment is what an earlier annotation by the same annotator became."""
    source = row.get("source") or {}
    found = (row.get("assessment_name"), row.get("span_id"), source.get("source_id"), "feedback" in row)
    return found == (storable_json(annotation.name), place.span_id, storable_json(annotation.identifier), True)


def assessment_body(annotation: Annotation, place: SpanPlace) -> Body:
    """An annotation as feedback on its span."""
    return {
        "assessment_name": storable_json(annotation.name),
        "trace_id": place.trace_id,
        "span_id": place.span_id,
        "source": {"source_type": _SOURCES[annotation.kind], "source_id": storable_json(annotation.identifier)},
        "feedback": {"value": storable_json(annotation.label)},
        "rationale": storable_json(annotation.explanation),
        "metadata": {_SCORE: "" if annotation.score is None else repr(annotation.score)},
        "valid": True,
    }
