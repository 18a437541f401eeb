"""Summing up: what a tenant's runs came to, whoever ran them and however they ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from argotune.errors import ModuleFailed
from argotune.labels.queue import keep_waiting
from argotune.runs.book import RunBook
from argotune.runs.reports import run_json, summary_json
from argotune.runs.run import Run
from argotune.runs.step_outcomes import failed_modules, outcome_of_steps
from argotune.runs.tallies import keep_tally
from argotune.store.port import Store
from argotune.tenants.catalog import Configs


@dataclass(frozen=True)
class SumRequest:
    """Whose runs: of a group (None: of any) that began within so many hours (None: ever). `steps` says how the steps of
    the group's workflow ended, module -> one of `step_outcomes.STATUSES`."""

    tenant_id: str
    group: str | None = None
    since_hours: float | None = None
    steps: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RunsSummary:
    """The runs, how the steps ended, and one line over both; what failed comes first."""

    tenant_id: str
    steps: Mapping[str, str]
    runs: tuple[Run, ...]
    outcome: str

    @property
    def failure(self) -> ModuleFailed | None:
        """What to end with where a step failed."""
        if not failed_modules(self.steps):
            return None
        return ModuleFailed(f"{self.outcome}. Read the failed step's message; what is finished is kept")

    def as_json(self) -> dict[str, Any]:
        """The documented summary."""
        return {
            "tenant_id": self.tenant_id,
            "outcome": self.outcome,
            "steps": dict(self.steps),
            "summary": summary_json(self.runs),
            "runs": [run_json(run) for run in self.runs],
        }


def sum_up(store: Store, asked: SumRequest, now: datetime) -> RunsSummary:
    """The runs that are asked for. Raises NotFound for an unknown tenant.

    Also keeps what the tenant's runs come to in the sums over all tenants, as a pass that was killed did not.
    """
    Configs(store).get(asked.tenant_id)
    since = None if asked.since_hours is None else now - timedelta(hours=asked.since_hours)
    runs = RunBook(store, asked.tenant_id).runs(group=asked.group, since=since)
    keep_tally(store, asked.tenant_id, now)
    keep_waiting(store, asked.tenant_id)
    return RunsSummary(asked.tenant_id, asked.steps, tuple(runs), outcome_of_steps(asked.steps, runs))
