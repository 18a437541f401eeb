"""Efforts: which pairs are compared, in what, and that old journals tell nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from argotune.lm.effort import Effort
from argotune.lm.lack import Lack
from argotune.promotion.efforts import SHORT_S, cost_ratio, latency_ratio
from argotune.promotion.evidence import Answer, Page, Pair
from argotune.stats.ratios import WARM_UP, beyond
from argotune.store.records import from_text
from argotune.store.sealing import seal


def pair(champion: Effort, challenger: Effort, lack: Lack | None = None, **fields: Any) -> Pair:
    return Pair(
        "q", "s", "lot", Answer({"reply": "a"}, lack, champion), Answer({"reply": "b"}, None, challenger), **fields
    )


USUAL = [pair(Effort(0.2, 100, 0.001), Effort(0.4, 300, 0.004)) for _ in range(WARM_UP)]


def test_seconds_of_pairs_that_were_asked_together_are_bet_on_in_their_order():
    pairs = [*USUAL, pair(Effort(0.3), Effort(1.2)), pair(Effort(0.5), Effort(2.0))]
    found = latency_ratio(pairs, 3.0)
    bet = beyond([0.4] * WARM_UP + [1.2, 2.0], [0.2] * WARM_UP + [0.3, 0.5], 3.0)
    assert found is not None
    assert (found.unit, found.n, found.limit) == ("s", 2, 3.0)
    assert (found.champion, found.challenger, found.log_wealth) == (bet.second, bet.first, bet.log_wealth)
    assert found.times == pytest.approx(4.0)


@pytest.mark.parametrize(
    "left_out",
    [
        pytest.param(pair(Effort(0.3, of="trace"), Effort(9.0)), id="an answer of a trace"),
        pytest.param(pair(Effort(), Effort(9.0)), id="an answer that was paid for before"),
        pytest.param(pair(Effort(0.3), Effort()), id="the challenger's as well"),
        pytest.param(pair(Effort(60.0), Effort(9.0), lack=Lack.NO_CONTENT), id="a champion that met silence"),
    ],
)
def test_what_was_not_asked_for_both_says_nothing(left_out: Pair):
    pairs = [*USUAL, USUAL[0]]
    assert latency_ratio([*pairs, left_out, left_out], 3.0) == latency_ratio(pairs, 3.0)


def test_a_challenger_that_fails_late_takes_as_long_as_it_takes():
    late = replace(USUAL[0], challenger=Answer({"reply": ""}, Lack.NO_CONTENT, Effort(60.0)))
    found = latency_ratio([*USUAL, late], 3.0)
    assert found is not None
    assert found.challenger == 60.0


def test_nobody_waits_for_less_than_a_tenth_of_a_second():
    short = [pair(Effort(0.001), Effort(0.09)) for _ in range(60)]
    found = latency_ratio(short, 3.0)
    assert found is not None
    assert (found.champion, found.challenger, found.times) == (SHORT_S, SHORT_S, 1.0)
    assert found.log_wealth == pytest.approx(latency_ratio([pair(Effort(0.1), Effort(0.1))] * 60, 3.0).log_wealth)


@pytest.mark.parametrize(
    ("also", "unit", "times"),
    [
        pytest.param([], "USD", 4.0, id="both known"),
        pytest.param([pair(Effort(0.2, 100), Effort(0.4, 300, 0.004))], "tokens", 3.0, id="no price of one answer"),
    ],
)
def test_cost_is_in_dollars_where_they_are_known_else_in_tokens(also: list[Pair], unit: str, times: float):
    found = cost_ratio([*USUAL, USUAL[0], *also], 10.0)
    assert found is not None
    assert (found.unit, found.times) == (unit, pytest.approx(times))


def test_without_a_limit_the_means_are_told_and_nothing_is_bet():
    found = cost_ratio([*USUAL, USUAL[0]], None)
    assert found is not None
    assert (found.limit, found.log_wealth) == (None, 0.0)
    assert found.sentence == "answers cost 4 times as much: 0.004 USD in place of 0.001 USD over 1 pair"


def test_too_few_pairs_and_answers_that_cost_nothing_give_no_number():
    assert latency_ratio(USUAL, 3.0) is None
    assert cost_ratio([pair(Effort(0.2, 0, 0.0), Effort(0.4, 300, 0.004))] * 60, 10.0) is None


def test_pages_of_releases_that_measured_nothing_load_and_are_unknown():
    answer = {"answers": {"reply": "a"}, "lack": None}
    old = {"question": "q", "span_id": "s", "drawn": "lot", "champion": answer, "challenger": answer, "slices": {}}
    body = {"contest": "c", "number": 0, "at": "2026-11-21T12:00:00Z", "pairs": [old]}
    page = from_text(Page, seal("Page", body))
    assert page.pairs[0].challenger.effort == Effort()
    assert latency_ratio(page.pairs * 60, 3.0) is None
