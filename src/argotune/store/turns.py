"""Turns: work on what others change too, done again from what they left when they wrote first."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from argotune.errors import Conflict, Overtaken

TURNS = 50
"""Each turn that is lost is a write of somebody else that came through: as many in a row are no coincidence."""

T = TypeVar("T")


def in_turn(what: str, work: Callable[[], T], turns: int = TURNS) -> T:
    """What `work` returns, once it reads and writes without a Conflict. Raises Conflict where others always were first.

    `work` reads anew each time and changes nothing before its last write. Who was Overtaken has no turn any more.
    """
    for _ in range(turns):
        try:
            return work()
        except Overtaken:
            raise
        except Conflict:
            continue
    raise Conflict(f"{what} was changed by others {turns} times in a row")
