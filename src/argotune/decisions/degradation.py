"""Degradation: that a program's champion answers worse than it did, and what is too little to tell."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from argotune.stats.wording import counted, percent
from argotune.store.records import StoredValue


class Degradation(StoredValue):
    """A drop that stands: the mean score of the champion's answers was `before` and is `after`, of `count` answers
    since it fell. `scored_by` says whose scores they are, in words; `found_at` when it was found."""

    version: str
    scored_by: str
    before: float
    after: float
    count: int
    found_at: datetime

    @property
    def size(self) -> float:
        """By how much the mean fell, in 0..1."""
        return self.before - self.after

    @property
    def sentence(self) -> str:
        """For people."""
        return (
            f"its live quality fell from {percent(self.before)} to {percent(self.after)} in the last "
            f"{counted(self.count, 'answer')} {self.scored_by}, beyond doubt (found {self.found_at:%Y-%m-%d %H:%M})"
        )


class LiveView(StoredValue):
    """How a program's champion `version` does: the drops that stand, what can be told, and of what there is too little.
    Sentences are for people."""

    version: str
    drops: tuple[Degradation, ...] = ()
    told: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()

    @property
    def worst(self) -> Degradation | None:
        """The largest drop, None where there is none."""
        return max(self.drops, key=lambda drop: drop.size, default=None)

    @property
    def drop(self) -> float | None:
        """By how much the mean fell: 0 where it could be told and nothing fell, None where nothing can be told."""
        return self.worst.size if self.worst else 0.0 if self.told else None

    @property
    def sentences(self) -> tuple[str, ...]:
        """All that is told, the drops first."""
        return (*(drop.sentence for drop in self.drops), *self.told, *self.unclear)


class Degradations(StoredValue):
    """By program of a module how its champion does, as of `looked_at`."""

    programs: dict[str, LiveView] = Field(default_factory=dict)
    looked_at: datetime | None = None

    def found_since(self, since: datetime | None) -> bool:
        """Whether a drop stands that was found after that; None: any."""
        drops = [drop for view in self.programs.values() for drop in view.drops]
        return any(since is None or drop.found_at > since for drop in drops)

    @property
    def sentences(self) -> tuple[str, ...]:
        """Of each drop that stands."""
        return tuple(f"{name}: {d.sentence}" for name, view in sorted(self.programs.items()) for d in view.drops)
