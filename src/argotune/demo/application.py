"""The application: serves sample queries with the champions and writes traces with outcomes, as a user's would."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from argotune.annotations import Annotation
from argotune.demo.sample import SampleQuery, queries
from argotune.experiences import Span
from argotune.ports import Progress, TraceSink
from argotune.records import digest
from argotune.serving import Decision, Serving

ANNOTATED_SHARE = 0.7
"""Of the queries, drawn by their text: people label what was asked, whatever became of it."""

SINK_SPANS = 300


def serve(tenant_id: str, serving: Serving, sink: TraceSink, prefix: str, now: datetime, progress: Progress) -> int:
    """Serve all sample queries of a tenant; the number of spans written. Serving again writes nothing twice."""
    asked = queries(tenant_id)
    spans: list[Span] = []
    sent = 0
    for number, query in enumerate(asked, start=1):
        at = now - timedelta(minutes=len(asked) - number)
        spans += _spans(query, serving, prefix, at)
        progress(f"{tenant_id}: queries served", number, len(asked))
        if len(spans) >= SINK_SPANS or number == len(asked):
            sink.record(tenant_id, spans)
            sent, spans = sent + len(spans), []
    sink.annotate(tenant_id, list(_annotations(asked, now)))
    return sent


def _spans(query: SampleQuery, serving: Serving, prefix: str, at: datetime) -> Iterator[Span]:
    for program, right in query.decisions().items():
        decision = serving.decide(program, **query.inputs())
        yield Span(
            row_id=0,
            span_id=_span_id(query, program),
            trace_id=digest([query.tenant_id, query.query])[:32],
            name=f"{prefix}.{program.partition('.')[0]}",
            started_at=at,
            ended_at=at + timedelta(seconds=decision.processing_time_s),
            attributes=_attributes(query, decision, right),
        )


def _span_id(query: SampleQuery, program: str) -> str:
    return digest([query.tenant_id, query.query, program])[:16]


def _attributes(query: SampleQuery, decision: Decision, right: Mapping[str, str]) -> dict[str, bool | float | str]:
    """The outcome as an application sees it: did the chosen agent do the job, and were users content?"""
    hit = all(decision.answers[name] == value for name, value in right.items())
    quality = (0.75 if hit else 0.05) + 0.25 * query.chance("quality")
    content = (0.7 if hit else 0.0) + 0.3 * query.chance("satisfaction")
    return decision.attributes(
        agent_success=hit,
        search_quality=round(quality, 3),
        user_satisfaction=round(content, 3) if query.chance("feedback") < 0.4 else None,
        modality=query.modality,
        language=query.language,
    )


def _annotations(asked: list[SampleQuery], now: datetime) -> Iterator[Annotation]:
    for query in asked:
        if query.chance("annotated") >= ANNOTATED_SHARE:
            continue
        for program, right in query.decisions().items():
            for name, label in right.items():
                yield Annotation(_span_id(query, program), name, label, "HUMAN", "demo-annotator", now)
