"""Drawing: a lot that knows nothing but names, each request alike."""

from __future__ import annotations

from datetime import timedelta

import pytest
from factories import NOON
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from argotune.promotion.drawing import in_lot_order, lot_in

HOUR = timedelta(hours=1)
SPANS = [f"{number:016x}" for number in range(400)]
spans = st.lists(st.text(min_size=1, max_size=8), max_size=30)


@given(st.text(), st.text())
def test_a_lot_is_the_same_whenever_it_is_drawn_and_within_0_and_1(contest: str, span_id: str):
    assert lot_in(contest, span_id) == lot_in(contest, span_id)
    assert 0 <= lot_in(contest, span_id) < 1


def test_a_lot_is_known_by_hand():
    """The first 8 bytes of the SHA-256 of "contest", "c" and "s", each in a line."""
    assert lot_in("c", "s") == pytest.approx(0xCB88D80E236C0024 / 2**64)
    assert lot_in("c", "s") != lot_in("s", "c")


def test_lots_are_uniform_and_those_of_two_contests_know_nothing_of_each_other():
    first, second = ([lot_in(name, id) for id in SPANS] for name in ("one", "other"))
    assert stats.kstest(first, "uniform").pvalue > 0.001
    assert stats.spearmanr(first, second).pvalue > 0.001


@given(spans, st.randoms())
def test_the_order_is_that_of_the_lots_whatever_order_requests_came_in(span_ids: list[str], chance):
    requests = [(id, NOON) for id in span_ids]
    found = in_lot_order("c", requests, (), NOON)
    assert found == sorted(set(span_ids), key=lambda id: (lot_in("c", id), id))
    chance.shuffle(requests)
    assert in_lot_order("c", requests, (), NOON) == found


@given(spans, st.data())
def test_what_was_drawn_is_not_drawn_again_and_changes_no_other_place(span_ids: list[str], data):
    drawn = data.draw(st.sets(st.sampled_from(span_ids))) if span_ids else set()
    requests = [(id, NOON) for id in span_ids]
    whole = in_lot_order("c", requests, (), NOON)
    assert in_lot_order("c", requests, drawn, NOON) == [id for id in whole if id not in drawn]


def test_requests_from_before_are_not_drawn():
    requests = [("old", NOON - HOUR), ("first", NOON), ("late", NOON + HOUR)]
    assert set(in_lot_order("c", requests, (), NOON)) == {"first", "late"}
