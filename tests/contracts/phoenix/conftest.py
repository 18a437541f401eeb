"""Both trace adapters, and spans for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta

import pytest

from argotune.adapters.memory.traces import MemoryTraces
from argotune.adapters.phoenix.connection import PhoenixHttp
from argotune.adapters.phoenix.traces import PhoenixTraces
from argotune.data.annotations import Annotation, AnnotatorKind
from argotune.data.spans import Span

PREFIX = "contract"

SpanMaker = Callable[..., Span]


@pytest.fixture(scope="session")
def make_span(now: datetime) -> SpanMaker:
    """Makes a span with fresh ids that started `number` seconds ago, with attributes `routing.<field>`."""

    def make(
        number: int = 0, module: str = "routing", trace_id: str = "", at: datetime | None = None, **fields
    ) -> Span:
        started_at = at or now - timedelta(seconds=number)
        own = {f"routing.{name}": value for name, value in fields.items()}
        return Span(
            span_id=os.urandom(8).hex(),
            trace_id=trace_id or os.urandom(16).hex(),
            name=f"{PREFIX}.{module}",
            started_at=started_at,
            ended_at=started_at + timedelta(milliseconds=1500),
            attributes={"routing.query": f"query {number}"} | own,
            status="OK",
        )

    return make


@pytest.fixture(scope="session")
def make_annotation(now: datetime) -> Callable[..., Annotation]:
    def make(
        span_id: str, label: str, name: str = "agent", kind: AnnotatorKind = "HUMAN", identifier: str = "ann"
    ) -> Annotation:
        return Annotation(span_id, name, label, kind, identifier, now, "because")

    return make


@pytest.fixture(scope="module")
def http(phoenix_url: str) -> Iterator[PhoenixHttp]:
    with PhoenixHttp(phoenix_url) as http:
        yield http


@pytest.fixture(scope="session")
def phoenix(phoenix_url: str) -> Iterator[PhoenixTraces]:
    with closing(PhoenixTraces(PhoenixHttp(phoenix_url), PREFIX)) as traces:
        yield traces


@pytest.fixture(params=["memory", pytest.param("phoenix", marks=pytest.mark.phoenix)])
def traces(request: pytest.FixtureRequest) -> MemoryTraces | PhoenixTraces:
    """Each adapter of TraceSource and TraceSink."""
    return MemoryTraces(PREFIX) if request.param == "memory" else request.getfixturevalue("phoenix")
