"""Experiences: what happened in one decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache


@lru_cache(maxsize=4096)
def shared(*items: tuple[str, str]) -> Mapping[str, str]:
    """A mapping of the items, one for all equal ones: answers and labels repeat, and there may be a million."""
    return dict(items)


@dataclass(frozen=True, slots=True)
class Experience:
    """One decision with its outcome. Scores are in 0..1, None where nobody said.

    `failure`: the error with which the program ended, which then gave no answers. `greedy_answers`: what the version
    itself said, where the answers were drawn at random instead. `filled`: inputs that nobody gave and the version that
    decided filled in by itself. `session`: a digest that decisions share which belong together.
    """

    span_id: str
    program: str
    inputs: Mapping[str, str]
    answers: Mapping[str, str]
    at: datetime
    confidence: float | None = None
    search_quality: float | None = None
    agent_success: bool | None = None
    user_satisfaction: float | None = None
    processing_time_s: float | None = None
    program_version: str | None = None
    propensity: float | None = None
    modality: str | None = None
    language: str | None = None
    failure: str | None = None
    greedy_answers: Mapping[str, str] | None = None
    filled: Mapping[str, str] | None = None
    session: str | None = None

    @property
    def said(self) -> Mapping[str, str]:
        """What the version that decided said, whatever was answered in its place."""
        return self.answers if self.greedy_answers is None else self.greedy_answers

    @property
    def moment(self) -> tuple[datetime, str]:
        """What puts it in the order of time; of one time the spans' ids do."""
        return self.at, self.span_id

    @property
    def query(self) -> str:
        """The text that identifies what was asked."""
        return query_of(self.inputs)


def query_of(inputs: Mapping[str, str]) -> str:
    """The text that identifies what was asked: `query`, or all inputs where a program has none.

    Names of inputs are left out: they are the same in all questions and would make them look alike.
    """
    return inputs.get("query") or "\n".join(inputs[name] for name in sorted(inputs))
