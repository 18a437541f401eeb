"""DSPy traced by OpenInference in this process, as an application has it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import product

import dspy
from openinference.instrumentation.dspy import DSPyInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from argotune.data.spans import Span

CLASSES = (dspy.LM, dspy.utils.DummyLM, dspy.Module, dspy.Predict, dspy.Adapter, dspy.Tool, dspy.Retrieve)
METHODS = ("__call__", "acall", "forward", "aforward")


@contextmanager
def traced(*others: SpanProcessor, project: str = "default") -> Iterator[InMemorySpanExporter]:
    """What is traced meanwhile, into that project of whatever `others` send it to."""
    exporter, provider = (
        InMemorySpanExporter(),
        TracerProvider(resource=Resource({"openinference.project.name": project})),
    )
    for processor in (SimpleSpanProcessor(exporter), *others):
        provider.add_span_processor(processor)
    classes = [*CLASSES, dspy.ColBERTv2, *dspy.Predict.__subclasses__()]
    before = {(of, name): vars(of)[name] for of in classes for name in METHODS if name in vars(of)}
    DSPyInstrumentor().instrument(tracer_provider=provider, skip_dep_check=True)
    try:
        yield exporter
    finally:
        # To take it off by its own method takes DSPy's callbacks off too.
        for of, name in product(classes, METHODS):
            if (of, name) in before:
                setattr(of, name, before[of, name])
            elif name in vars(of):
                delattr(of, name)
        DSPyInstrumentor()._is_instrumented_by_opentelemetry = False
        provider.shutdown()


def span_of(sent: ReadableSpan) -> Span:
    """A span as a source would give it back."""
    started, ended = (datetime.fromtimestamp(ns / 1e9, UTC) for ns in (sent.start_time, sent.end_time))
    context, parent = sent.get_span_context(), sent.parent and f"{sent.parent.span_id:016x}"
    ids, attributes = (f"{context.span_id:016x}", f"{context.trace_id:032x}"), dict(sent.attributes)
    failure = sent.status.description or ""
    return Span(*ids, sent.name, started, ended, attributes, sent.status.status_code.name, parent, failure=failure)
