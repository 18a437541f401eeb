"""Orchestrated requests come back from every source with the tree that tells how, once nothing of it is to come."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from mlflow_in_tests import MlflowInTests, as_in_mlflow

from argotune.data.executions import in_words_of_contract
from argotune.data.spans import Span
from argotune.data.stream import Stream
from argotune.programs.workflow import workflow_fields
from argotune.tenants.config import RoutingConfigUnified

CONFIG = RoutingConfigUnified(tenant_id="acme", agents={"video": "", "text": "", "sum": ""}, modules=["workflow"])
AGO = timedelta(hours=1)


@pytest.fixture
def make_span(traces: Any, make_span: Callable[..., Span]) -> Callable[..., Span]:
    return partial(as_in_mlflow, make_span) if isinstance(traces, MlflowInTests) else make_span


def request(make_span: Callable[..., Span], at: datetime) -> list[Span]:
    """Two agents side by side below a step, and one after them, each named in its way; an LM that says nothing."""
    root = make_span(module="workflow", at=at, trace_id=os.urandom(16).hex(), query="films on bees")
    root = replace(root, ended_at=at + timedelta(seconds=60), attributes={**root.attributes, **kind("CHAIN")})

    def below(name: str, start_s: float, end_s: float, of: Span, **attributes: str) -> Span:
        fresh = make_span(at=at, trace_id=(root.trace_id or "").removeprefix("tr-"))
        times = {"started_at": at + timedelta(seconds=start_s), "ended_at": at + timedelta(seconds=end_s)}
        return replace(fresh, name=name, parent_id=of.span_id, attributes=attributes, **times)

    step = below("search", 0, 20, root, **kind("CHAIN"))
    video = below("run", 1, 15, step, **kind("AGENT"), **{"agent.name": "video"})
    text = below("node", 2, 19, step, **kind("AGENT"), **{"graph.node.id": "text"})
    last = below("sum", 21, 30, root, **kind("AGENT"))
    return [root, step, video, text, last, below("chat", 3, 4, video, **kind("LLM"))]


def kind(of: str) -> dict[str, str]:
    """As OpenInference says it, and as MLflow does."""
    return {"openinference.span.kind": of, "mlflow.spanType": of}


@pytest.mark.parametrize("is_first_read", [False, True])
def test_a_request_comes_back_with_the_tree_that_tells_how_it_was_orchestrated(
    traces: Any, tenant: str, now: datetime, make_span: Callable[..., Span], *, is_first_read: bool
) -> None:
    sent = [request(make_span, now - AGO) for _ in range(3)]
    traces.record(tenant, [span for each in sent for span in each])
    stream = Stream(tenant, "workflow")
    found = list(traces.spans_after(stream, None, now - 2 * AGO if is_first_read else None))
    assert {read.span.span_id for read in found} == {spans[0].span_id for spans in sent}
    assert traces.count_after(stream, None, 10) == 3
    for read in found:
        told = in_words_of_contract(read.span, stream, workflow_fields(CONFIG), now)
        assert isinstance(told, Span), told
        assert told.attributes["routing.query"] == "films on bees"
        assert told.attributes["routing.pattern"] == "parallel"
        assert told.attributes["routing.agent_sequence"] == '["video", "text", "sum"]'
    assert found[-1].cursor
    assert list(traces.spans_after(stream, found[-1].cursor)) == []


def test_a_request_that_has_just_ended_waits_for_spans_of_other_processes(
    traces: Any, tenant: str, now: datetime, make_span: Callable[..., Span]
) -> None:
    if isinstance(traces, MlflowInTests):
        pytest.skip("MLflow gives a trace when it is whole")
    traces.record(tenant, request(make_span, now - timedelta(seconds=60)))
    assert list(traces.spans_after(Stream(tenant, "workflow"), None)) == []
    assert list(traces.spans_after(Stream(tenant, "workflow"), None, now - AGO)) == []
