"""Moments: stored times against the present one. A clock that was wrong once is not believed for years."""

from __future__ import annotations

from datetime import datetime, timedelta

AHEAD = timedelta(minutes=5)
"""Clocks of machines that work together differ by less; a stored time further ahead was written by a wrong one."""


def believed(moment: datetime | None, now: datetime) -> datetime | None:
    """The moment, None where it lies in the future."""
    return None if moment is None or moment > now + AHEAD else moment
