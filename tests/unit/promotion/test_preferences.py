"""Preferences: the order in which answers are shown, and what is made of what somebody says."""

from __future__ import annotations

import pytest

from argotune.lm.lack import Lack
from argotune.promotion.drawing import is_for_people
from argotune.promotion.pairs import Answer, Pair
from argotune.promotion.preferences import in_blind_order, is_champion_first, preferred, winner

OLD, NEW = Answer({"reply": "old"}), Answer({"reply": "new"})


def pair(*, is_champion_first: bool, **answers: Answer) -> Pair:
    both = {"champion": OLD, "challenger": NEW, **answers}
    return Pair("q", "s", "lot", **both, is_champion_first=is_champion_first)


@pytest.mark.parametrize(
    ("is_first", "choice", "difference", "won"),
    [
        (True, "first", -1.0, OLD),
        (True, "second", 1.0, NEW),
        (False, "first", 1.0, NEW),
        (False, "second", -1.0, OLD),
        (True, "neither", 0.0, None),
        (False, "neither", 0.0, None),
    ],
)
def test_a_choice_means_the_answer_that_stood_there(is_first, choice, difference, won):
    shown = pair(is_champion_first=is_first)
    assert in_blind_order(shown) == ((OLD, NEW) if is_first else (NEW, OLD))
    assert (preferred(shown, choice), winner(shown, choice)) == (difference, won)


def test_an_answer_that_cannot_be_used_teaches_nothing_though_it_won():
    assert winner(pair(is_champion_first=True, champion=Answer({"reply": ""}, Lack.FAILED)), "first") is None


def test_the_order_is_a_fair_lot_of_its_own():
    ids = [f"q{n}" for n in range(2000)]
    first = [id for id in ids if is_champion_first("c1", id)]
    assert len(first) == pytest.approx(1000, abs=100)
    assert sum(is_for_people("c1", id, 0.5) for id in first) == pytest.approx(500, abs=80)
    assert first == [id for id in ids if is_champion_first("c1", id)]
