"""Sharing: how many of a day's questions each program of a tenant may put before people.

Nearest to a verdict first, and nobody starved. A pure rule; what it is asked with is read by pipeline/day_shares.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

GUARANTEED = 0.25
"""The part of its equal share that a program keeps whoever is nearer to a verdict; at least one place."""


_ROUNDING = 1e-6


@dataclass(frozen=True)
class DayClaim:
    """A program's `share` where all were alike, in places a day. `waiting` disagreements of its open contest wait to be
    labelled or were asked about today; about `needed` labels are needed until the verdict, None where nobody knows."""

    program: str
    share: float
    waiting: int = 0
    needed: int | None = None


def share_day(claims: Sequence[DayClaim], limit: int, day: date) -> dict[str, int]:
    """The places of each program on that day, together at most `limit`.

    First each gets what is guaranteed; then contests get what they want, the nearest to a verdict first; what is left
    goes to all up to their equal shares. Where there are more programs than places they take turns day by day.
    """
    turns = _in_turn(claims, limit, day)
    handing = _Handing(limit)
    handing.give(turns, lambda _: 1)
    handing.give(turns, lambda claim: int(claim.share * GUARANTEED))
    handing.give(sorted(claims, key=_distance), lambda claim: claim.waiting)
    handing.give(turns, lambda claim: math.ceil(claim.share))
    return {claim.program: handing.given.get(claim.program, 0) for claim in claims}


def places_beside_contest(places: int, share: float, day: date) -> int:
    """How many of a program's places on that day stay for other questions than those of its contest: the `share`, over
    days whatever their number is, so that of one place a day nobody is starved either."""
    before = day.toordinal() * places * share
    return min(places, math.floor(before + places * share + _ROUNDING) - math.floor(before + _ROUNDING))


def _in_turn(claims: Sequence[DayClaim], limit: int, day: date) -> list[DayClaim]:
    """By name, beginning each day behind those who were first the day before."""
    names = sorted(claims, key=lambda claim: claim.program)
    first = day.toordinal() * limit % len(names) if names else 0
    return names[first:] + names[:first]


def _distance(claim: DayClaim) -> tuple[float, str]:
    return math.inf if claim.needed is None else claim.needed, claim.program


class _Handing:
    """Places that are handed out until none is left."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self.given: dict[str, int] = {}

    def give(self, claims: Iterable[DayClaim], up_to: Callable[[DayClaim], int]) -> None:
        """To each in this order, as far as it has less than it may have."""
        for claim in claims:
            known = self.given.get(claim.program, 0)
            more = min(max(up_to(claim) - known, 0), self._left)
            self.given[claim.program] = known + more
            self._left -= more
