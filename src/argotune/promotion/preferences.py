"""Preferences in a contest: two answers side by side, blind, and what is made of what somebody says of them."""

from __future__ import annotations

from argotune.data.preferences import FIRST, SECOND
from argotune.promotion.drawing import lot_of_order
from argotune.promotion.pairs import Answer, Pair


def is_champion_first(contest: str, question: str) -> bool:
    """Whether people see the champion's answer first: by a lot that knows neither answer."""
    return lot_of_order(contest, question) < 1 / 2


def in_blind_order(pair: Pair) -> tuple[Answer, Answer]:
    """Both answers as people see them."""
    both = pair.champion, pair.challenger
    return both if pair.is_champion_first else (both[1], both[0])


def preferred(pair: Pair, choice: str) -> float:
    """The difference that a choice is: 1 where the challenger's answer is better, -1 where the champion's is, 0 where
    neither is."""
    if choice not in (FIRST, SECOND):
        return 0.0
    return -1.0 if (choice == FIRST) is pair.is_champion_first else 1.0


def winner(pair: Pair, choice: str) -> Answer | None:
    """The answer that was chosen and can be used, None where neither was."""
    if choice not in (FIRST, SECOND):
        return None
    chosen = in_blind_order(pair)[choice == SECOND]
    return None if chosen.lack else chosen
