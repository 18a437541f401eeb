"""Routing experiences of "Optimization Module": what an application tells of its routing decisions, kept bounded."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean
from typing import Annotated

from pydantic import Field, JsonValue

from argotune.data.annotations import LabelSource
from argotune.data.examples import Example, question_id
from argotune.data.experiences import Experience
from argotune.data.field_types import as_text
from argotune.data.span_format import MAX_TEXT_CHARS
from argotune.data.splitting import Split, split_when_opened
from argotune.errors import ConfigInvalid
from argotune.store.records import StoredValue
from argotune.store.texts import storable
from argotune.tenants.config import SplitShares

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]

HELD_BACK = SplitShares(train=0.7, dev=0.2, test=0.1)
"""Of the examples two in nine are held back where some are."""

CONTENT_ABOVE = 0.7
"""A user who is more satisfied than this says that it went well."""


def read_inputs(
    query: object, entities: object = (), relationships: object = (), enhanced_query: object = ""
) -> dict[str, str]:
    """What was asked, as it is kept. Raises ConfigInvalid that names the argument."""
    given = {"query": query, "entities": entities, "relationships": relationships, "enhanced_query": enhanced_query}
    return {name: _text(name, value) for name, value in given.items()}


def _text(name: str, value: object) -> str:
    """An input as it is kept. Raises ConfigInvalid for an empty query, a text that is too long, and what is no text."""
    try:
        text = storable("" if value in (None, [], ()) else as_text(value))
    except ValueError as error:
        raise ConfigInvalid(f"{name}: {error}") from error
    if len(text) > MAX_TEXT_CHARS:
        raise ConfigInvalid(f"{name}: {len(text):,} characters, at most {MAX_TEXT_CHARS:,} can be routed")
    if name == "query" and not text.strip():
        raise ConfigInvalid("query: it is empty")
    return text


class RoutingExperience(StoredValue):
    """One decision and what came of it. `inputs` are texts in which personal data is masked; `processing_time` is in
    seconds, `reward` in 0..1."""

    inputs: dict[str, str]
    chosen_agent: str
    routing_confidence: Share
    search_quality: Share
    agent_success: bool
    processing_time: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    user_satisfaction: Share | None = None
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    reward: Share = 0.0
    at: datetime

    def experience(self, program: str) -> Experience:
        """As the pipeline has it."""
        return Experience(
            span_id="",
            program=program,
            inputs=self.inputs,
            answers={"agent": self.chosen_agent},
            at=self.at,
            confidence=self.routing_confidence,
            search_quality=self.search_quality,
            agent_success=self.agent_success,
            user_satisfaction=self.user_satisfaction,
            processing_time_s=self.processing_time,
        )


class ExperienceReplay:
    """The newest experiences, at most `size`, and how many there ever were. Threads may share it."""

    def __init__(self, size: int) -> None:
        self._lock = threading.Lock()
        self._kept: deque[RoutingExperience] = deque(maxlen=size)
        self.total = 0

    def add(self, experience: RoutingExperience) -> int:
        """How many there were so far, this one too."""
        with self._lock:
            self._kept.append(experience)
            self.total += 1
            return self.total

    def restore(self, experiences: Sequence[RoutingExperience], total: int) -> None:
        """In the place of what is kept."""
        with self._lock:
            self._kept.clear()
            self._kept.extend(experiences)
            self.total = total

    @property
    def kept(self) -> list[RoutingExperience]:
        """Oldest first."""
        with self._lock:
            return list(self._kept)


def examples_of(
    experiences: Sequence[RoutingExperience], program: str, holds_back: Callable[[int], bool]
) -> list[Example]:
    """What succeeded is an example of its question, as heavy as its reward; of several answers to one the most rewarded
    counts, the newest of these. What failed tells no right answer. Where of so many some are held back, it is by a hash
    of the question.
    """
    best: dict[str, RoutingExperience] = {}
    for experience in experiences:
        id = question_id(program, experience.inputs)
        if experience.agent_success and experience.reward and experience.reward >= _reward(best.get(id)):
            best[id] = experience
    is_split = holds_back(len(best))
    return [
        Example(
            program=program,
            inputs=experience.inputs,
            expected={"agent": experience.chosen_agent},
            source=LabelSource.OUTCOME,
            weight=experience.reward,
            split=split_when_opened(id, HELD_BACK) if is_split else Split.TRAIN,
        )
        for id, experience in best.items()
    ]


def _reward(experience: RoutingExperience | None) -> float:
    return experience.reward if experience else 0.0


def success_rate(experiences: Sequence[RoutingExperience]) -> float | None:
    """How often agents succeeded; None without experiences."""
    return fmean([x.agent_success for x in experiences]) if experiences else None


@dataclass(frozen=True)
class RoutingMetrics:
    """What "Optimization Module" calls metrics, of the kept experiences; 0 without any.

    `confidence_accuracy` is 1 minus the mean distance of confidence and success. `improvement_rate` is by how much the
    mean reward of the newest ones is above that of those before them, in shares of the latter.
    """

    avg_reward: float = 0.0
    success_rate: float = 0.0
    confidence_accuracy: float = 0.0
    improvement_rate: float = 0.0


def metrics_of(experiences: Sequence[RoutingExperience], newest: int) -> RoutingMetrics:
    """The metrics, where so many are the newest."""
    if not experiences:
        return RoutingMetrics()
    apart = fmean([abs(x.routing_confidence - x.agent_success) for x in experiences])
    before, recent = experiences[:-newest], experiences[-newest:]
    level = fmean([x.reward for x in before]) if before else 0.0
    return RoutingMetrics(
        avg_reward=fmean([x.reward for x in experiences]),
        success_rate=fmean([x.agent_success for x in experiences]),
        confidence_accuracy=1 - apart,
        improvement_rate=fmean([x.reward for x in recent]) / level - 1 if level else 0.0,
    )
