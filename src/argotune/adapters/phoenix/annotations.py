"""Annotations as the routes of Phoenix give and take them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, get_args

from argotune.adapters.json_http import storable_json
from argotune.data.annotations import Annotation, AnnotatorKind
from argotune.errors import BadAnswer
from argotune.errors.lines import told


def annotation_of_row(row: Mapping[str, Any]) -> Annotation | None:
    """The annotation in a row of the REST route, None when it says nothing. Raises BadAnswer."""
    try:
        result = row["result"] or {}
        if row["annotator_kind"] not in get_args(AnnotatorKind):
            raise ValueError(f"annotator_kind is {row['annotator_kind']!r}")
        found = Annotation(
            span_id=storable_json(row["span_id"]),
            name=storable_json(row["name"]),
            label=storable_json(result.get("label") or ""),
            kind=row["annotator_kind"],
            identifier=storable_json(row["identifier"]),
            updated_at=datetime.fromisoformat(row["updated_at"]),
            explanation=storable_json(result.get("explanation") or ""),
            score=None if result.get("score") is None else float(result["score"]),
        )
        return found if found.says_something else None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadAnswer(told(f"Phoenix: an annotation is not as documented: {error!r}")) from error


def annotation_body(annotation: Annotation) -> dict[str, Any]:
    """What the route that writes annotations is sent."""
    return {
        "span_id": annotation.span_id,
        "name": storable_json(annotation.name),
        "annotator_kind": annotation.kind,
        "identifier": storable_json(annotation.identifier),
        "result": {
            "label": storable_json(annotation.label),
            "explanation": storable_json(annotation.explanation),
            "score": annotation.score,
        },
    }
