"""Retention: from when on experiences are kept, and whether a clock is borne out. One that is wrong must not end them
all, nor a contest.

A clock is believed while traces are young by it. One that is far beyond the newest trace may be wrong, or the tenant is
idle: nothing is forgotten until a week of looks has said the same. What is too old is dropped by the stage `forget`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from argotune.data.cursor import Reading
from argotune.runs.tallies import RoundRecord
from argotune.store.moments import believed
from argotune.tenants.config import RoutingConfigUnified

FAR = timedelta(days=30)
"""Without a trace for so long the clock is doubted."""

DOUBTED_FOR = timedelta(days=7)

WITNESSES = timedelta(days=7)
"""A clock is believed that rounds have followed for so long."""

GAP = timedelta(days=3)
"""Between two rounds; a clock that went further is not believed yet."""

NEAR = timedelta(days=7)
"""Between the newest trace, or the last pass, and a clock that they have followed: few ask over a long week-end."""

HELD = "nothing was forgotten: the clock is far beyond the newest trace"


@dataclass(frozen=True)
class Retention:
    """What happened before `oldest` is to be forgotten, unless the clock is doubted: `is_held`.

    `doubted_at`: since when it is doubted, to be kept with the module's reading.
    """

    oldest: datetime
    is_held: bool = False
    doubted_at: datetime | None = None


def retention(reading: Reading, last_run_at: datetime | None, config: RoutingConfigUnified, now: datetime) -> Retention:
    """The retention of a module's experiences by what is known of its traces."""
    kept, newest = timedelta(days=config.example_retention_days), believed(reading.newest_at, now)
    if newest is not None and now - newest <= FAR:
        return Retention(now - kept)
    doubted_at = believed(reading.doubted_at, now) or now
    if now - doubted_at >= DOUBTED_FOR:
        return Retention(now - kept, doubted_at=doubted_at)
    witness = newest or believed(last_run_at, now) or now
    return Retention(witness - kept, is_held=True, doubted_at=doubted_at)


def is_borne_out(now: datetime, known: Iterable[RoundRecord]) -> bool:
    """Whether rounds have followed the clock for a week, without a leap."""
    times = sorted({*(record.started_at for record in known), now})
    if times[-1] > now or now - times[0] < WITNESSES:
        return False
    recent = [at for at in times if at >= now - WITNESSES - GAP]
    return recent[0] <= now - WITNESSES and all(b - a <= GAP for a, b in pairwise(recent))


def is_followed(reading: Reading, last_run_at: datetime | None, now: datetime) -> bool:
    """Whether a module's traces have followed the clock, or passes that have doubted it for a week."""
    doubted_at = believed(reading.doubted_at, now)
    is_long_doubted = doubted_at is not None and now - doubted_at >= DOUBTED_FOR
    return _is_near(reading.newest_at, now) or (is_long_doubted and _is_near(last_run_at, now))


def _is_near(moment: datetime | None, now: datetime) -> bool:
    known = believed(moment, now)
    return known is not None and now - known <= NEAR
