"""Chores: what the continuous service does for a tenant again and again, how often, and when after a failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from argotune.errors import ConfigInvalid

LONGEST = timedelta(days=366)


class Chore(StrEnum):
    """`spans`: optimize what is due by new traces. `annotation`: let the LM annotator label what waits. `feedback`:
    optimize what is due by new labels."""

    SPANS = "spans"
    ANNOTATION = "annotation"
    FEEDBACK = "feedback"


class Lane(StrEnum):
    """Where a visit waits for a place: for the look that it begins with, then for what the look found to do. Each has
    its own places, so that no look waits for anybody's training."""

    LOOKS = "looks"
    PASSES = "passes"


@dataclass(frozen=True)
class Periods:
    """From one visit of a chore to the next, and from one report of figures to the next."""

    spans: timedelta = timedelta(minutes=15)
    annotation: timedelta = timedelta(minutes=30)
    feedback: timedelta = timedelta(minutes=15)
    metrics: timedelta = timedelta(minutes=5)

    def __post_init__(self) -> None:
        """Raises ConfigInvalid for one that is not above 0, or longer than a year."""
        for name, period in vars(self).items():
            if not timedelta(0) < period <= LONGEST:
                minutes = period / timedelta(minutes=1)
                raise ConfigInvalid(f"{name}: {minutes:g} minutes are not above 0 and at most {LONGEST.days} days")

    @property
    def by_chore(self) -> Mapping[Chore, timedelta]:
        return {Chore.SPANS: self.spans, Chore.ANNOTATION: self.annotation, Chore.FEEDBACK: self.feedback}


@dataclass(frozen=True)
class Backoff:
    """How long a tenant whose visit failed is left alone: twice as long after each failure in a row."""

    first: timedelta = timedelta(minutes=1)
    longest: timedelta = timedelta(hours=1)

    def __post_init__(self) -> None:
        """Raises ConfigInvalid."""
        if not timedelta(0) < self.first <= self.longest:
            told = f"{self.first.total_seconds():g} s, then at most {self.longest.total_seconds():g} s"
            raise ConfigInvalid(f"backoff: {told}: the first must be above 0, and not more than the longest")

    def after(self, failures: int) -> timedelta:
        """After so many failures in a row, one or more."""
        doublings = min(failures - 1, 20)  # more would leave the calendar
        return min(self.longest, self.first * (1 << doublings))


@dataclass(frozen=True)
class ServiceRules:
    """How the continuous service works. At most `at_once` tenants have passes at the same time, and `looks_at_once` are
    looked at, beside those. A visit that shows no sign of life for `patience` gives its place to another one, and goes
    on. All tenants are looked at in one go every `look_every`. When the service is to end, visits have `stop_s` seconds
    to come to a point where they can be given up."""

    periods: Periods = field(default_factory=Periods)
    backoff: Backoff = field(default_factory=Backoff)
    at_once: int = 4
    looks_at_once: int = 4
    patience: timedelta = timedelta(minutes=10)
    look_every: timedelta = timedelta(minutes=1)
    stop_s: float = 20.0

    def __post_init__(self) -> None:
        """Raises ConfigInvalid."""
        for name in ("at_once", "looks_at_once"):
            if (places := getattr(self, name)) < 1:
                raise ConfigInvalid(f"{name}: {places} is below 1")
        if self.patience <= timedelta(0):
            raise ConfigInvalid(f"patience: {self.patience} is not above 0")

    @property
    def places(self) -> Mapping[Lane, int]:
        """Of each lane."""
        return {Lane.LOOKS: self.looks_at_once, Lane.PASSES: self.at_once}
