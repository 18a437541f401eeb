"""Each stream is asked of the product that it is bound to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from factories import make_annotation, make_span

from argotune.adapters.memory.traces import MemoryTraces
from argotune.data.bound_sources import BoundSources
from argotune.data.openinference import KIND
from argotune.data.stream import Stream
from argotune.errors import ConfigInvalid
from argotune.tenants.binding import BoundProgram, TraceBinding, TraceProject

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
PROGRAMS = {"routing": BoundProgram(span="Route")}
ELSEWHERE = TraceBinding(source="mlflow", project="shop", programs=PROGRAMS)
HERE, THERE = Stream("acme", "routing"), Stream("acme", "routing", ELSEWHERE)


@pytest.fixture
def sources() -> BoundSources:
    """A span at noon in Phoenix, and one an hour later in MLflow."""
    phoenix, mlflow = MemoryTraces(), MemoryTraces()
    phoenix.record("acme", [make_span(span_id="here", name="cogniverse.routing", started_at=NOON, ended_at=NOON)])
    later = NOON + timedelta(hours=1)
    mlflow.record(
        "",
        [
            make_span(
                span_id="there", attributes={KIND: "CHAIN"}, name="Route.forward", started_at=later, ended_at=later
            )
        ],
        ELSEWHERE.place,
    )
    return BoundSources("phoenix", {"phoenix": lambda: phoenix, "mlflow": lambda: mlflow})


@pytest.mark.parametrize(("stream", "span_id"), [(HERE, "here"), (THERE, "there")])
def test_a_stream_is_read_counted_and_labelled_where_it_is_bound_to(sources, stream: Stream, span_id: str) -> None:
    (found,) = sources.spans_after(stream, None)
    assert found.span.span_id == span_id
    assert sources.count_after(stream, None, 10) == 1
    assert sources.holds(stream, found.cursor)
    sources.annotate(stream, [make_annotation(span_id=span_id)])
    assert [a.span_id for a in sources.annotations(stream, ["agent"], NOON)] == [span_id]
    assert sources.count_labels(stream, ["agent"]) == 1


def test_a_tenants_newest_trace_is_the_newest_of_all_products(sources) -> None:
    assert sources.newest({}) == {"acme": NOON}
    assert sources.newest({"acme": ELSEWHERE.place}) == {"acme": NOON + timedelta(hours=1)}
    assert sources.newest({"acme": TraceProject(project="shop")}) == {"acme": NOON}


def test_a_product_that_the_installation_lacks_is_named() -> None:
    phoenix = MemoryTraces()
    phoenix.record("acme", [make_span(span_id="here", name="cogniverse.routing")])
    alone = BoundSources("phoenix", {"phoenix": lambda: phoenix})
    assert alone.count_after(HERE, None, 10) == 1
    assert alone.ping() == "memory"
    with pytest.raises(ConfigInvalid, match=r"^traces.source: mlflow: this installation has none$"):
        alone.count_after(THERE, None, 10)


def test_where_mlflow_is_usual_no_phoenix_is_opened() -> None:
    mlflow = MemoryTraces()
    mlflow.record("acme", [make_span(span_id="there", name="cogniverse.routing", started_at=NOON, ended_at=NOON)])
    alone = BoundSources("mlflow", {"mlflow": lambda: mlflow, "phoenix": pytest.fail})
    assert [read.span.span_id for read in alone.spans_after(HERE, None)] == ["there"]
    assert alone.newest({}) == {"acme": NOON}
    assert alone.ping() == "memory"
