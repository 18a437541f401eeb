"""Rounds: one pass over all tenants that submits their runs: what is asked, and what came of each tenant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from argotune.errors import ConfigInvalid
from argotune.stats.wording import counted

OVER_LIMIT = "more than a round may submit"


@dataclass(frozen=True)
class RoundRequest:
    """What a round is to do. `uid` decides the names of its workflows; no `tenants` means all."""

    name: str
    uid: str
    template: str
    tenants: tuple[str, ...] = ()
    is_forced: bool = False
    is_dry_run: bool = False
    max_submissions: int = 2000
    rate_per_s: float = 10.0

    def __post_init__(self) -> None:
        if self.max_submissions < 0:
            raise ConfigInvalid(f"{self.max_submissions} is below 0", argument="max_submissions")
        if not 0 < self.rate_per_s <= 1000:
            raise ConfigInvalid(f"{self.rate_per_s} is not above 0 and up to 1000 a second", argument="rate_per_s")


@dataclass(frozen=True)
class Line:
    """What came of one tenant."""

    tenant_id: str
    outcome: Literal["submitted", "skipped", "failed"]
    workflow: str
    reason: str

    @classmethod
    def submitted(cls, tenant_id: str, workflow: str, reason: str) -> Line:
        return cls(tenant_id, "submitted", workflow, reason)

    @classmethod
    def skipped(cls, tenant_id: str, reason: str) -> Line:
        return cls(tenant_id, "skipped", "", reason)

    @classmethod
    def failed(cls, tenant_id: str, reason: str) -> Line:
        return cls(tenant_id, "failed", "", reason)


@dataclass(frozen=True)
class Round:
    """A round that was gone through."""

    request: RoundRequest
    started_at: datetime
    lines: tuple[Line, ...]

    def of(self, outcome: str) -> list[Line]:
        """The lines with an outcome."""
        return [line for line in self.lines if line.outcome == outcome]

    @property
    def skipped_by_reason(self) -> Mapping[str, int]:
        """How many tenants were skipped for which reason, the most frequent first."""
        return dict(Counter(line.reason for line in self.of("skipped")).most_common())

    @property
    def is_complete(self) -> bool:
        """Whether every tenant that needed it was submitted or refused, and none was left over by the limit."""
        return OVER_LIMIT not in self.skipped_by_reason

    @property
    def sentence(self) -> str:
        """One line for people."""
        counts = [f"{len(self.of(outcome))} {outcome}" for outcome in ("submitted", "skipped", "failed")]
        return f"{counted(len(self.lines), 'tenant')}: {', '.join(counts)}"
