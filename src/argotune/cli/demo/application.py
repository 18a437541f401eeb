"""The application: serves sample queries with the champions and writes traces with outcomes, as a user's would."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from argotune.cli.demo.sample import SampleQuery, annotated_share, queries
from argotune.data.annotations import Annotation
from argotune.data.field_types import as_text
from argotune.data.source import TraceSink
from argotune.data.spans import Span
from argotune.data.stream import Stream
from argotune.pipeline.ports import Progress
from argotune.serving.client import Serving
from argotune.serving.decision import Decision
from argotune.store.sealing import digest

SINK_SPANS = 300

EVERY_S = 3
"""Between two requests, in seconds."""


def serve(
    tenant_id: str,
    serving: Serving,
    sink: TraceSink,
    prefix: str,
    now: datetime,
    progress: Progress,
    modules: Sequence[str],
) -> int:
    """Serve the sample queries of a tenant, what these modules decide on; the number of decisions. Serving again writes
    nothing twice."""
    asked = [query for query in queries(tenant_id) if query.decisions(modules)]
    decided: dict[SampleQuery, list[_Decided]] = {query: [] for query in asked}
    for query, program, right in _by_program(asked, modules, progress):
        decided[query].append(_Decided(program, right, _decision(query, program, serving)))
    spans = [
        span
        for number, query in enumerate(asked)
        for span in _trace(
            query, modules, decided[query], prefix, now - timedelta(seconds=(len(asked) - number) * EVERY_S)
        )
    ]
    for first in range(0, len(spans), SINK_SPANS):
        progress(f"{tenant_id}: spans written", first, len(spans))
        sink.record(tenant_id, spans[first : first + SINK_SPANS])
    sink.annotate(Stream(tenant_id, modules[0]), list(_annotations(asked, modules, now)))
    return sum(map(len, decided.values()))


@dataclass(frozen=True)
class _Decided:
    """What a program decided about a query, and what would have been right."""

    program: str
    right: Mapping[str, str]
    decision: Decision


def _by_program(
    asked: Sequence[SampleQuery], modules: Sequence[str], progress: Progress
) -> Iterator[tuple[SampleQuery, str, Mapping[str, str]]]:
    """Every decision, one program after the other: the embedded LM then reads each program's prompt only once."""
    decisions = [(query, program, right) for query in asked for program, right in query.decisions(modules).items()]
    for number, decision in enumerate(sorted(decisions, key=lambda d: d[1]), start=1):
        yield decision
        progress(f"{decision[0].tenant_id}: decisions served", number, len(decisions))


def _decision(query: SampleQuery, program: str, serving: Serving) -> Decision:
    known, asked = query.inputs(), serving.champion(program).program.fields.inputs
    return serving.decide(program, **{name: known[name] for name in asked if name in known})


def _trace(
    query: SampleQuery, modules: Sequence[str], decided: Sequence[_Decided], prefix: str, at: datetime
) -> Iterator[Span]:
    """A request, its decisions one after the other, and below each the LM calls that it took."""
    trace_id = digest([query.tenant_id, query.query, list(modules)])[:32]
    root_id = span_id_of(query, " ".join(["request", *modules]))
    started_at = at
    for one in decided:
        ended_at = at + timedelta(seconds=one.decision.processing_time_s)
        span_id, name = span_id_of(query, one.program), f"{prefix}.{one.program.partition('.')[0]}"
        yield Span(
            span_id, trace_id, name, at, ended_at, _attributes(query, one.decision, one.right), "OK", parent_id=root_id
        )
        if calls := one.decision.lm_attributes():
            child_id = span_id_of(query, f"{one.program} calls")
            yield Span(child_id, trace_id, one.decision.model, at, ended_at, calls, "OK", parent_id=span_id)
        at = ended_at
    yield Span(root_id, trace_id, "request", started_at, at, _request(query, decided), "OK")


def _request(query: SampleQuery, decided: Sequence[_Decided]) -> dict[str, str]:
    answers = {one.program: one.decision.answers for one in decided}
    return {
        "openinference.span.kind": "CHAIN",
        "input.value": query.query,
        "input.mime_type": "text/plain",
        "output.value": as_text(answers),
        "output.mime_type": "application/json",
    }


def span_id_of(query: SampleQuery, what: str) -> str:
    """The span of one decision about a query, of its LM calls, or of the whole request."""
    return digest([query.tenant_id, query.query, what])[:16]


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


def _annotations(asked: list[SampleQuery], modules: Sequence[str], now: datetime) -> Iterator[Annotation]:
    for query in asked:
        if query.chance("annotated") >= annotated_share(query.tenant_id):
            continue
        for program in query.decisions(modules):
            yield from annotations_of(query, program, "demo-annotator", now)


def annotations_of(query: SampleQuery, program: str, who: str, now: datetime) -> list[Annotation]:
    """What a person who knows the right answers says of one decision."""
    span_id, right = span_id_of(query, program), query.decisions()[program]
    return [Annotation(span_id, name, label, "HUMAN", who, now) for name, label in right.items()]
