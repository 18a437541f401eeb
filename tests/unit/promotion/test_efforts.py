"""Efforts: which pairs are compared, in what, and that old journals tell nothing."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from argotune.lm.effort import Effort
from argotune.lm.lack import Lack
from argotune.promotion.efforts import cost_ratio, latency_ratio
from argotune.promotion.pairs import Answer, Page, Pair
from argotune.promotion.verdicts import EffortRatio
from argotune.stats.ratios import WARM_UP, beyond
from argotune.store.records import from_text
from argotune.store.sealing import seal
from argotune.tenants.config import ContestRules

RULES = ContestRules(short_answer_s=0.1, cheap_answer_usd=0.0001, cheap_answer_tokens=1)
NO_LIMIT = RULES.model_copy(update={"max_latency_ratio": None, "max_cost_ratio": None})


def pair(champion: Effort, challenger: Effort, lack: Lack | None = None, **fields: Any) -> Pair:
    return Pair(
        "q", "s", "lot", Answer({"reply": "a"}, lack, champion), Answer({"reply": "b"}, None, challenger), **fields
    )


USUAL = [pair(Effort(0.2, 100, 0.001), Effort(0.4, 300, 0.004)) for _ in range(WARM_UP)]


def test_seconds_of_pairs_that_were_asked_together_are_bet_on_in_their_order():
    pairs = [*USUAL, pair(Effort(0.3), Effort(1.2)), pair(Effort(0.5), Effort(2.0))]
    found = latency_ratio(pairs, RULES)
    bet = beyond([0.4] * WARM_UP + [1.2, 2.0], [0.2] * WARM_UP + [0.3, 0.5], 3.0, 0.1)
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
    assert latency_ratio([*pairs, left_out, left_out], RULES) == latency_ratio(pairs, RULES)


def test_a_challenger_that_fails_late_takes_as_long_as_it_takes():
    late = replace(USUAL[0], challenger=Answer({"reply": ""}, Lack.NO_CONTENT, Effort(60.0)))
    found = latency_ratio([*USUAL, late], RULES)
    assert found is not None
    assert found.challenger == 60.0


def test_nobody_waits_for_less_than_a_second():
    short = [pair(Effort(0.001), Effort(0.9)) for _ in range(60)]
    found = latency_ratio(short, ContestRules())
    assert found is not None
    assert found.log_wealth == pytest.approx(
        latency_ratio([pair(Effort(1), Effort(1))] * 60, ContestRules()).log_wealth
    )
    assert found.sentence == (
        "answers take 1 times as long (limit 3, less than 1 s counts as that): 0.9 s in place of 0.001 s over 40 pairs"
    )


FREE = Effort(0.005, 0, 0.0)


@pytest.mark.parametrize(
    ("challenger", "times", "is_won"),
    [
        pytest.param(FREE, 1.0, False, id="as free"),
        pytest.param(Effort(0.8, 400, 0.00009), 1.0, False, id="little"),
        pytest.param(Effort(0.8, 3000, 0.0005), 5.0, False, id="what the limit allows"),
        pytest.param(Effort(0.8, 9000, 0.005), 50.0, True, id="more"),
    ],
)
def test_a_champion_that_costs_nothing_neither_blinds_the_guard_nor_makes_it_veto_all(challenger, times, is_won):
    found = cost_ratio([pair(FREE, challenger)] * 60, ContestRules())
    assert found is not None
    assert (found.champion, found.times) == (0.0, pytest.approx(times))
    assert (found.log_wealth > math.log(1 / 0.05)) is is_won


def test_a_challenger_that_asks_an_lm_without_a_price_for_some_is_compared_in_tokens_over_all_pairs():
    some = [pair(FREE, Effort(0.8, 2500) if n % 5 == 0 else FREE) for n in range(60)]
    found = cost_ratio(some, ContestRules())
    assert found is not None
    assert (found.unit, found.n, found.challenger, found.times) == ("tokens", 40, 500.0, pytest.approx(1.8))


@pytest.mark.parametrize(
    ("also", "unit", "times"),
    [
        pytest.param([], "USD", 4.0, id="both known"),
        pytest.param([pair(Effort(0.2, 100), Effort(0.4, 300, 0.004))], "tokens", 3.0, id="no price of one answer"),
    ],
)
def test_cost_is_in_dollars_where_they_are_known_else_in_tokens(also: list[Pair], unit: str, times: float):
    found = cost_ratio([*USUAL, USUAL[0], *also], RULES)
    assert found is not None
    assert (found.unit, found.times) == (unit, pytest.approx(times))


def test_without_a_limit_the_means_are_told_and_nothing_is_bet():
    found = cost_ratio([*USUAL, USUAL[0]], NO_LIMIT)
    assert found is not None
    assert (found.limit, found.log_wealth) == (None, 0.0)
    assert found.sentence == "answers cost 4 times as much: 0.004 USD in place of 0.001 USD over 1 pair"


def test_too_few_pairs_give_no_number():
    assert latency_ratio(USUAL, RULES) is None


def test_pages_of_releases_that_measured_nothing_load_and_are_unknown():
    answer = {"answers": {"reply": "a"}, "lack": None}
    old = {"question": "q", "span_id": "s", "drawn": "lot", "champion": answer, "challenger": answer, "slices": {}}
    body = {"contest": "c", "number": 0, "at": "2026-11-21T12:00:00Z", "pairs": [old]}
    page = from_text(Page, seal("Page", body))
    assert page.pairs[0].challenger.effort == Effort()
    assert latency_ratio(page.pairs * 60, RULES) is None


def test_ratios_of_releases_that_raised_what_they_told_load_and_say_the_same():
    old = EffortRatio("s", 60, 0.25, 0.85, 3.0, 1.5)
    assert old.sentence == "answers take 3.4 times as long (limit 3): 0.85 s in place of 0.25 s over 60 pairs"
