"""What lies above and below spans, asked in as few requests as may be: each costs Phoenix a look at the project."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from shop import stream

from argotune.adapters.phoenix import bound
from argotune.adapters.phoenix.bound import BoundSpans
from argotune.adapters.phoenix.forms import form_of
from argotune.adapters.phoenix.query import Window
from argotune.adapters.phoenix.reader import ModuleSpans, Project, QueryRoutes
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
    monkeypatch.setattr(bound, "read", lambda *_: None)
    found = stream("route")
    if signature:
        program = found.bound.model_copy(update={"signature": signature})
        found = type(found)("shop", "route", found.binding.model_copy(update={"programs": {"route": program}}))
    spans = ModuleSpans(None, Project("shop", "1"), form_of(stream("route"), ""), QueryRoutes())
    placed = BoundSpans(None, spans, found, lambda: NOW).placed(spans_below(8000))
    assert all(each.is_whole and each.span.above for each in placed)
    below = [("parent_id", 2000)] * 4 if found.bound.signature else []
    assert asked == [("span_id", 8000), *below]


def test_spans_below_roots_of_their_time_cost_one_request_and_the_others_one_more(monkeypatch: pytest.MonkeyPatch):
    asked: list[object] = []

    def row(id: str, parent: str | None = None) -> dict[str, object]:
        return {"span_id": id, "name": "POST /route", "kind": "UNKNOWN", "parent": parent, "started": NOW.isoformat()}

    def by_time(_http: object, query: bound.Query, window: Window) -> list[dict[str, object]]:
        asked.append((query.condition, window.start < NOW < window.end))
        return [row(f"web{n:013x}") for n in range(300, 400)] + [row("far")]

    def by_ids(_http: object, query: bound.Query, _about: str) -> list[dict[str, object]]:
        ids = re.findall(r"'(\w+)'", query.condition)
        if query.condition.startswith("parent_id"):
            return []
        asked.append(len(ids))
        return [row(id, "far") for id in ids if id != f"web{0:013x}"]

    monkeypatch.setattr(bound, "read", by_time)
    monkeypatch.setattr(bound, "read_whole", by_ids)
    spans = ModuleSpans(None, Project("shop", "1"), form_of(stream("route"), ""), QueryRoutes())
    found = BoundSpans(None, spans, stream("route"), lambda: NOW)
    for chunk in (spans_below(400)[:250], spans_below(400)[250:]):
        placed = found.placed(chunk)
    assert [len(each.span.above) for each in placed] == [2] * 50 + [1] * 100, "those of other times have a root above"
    assert asked == [("parent_id is None", True), 250, 50]
    assert [each.is_whole for each in found.placed(spans_below(3))] == [False, True, True]
    assert asked[3:] == [3, 1], "few spans are asked by their ids"


MANY = [{"span_id": f"{n}", "name": "", "kind": "", "parent": None} for n in range(900)]


@pytest.mark.parametrize("roots", [None, MANY])
def test_roots_are_not_asked_again_where_they_are_too_many(monkeypatch: pytest.MonkeyPatch, roots) -> None:
    asked: list[str] = []
    monkeypatch.setattr(bound, "read", lambda _http, query, _window: asked.append(query.condition) or roots)
    monkeypatch.setattr(bound, "read_whole", lambda _http, query, _about: asked.append(query.condition[:7]) or [])
    spans = ModuleSpans(None, Project("shop", "1"), form_of(stream("route"), ""), QueryRoutes())
    found = BoundSpans(None, spans, stream("route"), lambda: NOW)
    for _ in range(2):
        found.placed(spans_below(200))
    assert [what for what in asked if what != "parent_"] == ["parent_id is None", "span_id", "span_id"]
