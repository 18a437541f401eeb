"""Retention: from when on experiences are kept. One clock that is wrong must not end them all.

A clock is believed while traces are young by it. One that is far beyond the newest trace may be wrong, or the tenant is
idle: nothing is forgotten until a week of looks has said the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from argotune.data.cursor import Reading
from argotune.store.moments import believed
from argotune.tenants.config import RoutingConfigUnified

FAR = timedelta(days=30)
"""Without a trace for so long the clock is doubted."""

DOUBTED_FOR = timedelta(days=7)

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
