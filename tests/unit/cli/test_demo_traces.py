"""The demo's traces: a request with its decisions below, as long as they really took."""

from __future__ import annotations

import pytest
from factories import NOON
from scripted_lm import like_the_nearest_demo, scripted_lms
from twin_embedders import EMBEDDERS

from argotune.adapters.memory.store import MemoryStore
from argotune.adapters.memory.traces import MemoryTraces
from argotune.cli.demo import sample
from argotune.cli.demo.application import serve
from argotune.data.spans import Span
from argotune.pipeline.ports import silent
from argotune.serving.client import Serving

TENANT = "acme_corp"


class Sent(MemoryTraces):
    """Keeps all spans in the order in which they were sent."""

    def __init__(self) -> None:
        super().__init__("demo")
        self.spans: list[Span] = []

    def record(self, tenant_id: str, spans: list[Span]) -> None:
        self.spans += spans
        super().record(tenant_id, spans)


@pytest.fixture(scope="module")
def sent() -> Sent:
    sink, config = Sent(), sample.config(TENANT)
    with Serving(MemoryStore(), config, scripted_lms(like_the_nearest_demo), EMBEDDERS, lambda: NOON) as serving:
        sink.decisions = serve(TENANT, serving, sink, "demo", NOON, silent, config.modules)
    return sink


def test_each_query_is_one_request_with_its_decisions_below_and_all_times_fit(sent: Sent):
    requests = {span.span_id: span for span in sent.spans if span.parent_id is None}
    decisions = [span for span in sent.spans if span.parent_id in requests]
    assert len(requests) == len(sample.queries(TENANT))
    assert len(decisions) == sent.decisions
    for span in decisions:
        request = requests[span.parent_id]
        assert request.trace_id == span.trace_id
        assert request.started_at <= span.started_at <= span.ended_at <= request.ended_at
        assert (span.ended_at - span.started_at).total_seconds() == pytest.approx(
            span.attributes["routing.processing_time"], abs=1e-5
        )
    for id, request in requests.items():
        below = sum((x.ended_at - x.started_at).total_seconds() for x in decisions if x.parent_id == id)
        assert (request.ended_at - request.started_at).total_seconds() == pytest.approx(below, abs=1e-5)


def test_requests_and_decisions_show_their_inputs_and_outputs(sent: Sent):
    shown = [span.attributes for span in sent.spans if "llm.model_name" not in span.attributes]
    assert all(attributes[name] for attributes in shown for name in ("input.value", "output.value"))
