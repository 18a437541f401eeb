"""What lies above and below spans, asked in as few requests as may be: each costs Phoenix a look at the project."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from shop import stream

from argotune.adapters.phoenix import bound
from argotune.adapters.phoenix.bound import BoundSpans
from argotune.data.source import SpanRead
from argotune.data.spans import Span

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def spans_below(count: int) -> list[SpanRead]:
    """Each in a request of a web server of its own."""
    made = (Span(f"{n:016x}", None, "Route.forward", NOW, NOW, {}, parent_id=f"web{n:013x}") for n in range(count))
    return [SpanRead(span, None) for span in made]


@pytest.mark.parametrize("signature", [None, "RouteQuery"])
def test_thousands_of_spans_cost_one_request_a_level(monkeypatch: pytest.MonkeyPatch, signature: str | None) -> None:
    asked: list[tuple[str, int]] = []

    def answer(_http: object, query: bound.Query, _about: str) -> list[dict[str, object]]:
        what, ids = query.condition.split()[0], re.findall(r"'(\w{16})'", query.condition)
        asked.append((what, len(ids)))
        row = {"name": "POST /route", "kind": "UNKNOWN", "parent": None, "started": NOW.isoformat()}
        return [{**row, "span_id": id} for id in ids if what == "span_id"]

    monkeypatch.setattr(bound, "read_whole", answer)
    found = stream("route")
    if signature:
        program = found.bound.model_copy(update={"signature": signature})
        found = type(found)("shop", "route", found.binding.model_copy(update={"programs": {"route": program}}))
    spans = SimpleNamespace(is_worth_querying=True, project_name="shop")
    placed = BoundSpans(None, spans, found, lambda: NOW).placed(spans_below(8000))
    assert all(each.is_whole and each.span.above for each in placed)
    below = [("parent_id", 2000)] * 4 if found.bound.signature else []
    assert asked == [("span_id", 8000), *below]
