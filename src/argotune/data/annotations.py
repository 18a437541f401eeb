"""Annotations: labels that people or an independent annotator gave to a span, and how they merge."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

AnnotatorKind = Literal["HUMAN", "LLM", "CODE"]


class LabelSource(StrEnum):
    """Where a label comes from, in falling order of trust."""

    HUMAN = "human"
    LLM = "llm"
    OUTCOME = "outcome"
    SYNTHETIC = "synthetic"

    @property
    def is_trusted(self) -> bool:
        """Whether the label is of a real question and independent of what the champion answered."""
        return self in (LabelSource.HUMAN, LabelSource.LLM)


@dataclass(frozen=True)
class Annotation:
    """What somebody said of one span. `name` is the answer field of the program, e.g. `agent`, `label` what would have
    been right and `score` in 0..1 how sure; of names that a tenant explains (remarks.py) the label may be "".

    `is_of_session`: it was said of the whole session in which the span lies, and so of all decisions in it.
    `is_remark`: it was said under a name of the application's own, which the config explains.
    """

    span_id: str
    name: str
    label: str
    kind: AnnotatorKind
    identifier: str
    updated_at: datetime
    explanation: str = ""
    score: float | None = None
    is_of_session: bool = False
    is_remark: bool = False

    @property
    def says_something(self) -> bool:
        """Whether there is a label, a score or an explanation."""
        return bool(self.label or self.explanation) or self.score is not None


_TRUST = {"HUMAN": 2, "LLM": 1, "CODE": 0}


def strongest(annotations: Iterable[Annotation]) -> dict[tuple[str, str], Annotation]:
    """The annotation to believe for each (span id, name): what is said of the decision or its trace before what is said
    of its session, people before LLMs before code, then the newest."""
    best: dict[tuple[str, str], Annotation] = {}
    for annotation in annotations:
        key = (annotation.span_id, annotation.name)
        if key not in best or _rank(annotation) > _rank(best[key]):
            best[key] = annotation
    return best


def _rank(annotation: Annotation) -> tuple[bool, int, datetime, str]:
    return not annotation.is_of_session, _TRUST[annotation.kind], annotation.updated_at, annotation.identifier
