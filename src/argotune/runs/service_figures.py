"""Service figures: how the continuous service stands, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from argotune.runs.pass_figures import PassFigures
from argotune.stats.pace import Pace
from argotune.stats.wording import counted


@dataclass(frozen=True)
class Lateness:
    """How long after they were due visits of a chore were begun: their number, the seconds in all, and the most."""

    visits: int = 0
    total_s: float = 0.0
    longest_s: float = 0.0

    def with_visit(self, late_s: float) -> Lateness:
        """With one more."""
        return Lateness(self.visits + 1, self.total_s + late_s, max(self.longest_s, late_s))


@dataclass(frozen=True)
class WorkNow:
    """What is being done for a tenant: `done` of `total` (0: nobody knows) of `what`, begun at `since`."""

    tenant_id: str
    what: str
    done: int
    total: int
    since: datetime

    def told(self, now: datetime) -> str:
        """For people, with the rate and the time that is left where both are known."""
        parts = Pace(self.done, self.total, (now - self.since).total_seconds()).parts
        return f"{self.tenant_id}: {self.what}" + (f": {', '.join(parts)}" if parts else "")


@dataclass(frozen=True)
class ServiceFigures:
    """`tenants` by where they stand, `visits` by how they ended, since the service began. `stuck` visits
    show no sign of life. `waits_s`: how long the visit has waited that waits longest for a place, by lane.
    `is_store_up`: the last look at all tenants came to its end."""

    tenants: Mapping[str, int] = field(default_factory=dict)
    visits: Mapping[str, int] = field(default_factory=dict)
    lateness: Mapping[str, Lateness] = field(default_factory=dict)
    passed: PassFigures = field(default_factory=PassFigures)
    waits_s: Mapping[str, float] = field(default_factory=dict)
    work: tuple[WorkNow, ...] = ()
    stuck: int = 0
    is_store_up: bool = False

    @property
    def sentence(self) -> str:
        """One line for people."""
        tenants = ", ".join(f"{number} {where}" for where, number in self.tenants.items())
        visits = ", ".join(f"{number} {how}" for how, number in sorted(self.visits.items())) or "none"
        longest = max((late.longest_s for late in self.lateness.values()), default=0.0)
        read = f"{counted(self.passed.spans, 'span')} read, {counted(self.passed.labels, 'label')} taken in"
        return f"tenants: {tenants}; visits: {visits}, at most {longest:.0f} s late; {read}"


class WatchedService(Protocol):
    """A service as those see it who watch it, from any thread."""

    @property
    def figures(self) -> ServiceFigures:
        """How it stands."""

    @property
    def why_unwell(self) -> str:
        """Why its process should be started again, "" where it need not."""
