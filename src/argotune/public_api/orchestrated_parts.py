"""The parts of OptimizationOrchestrator ("Optimization Module", Internal Components): each asks one operation."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from argotune import wiring
from argotune.pipeline.operations.annotating import Labelling, label_by_annotator, label_span, waiting
from argotune.pipeline.operations.asked import Overrides
from argotune.pipeline.operations.attending import VisitAsked, attend
from argotune.pipeline.ports import Ports
from argotune.runs.pass_figures import PassFigures
from argotune.scheduling.chores import Chore
from argotune.settings import read_settings


def span_evaluation(found: PassFigures) -> dict[str, Any]:
    """Under the document's keys. `avg_confidence` is None where no decision says how sure it was."""
    return {
        "spans_processed": found.spans,
        "experiences_created": found.experiences,
        "avg_confidence": found.mean_confidence,
    }


def feedback(found: PassFigures) -> dict[str, Any]:
    """Under the document's keys."""
    return {"annotations_processed": found.labels, "experiences_updated": found.labelled}


class _Part:
    """Of one tenant. Nothing is opened before it is needed: by default what the environment names."""

    def __init__(self, tenant_id: str = "default", *, ports: Ports | None = None) -> None:
        self.tenant_id, self._given_ports = tenant_id, ports

    @cached_property
    def _ports(self) -> Ports:
        return self._given_ports or wiring.open_ports(read_settings())

    def _figures(self, chore: Chore, overrides: Overrides | None = None) -> PassFigures:
        """Of a visit for one chore; what is not due is not run. Raises what `attend` raises, and its failure."""
        visit = attend(self._ports, VisitAsked(self.tenant_id, frozenset({chore}), overrides or Overrides()))
        if visit is not None and visit.failure is not None:
            raise visit.failure
        return visit.figures if visit else PassFigures()


class PhoenixSpanEvaluator(_Part):
    """Makes experiences of new spans, by the passes that are due."""

    async def evaluate_spans(self) -> dict[str, Any]:
        """spans_processed, experiences_created, avg_confidence."""
        return span_evaluation(await asyncio.to_thread(self._figures, Chore.SPANS))


class AnnotationAgent(_Part):
    """Knows the spans that are worth a label, which passes have chosen."""

    def identify_spans_needing_annotation(self, limit: int | None = None) -> list[dict[str, Any]]:
        """Those that wait, in the order in which people should see them: span_id, program, reason, inputs and the
        answers that can be given. Raises NotFound, and ConfigInvalid for a limit below 1."""
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


class LLMAutoAnnotator(_Part):
    """Lets the LM annotator label what waits."""

    async def annotate(self) -> dict[str, Any]:
        """annotations_generated, and why the annotator of a program is off or was stopped. Raises NotFound, and what
        store and traces raise."""
        reports = await asyncio.to_thread(label_by_annotator, self._ports, self.tenant_id)
        troubles = {report.program: report.off or report.stopped for report in reports if report.off or report.stopped}
        return {"annotations_generated": sum(report.labelled for report in reports), "troubles": troubles}


class AnnotationStorage(_Part):
    """Writes labels of people where all labels are: on the spans, in the trace source."""

    def store_annotation(self, span_id: str, answers: Mapping[str, str], annotator: str) -> dict[str, Any]:
        """The label that was meant. Nothing is written where something is wrong: raises NotFound, ConfigInvalid."""
        asked = Labelling(self.tenant_id, span_id, list(answers.items()), annotator)
        stored = label_span(self._ports, asked)
        told = {"span_id": stored.span_id, "program": stored.program, "annotator": stored.who}
        return {**told, "answers": dict(stored.answers)}


class AnnotationFeedbackLoop(_Part):
    """Takes new labels in, by the passes that they make due."""

    def __init__(
        self, tenant_id: str = "default", min_annotations_for_optimization: int = 50, *, ports: Ports | None = None
    ) -> None:
        """So many new labels make a module due, whatever the tenant's config says."""
        super().__init__(tenant_id, ports=ports)
        self._overrides = Overrides(min_annotations=min_annotations_for_optimization)

    async def process_annotations(self) -> dict[str, Any]:
        """annotations_processed, experiences_updated."""
        return feedback(await asyncio.to_thread(self._figures, Chore.FEEDBACK, self._overrides))
