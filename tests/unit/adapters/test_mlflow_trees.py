"""Trees of orchestrated requests in MLflow's own JSON."""

from __future__ import annotations

import base64
from typing import Any

from factories import NOON, after, make_span

from argotune.adapters.mlflow.spans import with_tree
from argotune.data.spans import MOST_TREE_SPANS, TreeSpan


def row(id: int, kind: str, name: str = "run", above: int | None = 1, **said: str) -> dict[str, Any]:
    values = {"mlflow.spanType": kind, **said}
    found: dict[str, Any] = {
        "span_id": encoded(id),
        "name": name,
        "start_time_unix_nano": str(int(after(id).timestamp()) * 10**9),
        "end_time_unix_nano": str(int(after(id + 1).timestamp()) * 10**9),
        "attributes": [{"key": key, "value": {"string_value": value}} for key, value in values.items()],
    }
    return found if above is None else {**found, "parent_span_id": encoded(above)}


def encoded(id: int) -> str:
    return base64.b64encode(id.to_bytes(8, "big")).decode()


def test_the_root_is_given_the_spans_of_its_trace_that_tell_of_agents() -> None:
    root = make_span(span_id="tr-1.0000000000000001", trace_id="tr-1", started_at=NOON)
    told = {"agent.name": "video"}
    rows = [row(1, "CHAIN", above=None), row(2, "AGENT", **told), row(3, "LLM"), row(4, "CHAT_MODEL"), row(5, "TOOL")]
    found = with_tree(root, {"spans": rows}).tree
    assert found == (
        TreeSpan("tr-1.0000000000000002", root.span_id, "run", "AGENT", after(2), after(3), "video"),
        TreeSpan("tr-1.0000000000000005", root.span_id, "run", "TOOL", after(5), after(6)),
    )
    many = [row(id, "AGENT") for id in range(2, 2 + 3 * MOST_TREE_SPANS)]
    assert len(with_tree(root, {"spans": many}).tree) == MOST_TREE_SPANS + 1
