"""The port of trackers: where people look at datasets and experiments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from argotune.data.spans import Json


@dataclass(frozen=True)
class TrackedExample:
    """One test example as a tracker shows it: what went in, what was right, and both programs' answers, as JSON."""

    id: str
    inputs: Mapping[str, Json]
    expected: Mapping[str, Json]
    split: str
    label_source: str
    span_id: str | None
    champion_answers: Mapping[str, Json] | None = None
    champion_score: float | None = None
    challenger_answers: Mapping[str, Json] | None = None
    challenger_score: float | None = None


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker is told of one run: the dataset, both results and the facts around them.

    `states` is each version's program as DSPy saves it, JSON, by version id.
    """

    tenant_id: str
    program: str
    run_id: str
    champion_version: str
    challenger_version: str
    examples: Sequence[TrackedExample]
    facts: Mapping[str, str | float | int | bool | None]
    started_at: datetime
    ended_at: datetime
    states: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class TrackedLinks:
    """Where a person can look at a tracked run. URLs."""

    dataset: str
    comparison: str


class Tracker(Protocol):
    """Where people look at results side by side."""

    def publish(self, run: TrackedRun) -> TrackedLinks:
        """Store dataset and both experiments; publishing the same run again changes nothing."""

    def project_link(self, tenant_id: str) -> str | None:
        """Where a tenant's traces can be seen, None when there is no such page."""

    def ping(self) -> str:
        """The product's version, when it can be reached and lets us in."""
