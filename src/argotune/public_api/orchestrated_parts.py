"""The parts of OptimizationOrchestrator ("Optimization Module", Internal Components): each asks one operation."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import TypedDict

from argotune import wiring
from argotune.pipeline.operations.annotating import Labelling, label_by_annotator, label_span, waiting
from argotune.pipeline.operations.asked import Overrides
from argotune.pipeline.operations.attending import VisitAsked, attend
from argotune.pipeline.ports import Ports
from argotune.runs.pass_figures import PassFigures
from argotune.scheduling.chores import Chore
from argotune.settings import read_settings


class SpanEvaluation(TypedDict):
    """`avg_confidence` is None where no decision says how sure it was."""

    spans_processed: int
    experiences_created: int
    avg_confidence: float | None


class Feedback(TypedDict):
    """Labels that were taken in, and the experiences that had none before."""

    annotations_processed: int
    experiences_updated: int


class AnnotationRequest(TypedDict):
    """A span that is worth a label, why, and the answers that can be given, by field."""

    span_id: str
    program: str
    reason: str
    inputs: dict[str, str]
    answers: dict[str, list[str]]


class AutoAnnotation(TypedDict):
    """Labels that the LM annotator gave, and why that of a program is off or was stopped."""

    annotations_generated: int
    troubles: dict[str, str]


class StoredAnnotation(TypedDict):
    """A person's label, as it was meant."""

    span_id: str
    program: str
    annotator: str
    answers: dict[str, str]


def span_evaluation(found: PassFigures) -> SpanEvaluation:
    """Under the document's keys."""
    return {
        "spans_processed": found.spans,
        "experiences_created": found.experiences,
        "avg_confidence": found.mean_confidence,
    }


def feedback(found: PassFigures) -> Feedback:
    """Under the document's keys."""
    return {"annotations_processed": found.labels, "experiences_updated": found.labelled}


class OfOneTenant:
    """What works for one tenant. Nothing is opened before it is needed: by default what the environment names."""

    def __init__(self, tenant_id: str = "default", *, ports: Ports | None = None) -> None:
        self.tenant_id, self._given_ports = tenant_id, ports

    @cached_property
    def _ports(self) -> Ports:
        return self._given_ports or wiring.open_ports(read_settings())

    def _figures(self, chores: Collection[Chore], overrides: Overrides | None = None) -> PassFigures:
        """Of a visit for these chores; what is not due is not run. Raises what `attend` raises, and its failure."""
        visit = attend(self._ports, VisitAsked(self.tenant_id, frozenset(chores), overrides or Overrides()))
        if visit is not None and visit.failure is not None:
            raise visit.failure
        return visit.figures if visit else PassFigures()


class PhoenixSpanEvaluator(OfOneTenant):
    """Makes experiences of new spans, by the passes that are due."""

    async def evaluate_spans(self) -> SpanEvaluation:
        """What a visit for new spans takes in. Raises NotFound, Conflict, and what the ports raise."""
        return span_evaluation(await asyncio.to_thread(self._figures, [Chore.SPANS]))


class AnnotationAgent(OfOneTenant):
    """Knows the spans that are worth a label, which passes have chosen."""

    def identify_spans_needing_annotation(self, limit: int | None = None) -> list[AnnotationRequest]:
        """Those that wait, in the order in which people should see them. Raises NotFound, and ConfigInvalid for a limit
        below 1."""
        return [
            {
                "span_id": span.item.span_id,
                "program": span.item.program,
                "reason": str(span.item.why),
                "inputs": dict(span.inputs or {}),
                "answers": {name: list(labels or ()) for name, labels in span.fields.answers.items()},
            }
            for span in waiting(self._ports.store, self.tenant_id, limit=limit).spans
        ]


class LLMAutoAnnotator(OfOneTenant):
    """Lets the LM annotator label what waits."""

    async def annotate(self) -> AutoAnnotation:
        """All that waits. Raises NotFound, and what store and traces raise."""
        reports = await asyncio.to_thread(label_by_annotator, self._ports, self.tenant_id)
        troubles = {report.program: report.off or report.stopped for report in reports if report.off or report.stopped}
        return {"annotations_generated": sum(report.labelled for report in reports), "troubles": troubles}


class AnnotationStorage(OfOneTenant):
    """Writes labels of people where all labels are: on the spans, in the trace source."""

    def store_annotation(self, span_id: str, answers: Mapping[str, str], annotator: str) -> StoredAnnotation:
        """The label that was meant. Nothing is written where something is wrong: raises NotFound, ConfigInvalid."""
        asked = Labelling(self.tenant_id, span_id, list(answers.items()), annotator)
        stored = label_span(self._ports, asked)
        return {
            "span_id": stored.span_id,
            "program": stored.program,
            "annotator": stored.who,
            "answers": dict(stored.answers),
        }


class AnnotationFeedbackLoop(OfOneTenant):
    """Takes new labels in, by the passes that they make due."""

    def __init__(
        self, tenant_id: str = "default", min_annotations_for_optimization: int = 50, *, ports: Ports | None = None
    ) -> None:
        """So many new labels make a module due, whatever the tenant's config says."""
        super().__init__(tenant_id, ports=ports)
        self._overrides = Overrides(min_annotations=min_annotations_for_optimization)

    async def process_annotations(self) -> Feedback:
        """What a visit for new labels takes in. Raises NotFound, Conflict, and what the ports raise."""
        looks = [Chore.SPANS, Chore.FEEDBACK]  # that for feedback alone passes over a tenant whose labels all came
        return feedback(await asyncio.to_thread(self._figures, looks, self._overrides))
