"""The MLflow source together with what writes into it, as tests of the port want them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from mlflow_writer import MlflowWriter

from argotune.adapters.mlflow.connection import MlflowHttp
from argotune.adapters.mlflow.traces import MlflowTraces
from argotune.data.spans import Span


class MlflowInTests(MlflowTraces):
    """TraceSource, and TraceSink."""

    def __init__(self, url: str, prefix: str, **options: Any) -> None:
        super().__init__(MlflowHttp(url), prefix, **options)
        self.writer = MlflowWriter(url, prefix)

    def record(self, tenant_id: str, spans: Sequence[Span]) -> None:
        self.writer.record(tenant_id, spans)

    def close(self) -> None:
        super().close()
        self.writer.close()


def as_in_mlflow(make_span: Callable[..., Span], *args: Any, **fields: Any) -> Span:
    """A span with ids as MLflow gives them back."""
    span = make_span(*args, **fields)
    return replace(span, trace_id=f"tr-{span.trace_id}", span_id=f"tr-{span.trace_id}.{span.span_id}")
