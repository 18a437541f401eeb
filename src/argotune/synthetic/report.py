"""Report: what a run made besides its tenant's own examples, what was refused and why, and whether it was used.

Values only, as they are written into the run's record; the making is in service.py.
"""

from __future__ import annotations

from pydantic import Field

from argotune.stats.wording import counted, percent
from argotune.store.records import StoredValue


class Trial(StoredValue):
    """A challenger with and without what may help it, synthetic examples, an enhancement or outcomes of another module,
    both measured on the same dev examples."""

    with_mean: float
    without_mean: float
    n: int

    @property
    def gain(self) -> float:
        """Mean paired difference; above 0 it helped."""
        return self.with_mean - self.without_mean

    def told(self, what: str) -> str:
        """What dev says, for people. `what` stands for what may help: `it`, `them`."""
        on = counted(self.n, "dev example")
        return f"on {on} {percent(self.with_mean)} with and {percent(self.without_mean)} without {what}"


class SyntheticReport(StoredValue):
    """What came of one request. `goals` are the examples that were tried for, `writes` the queries that were written.

    `refused` counts documents and queries under their reasons; a goal may be refused several times. `masked` counts
    what was masked in documents and queries, by kind. `why_none` says why nothing was tried at all; `trial` and
    `is_used` are about training.
    """

    asked: int = 0
    made: int = 0
    goals: int = 0
    writes: int = 0
    refused: dict[str, int] = Field(default_factory=dict)
    masked: dict[str, int] = Field(default_factory=dict)
    lm_calls: int = 0
    why_none: str = ""
    weight: float = 0.0
    trial: Trial | None = None
    is_used: bool = False
    why: str = ""

    @property
    def success_rate(self) -> float:
        """Share of the goals that became examples, in 0..1."""
        return self.made / self.goals if self.goals else 0.0

    @property
    def sentence(self) -> str:
        """What came of it, for people."""
        if self.why_none:
            return f"no synthetic examples: {self.why_none}"
        refused = sorted(self.refused.items(), key=lambda pair: (-pair[1], pair[0]))
        reasons = ", ".join(f"{count} x {reason}" for reason, count in refused)
        made = f"{self.made} of {counted(self.asked, 'synthetic example')} made" + (
            f" (refused: {reasons})" if reasons else ""
        )
        return f"{made}; {'used' if self.is_used else 'not used'}: {self.why}" if self.why else made
