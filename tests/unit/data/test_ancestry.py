"""Ancestry: what was said of a span is about the decision around it or inside it, never about one beside it."""

from __future__ import annotations

import pytest

from argotune.data.ancestry import decision_around

# request > (page > route > ask, page > answer), batch > (item1, item2); route, answer, item1 and item2 are decisions.
PARENTS = {
    "request": None,
    "page": "request",
    "route": "page",
    "ask": "route",
    "answer": "page",
    "batch": "request",
    "item1": "batch",
    "item2": "batch",
}


@pytest.mark.parametrize(
    ("span", "decisions", "about"),
    [
        ("route", ["route"], "route"),
        ("ask", ["route"], "route"),
        ("page", ["route"], "route"),
        ("request", ["route"], "route"),
        (None, ["route"], "route"),
        ("answer", ["route"], None),
        ("batch", ["route"], None),
        ("batch", ["item1", "item2"], None),
        (None, ["item1", "item2"], None),
        ("item2", ["item1", "item2"], "item2"),
        ("page", ["route", "item1"], "route"),
        ("request", ["route", "item1"], None),
        ("gone", ["route"], None),
        ("request", [], None),
    ],
)
def test_what_is_said_is_about_the_decision_around_or_inside(span: str | None, decisions: list[str], about: str | None):
    assert decision_around(span, PARENTS, decisions) == about


def test_a_chain_that_leads_back_to_itself_ends():
    assert decision_around("a", {"a": "b", "b": "a"}, ["c"]) is None
