"""Ratios: a bet by hand, chances over all looks by simulation, and what no bet can be laid on."""

from __future__ import annotations

import math

import numpy as np
import pytest

from argotune.errors import ConfigInvalid
from argotune.stats.betting import STAKES, anytime_p
from argotune.stats.ratios import WARM_UP, beyond

USUAL = [1.0] * WARM_UP
LEAST = 1e-9
LEVEL = 0.05


@pytest.mark.parametrize(
    ("first", "second", "difference"),
    [
        pytest.param(3.0, 1.0, 0.25, id="3 / 2 less 1, of a cap of 2"),
        pytest.param(900.0, 1.0, 0.5, id="counted up to the cap, as twice the limit"),
        pytest.param(2.0, 1.0, 0.0, id="just the limit"),
        pytest.param(0.0, 500.0, -1.0, id="the other one counted up to the cap"),
    ],
)
def test_the_bet_is_on_what_is_taken_beyond_the_limit_up_to_the_cap(first: float, second: float, difference: float):
    found = beyond([*USUAL, first], [*USUAL, second], limit=2.0, least=LEAST)
    wealth = sum(share * (1 + stake * difference) for stake, share in STAKES.items())
    assert found is not None
    assert found.log_wealth == pytest.approx(math.log(wealth))
    assert (found.n, found.first, found.second) == (1, first, second)


def test_the_cap_is_twice_what_the_first_pairs_took_but_for_two_that_were_slow_by_chance():
    warm_up = [60.0, 50.0, *[0.5] * (WARM_UP - 3), 4.0]
    found = beyond([*warm_up, 80.0], [*warm_up, 0.0], limit=5.0, least=LEAST)
    assert found is not None
    assert found.log_wealth == pytest.approx(math.log(sum(share * (1 + s) for s, share in STAKES.items())))
    smaller = beyond([*warm_up, 20.0], [*warm_up, 0.0], limit=5.0, least=LEAST)
    assert smaller is not None
    assert smaller.log_wealth == pytest.approx(math.log(sum(share * (1 + s / 2) for s, share in STAKES.items())))


@pytest.mark.parametrize("amounts", [[], USUAL], ids=["none", "no more than tell what is usual"])
def test_nothing_is_said_of_too_little(amounts: list[float]):
    assert beyond(amounts, amounts, 3.0, LEAST) is None


@pytest.mark.parametrize(
    ("first", "second", "difference", "times"),
    [
        pytest.param(0.4, 0.1, -0.25, 1.0, id="both count as the least"),
        pytest.param(4.0, 0.1, 0.5, 4.0, id="only one is short"),
        pytest.param(0.4, 3.0, -0.75, 1 / 3, id="only the other"),
        pytest.param(900.0, 0.0, 0.5, 900.0, id="a second that takes nothing does not make the bet blind"),
    ],
)
def test_what_is_little_counts_as_the_least(first: float, second: float, difference: float, times: float):
    found = beyond([*[0.2] * WARM_UP, first], [*[0.0] * WARM_UP, second], limit=2.0, least=1.0)
    wealth = sum(share * (1 + stake * difference) for stake, share in STAKES.items())
    assert found is not None
    assert found.log_wealth == pytest.approx(math.log(wealth))
    assert (found.first, found.second, found.times) == (first, second, pytest.approx(times))


@pytest.mark.parametrize(
    ("first", "second", "limit", "least"),
    [
        ([1.0], [], 3.0, 1.0),
        ([1.0], [1.0], 0.9, 1.0),
        ([1.0], [1.0], 3.0, 0.0),
        ([1.0], [1.0], 3.0, math.nan),
        ([-1.0], [1.0], 3.0, 1.0),
        ([1.0], [math.inf], 3.0, 1.0),
        ([math.nan], [1.0], 3.0, 1.0),
    ],
)
def test_what_cannot_be_is_refused(first: list[float], second: list[float], limit: float, least: float):
    with pytest.raises(ConfigInvalid):
        beyond(first, second, limit, least)


def ever_won(first: np.ndarray, second: np.ndarray, limit: float, least: float = LEAST) -> float:
    """In what share of these sequences the bet is won at one of the looks, one after each tenth pair."""
    looks = range(WARM_UP + 10, first.shape[1] + 1, 10)
    bets = ((beyond(list(x[:n]), list(y[:n]), limit, least) for n in looks) for x, y in zip(first, second, strict=True))
    return float(np.mean([any(bet and anytime_p(bet.log_wealth) <= LEVEL for bet in looked) for looked in bets]))


LAWS = {
    "always the same": lambda rng, size: np.ones(size),
    "noisy": lambda rng, size: rng.lognormal(0, 0.5, size),
    "very noisy": lambda rng, size: rng.lognormal(0, 1.5, size),
    "one in ten hangs": lambda rng, size: np.where(rng.random(size) < 0.1, 100.0, rng.lognormal(0, 0.3, size)),
}


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("times", [1.0, 3.0], ids=["as long", "just the limit"])
def test_a_bet_on_what_keeps_the_limit_is_won_ever_with_at_most_its_chance(law: str, times: float):
    rng, size = np.random.default_rng(7), (200, 300)
    shared = LAWS[law](rng, size)  # half of what a request takes is the request's, so that both take it
    alone = [LAWS[law](rng, size) for _ in range(2)]
    won = ever_won(times * np.sqrt(shared * alone[0]), np.sqrt(shared * alone[1]), 3.0)
    assert won <= LEVEL + 2 * math.sqrt(LEVEL * (1 - LEVEL) / size[0])


@pytest.mark.parametrize("law", LAWS)
def test_what_keeps_the_limit_keeps_it_where_little_counts_as_the_least(law: str):
    rng, size = np.random.default_rng(10), (200, 300)
    won = ever_won(3.0 * LAWS[law](rng, size), LAWS[law](rng, size), 3.0, least=1.0)
    assert won <= LEVEL + 2 * math.sqrt(LEVEL * (1 - LEVEL) / size[0])


def test_raised_amounts_at_just_the_limit_are_objected_to_with_at_most_the_chance():
    rng, size = np.random.default_rng(11), (200, 300)
    asked = np.where(rng.random(size) < 0.2, 11.0, 0.01)  # in the mean 3 where less than 1 counts as 1
    won = ever_won(asked, np.full(size, 0.005), 3.0, least=1.0)
    assert won <= LEVEL + 2 * math.sqrt(LEVEL * (1 - LEVEL) / size[0])


@pytest.mark.parametrize("law", ["noisy", "always the same"])
def test_twice_the_limit_is_found_within_two_hundred_pairs(law: str):
    rng, size = np.random.default_rng(8), (100, 200)
    assert ever_won(6.0 * LAWS[law](rng, size), LAWS[law](rng, size), 3.0) >= 0.9


def test_few_answers_that_hang_are_found_where_their_mean_is_beyond_the_limit():
    rng, size = np.random.default_rng(9), (50, 2000)
    hanging = LAWS["one in ten hangs"](rng, size) * np.where(rng.random(size) < 0.5, 1.0, 4.0)
    assert ever_won(hanging, LAWS["noisy"](rng, size), 1.5) >= 0.9
