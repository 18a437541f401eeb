"""Pace: how fast work goes, and how long it will take still."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """`done` of `total` (0: nobody knows), `seconds` after `begun_with` were done."""

    done: int
    total: int
    seconds: float
    begun_with: int = 0

    @property
    def per_second(self) -> float | None:
        """None as long as nothing was done."""
        made = self.done - self.begun_with
        return made / self.seconds if made > 0 and self.seconds > 0 else None

    @property
    def left_s(self) -> float | None:
        """At the same rate; None where nobody knows, or nothing is left."""
        rate = self.per_second
        return (self.total - self.done) / rate if rate and self.total > self.done else None

    @property
    def parts(self) -> list[str]:
        """In words: how much is done, the rate and the time that is left, as far as they are known."""
        rate, left = self.per_second, self.left_s
        if rate is None:
            return []
        done = f"{self.done:,} of {self.total:,}" if self.total else f"{self.done:,}"
        return [done, rate_told(rate), *([] if left is None else [f"about {duration_told(left)} left"])]


def rate_told(per_second: float) -> str:
    """E.g. `12 a second`, `30 a minute`, `5 an hour`: by the shortest time in which one is done."""
    for seconds, name in ((1, "a second"), (60, "a minute")):
        if per_second * seconds >= 1:
            return f"{per_second * seconds:,.0f} {name}"
    return f"{per_second * 3600:.0f} an hour"


def duration_told(seconds: float) -> str:
    """E.g. `40 s`, `12 min`, `3 h`: in the longest unit of which there are two."""
    for unit, name in ((3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"
