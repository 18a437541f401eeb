"""Annotations as the routes of Phoenix give and take them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, get_args

from argotune.adapters.json_http import Body, storable_json
from argotune.adapters.phoenix.connection import PhoenixHttp
from argotune.data.annotations import Annotation, AnnotatorKind
from argotune.errors import BadAnswer
from argotune.errors.lines import told

Kind = Literal["span", "trace", "session"]
"""What an annotation is on."""

ANNOTATIONS_PAGE = 10_000

SPAN_IDS_AT_ONCE = 200
"""They are in the URL, of which a proxy may take no more than 8 kB."""

TRACE_IDS_AT_ONCE = 100
"""The same: they are twice as long."""

SESSION_IDS_AT_ONCE = 20
"""The same: the application makes them, and they may be long."""

_AT_ONCE: Mapping[Kind, int] = {
    "span": SPAN_IDS_AT_ONCE,
    "trace": TRACE_IDS_AT_ONCE,
    "session": SESSION_IDS_AT_ONCE,
}


_COLLECTIONS: Mapping[Kind, str] = {
    "span": "annotations",
    "trace": "trace_annotations",
    "session": "session_annotations",
}
"""What Phoenix calls them in conditions."""


def is_said(kind: Kind, names: Iterable[str]) -> str:
    """The condition that something is said under one of these names: a label, a score or an explanation."""
    parts = ("label", "score", "explanation")
    return " or ".join(f"{_COLLECTIONS[kind]}[{name!r}].{part} is not None" for name in names for part in parts)


def annotations_on(
    kind: Kind, ids: Sequence[str], names: Sequence[str], http: PhoenixHttp, project_path: str
) -> Iterator[Annotation]:
    """What is said under these names of spans, traces or sessions, by their ids: `span_id` is that of what it is on."""
    at_once = _AT_ONCE[kind]
    for start in range(0, len(ids), at_once):
        params = {f"{kind}_ids": ids[start : start + at_once], "include_annotation_names": list(names)}
        for row in http.pages(f"{project_path}/{kind}_annotations", params, ANNOTATIONS_PAGE):
            annotation = _annotation_of(row, kind)
            if annotation is not None:
                yield annotation


def _annotation_of(row: Mapping[str, Any], kind: Kind) -> Annotation | None:
    """The annotation in a row of the REST route, None when it says nothing. Raises BadAnswer."""
    try:
        result = row["result"] or {}
        if row["annotator_kind"] not in get_args(AnnotatorKind):
            raise ValueError(f"annotator_kind is {row['annotator_kind']!r}")
        found = Annotation(
            span_id=storable_json(row[f"{kind}_id"]),
            name=storable_json(row["name"]),
            label=storable_json(result.get("label") or ""),
            kind=row["annotator_kind"],
            identifier=storable_json(row["identifier"]),
            updated_at=datetime.fromisoformat(row["updated_at"]),
            explanation=storable_json(result.get("explanation") or ""),
            score=None if result.get("score") is None else float(result["score"]),
            is_of_session=kind == "session",
        )
        return found if found.says_something else None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadAnswer(told(f"Phoenix: an annotation is not as documented: {error!r}")) from error


def annotation_body(annotation: Annotation) -> Body:
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
