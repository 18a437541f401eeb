"""The port of trackers: where people look at datasets and experiments."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from argotune.data.spans import Json
from argotune.lm.effort import UNKNOWN, Effort

SCORE = "score"
"""What the number is called that compares an answer with the label."""

SHOWN_CHARS = 7
"""Of a version, in a list that people read."""


@dataclass(frozen=True)
class TrackedExample:
    """One test example as a tracker shows it: what went in, what was right, and both programs' answers, as JSON, with
    what they took and when both were there."""

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
    champion_effort: Effort = UNKNOWN
    challenger_effort: Effort = UNKNOWN
    answered_at: datetime | None = None


Facts = Mapping[str, str | float | int | bool | None]


def mean_efforts(efforts: Sequence[Effort]) -> dict[str, float | int]:
    """The means of what answers took, over those of which it is known, and of how many it is."""
    found = dict[str, float | int]()
    for name in ("seconds", "tokens", "usd"):
        known = [amount for effort in efforts if (amount := getattr(effort, name)) is not None]
        if known:
            found |= {f"mean_{name}": math.fsum(known) / len(known), f"answers_with_{name}": len(known)}
    return found


@dataclass(frozen=True)
class OpenTotals:
    """How an open contest stands, without anything of its answers: who saw them could tune to them."""

    tenant_id: str
    program: str
    sentence: str
    facts: Facts
    at: datetime


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
    facts: Facts
    started_at: datetime
    ended_at: datetime
    states: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)


@dataclass(frozen=True)
class Answered:
    """What one version made of one example."""

    example: TrackedExample
    answers: Mapping[str, Json]
    score: float | None
    effort: Effort = UNKNOWN


@dataclass(frozen=True)
class Side:
    """One version's part of a contest."""

    run: TrackedRun
    role: str
    version: str
    answered: Sequence[Answered]

    @property
    def name(self) -> str:
        """What it is called in a list that people read."""
        return f"{self.run.program} {self.version[:SHOWN_CHARS]} {self.role}"

    @property
    def efforts(self) -> dict[str, float | int]:
        """The means of what its answers took."""
        return mean_efforts([each.effort for each in self.answered])


def sides_of(run: TrackedRun) -> Iterator[Side]:
    """Both versions' parts with the examples that each answered, the champion's first."""
    champion = [(e, e.champion_answers, e.champion_score, e.champion_effort) for e in run.examples]
    challenger = [(e, e.challenger_answers, e.challenger_score, e.challenger_effort) for e in run.examples]
    for role, version, found in (
        ("champion", run.champion_version, champion),
        ("challenger", run.challenger_version, challenger),
    ):
        answered = [Answered(e, answers, score, effort) for e, answers, score, effort in found if answers is not None]
        yield Side(run, role, version, answered)


@dataclass(frozen=True)
class TrackedLinks:
    """Where a person can look at a tracked run. URLs."""

    dataset: str
    comparison: str


class Tracker(Protocol):
    """Where people look at results side by side."""

    def publish(self, run: TrackedRun) -> TrackedLinks:
        """Store dataset and both experiments; publishing the same run again changes nothing. Its contest is told as
        open no more."""

    def show_open(self, totals: OpenTotals) -> None:
        """Tell where a program's results are how its open contest stands, in place of what was told before."""

    def project_link(self, tenant_id: str) -> str | None:
        """Where a tenant's traces can be seen, None when there is no such page."""

    def ping(self) -> str:
        """The product's version, when it can be reached and lets us in."""
