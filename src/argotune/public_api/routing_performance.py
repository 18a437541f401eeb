"""Routing performance of "Optimization Module": tracked decisions, and how good they were."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import StatisticsError, correlation, fmean
from typing import Annotated

from pydantic import Field, JsonValue

from argotune.data.annotations import LabelSource
from argotune.data.examples import Example, question_id
from argotune.data.splitting import split_when_opened
from argotune.errors import ConfigInvalid
from argotune.public_api.field_rules import is_share
from argotune.public_api.routing_experiences import CONTENT_ABOVE, HELD_BACK, Share
from argotune.public_api.tuning_config import OptimizationConfig
from argotune.stats.label_scores import label_scores
from argotune.stats.wording import percent
from argotune.store.records import StoredValue

BY_SUCCESS = 0.5
"""What a decision counts that went well, beside one of which somebody said what was right."""

NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class RoutingDecision(StoredValue):
    """Who was to answer a query, how sure that was, and how long it took to say. `entities` are those that were found
    in the query; `error` is what went wrong, if anything did."""

    agent: Annotated[str, Field(min_length=1)]
    confidence: Share = 1.0
    latency_ms: NotNegative = 0.0
    entities: tuple[dict[str, JsonValue], ...] = ()
    error: str = ""


class TrackedDecision(StoredValue):
    """A decision with what is known of it: who would have been right, or whether it went well. `inputs` are texts in
    which personal data is masked; the entities are among them, and not in `predicted`."""

    inputs: dict[str, str]
    predicted: RoutingDecision
    right: str | None = None
    success: bool | None = None
    error: str = ""
    at: datetime

    @property
    def right_agent(self) -> str | None:
        """Who would have been right; None where nobody knows."""
        return self.right or (self.predicted.agent if self.success else None)

    @property
    def is_right(self) -> bool | None:
        """Whether it was right; None where nobody knows."""
        return self.success if self.right is None else self.right == self.predicted.agent


@dataclass(frozen=True)
class UserFeedback:
    """What a user said of a decision: who would have been right, or whether it went well; None where nothing."""

    right: str | None
    success: bool | None
    error: str


def read_feedback(feedback: Mapping[str, object] | None) -> UserFeedback:
    """Of `correct_agent`, or `success`, or `satisfaction` in 0..1 (above 0.7 it went well), and `error`.
    Raises ConfigInvalid that names the key."""
    said = feedback or {}
    right, success, satisfaction = (said.get(key) for key in ("correct_agent", "success", "satisfaction"))
    if not (right is None or (isinstance(right, str) and right)):
        raise _misread("correct_agent", right, "an agent's name")
    if not (success is None or isinstance(success, bool)):
        raise _misread("success", success, "True or False")
    if success is None and satisfaction is not None:
        if not is_share(satisfaction):
            raise _misread("satisfaction", satisfaction, "in 0..1")
        success = satisfaction > CONTENT_ABOVE
    return UserFeedback(right, success, str(said.get("error") or ""))


def _misread(key: str, value: object, wanted: str) -> ConfigInvalid:
    return ConfigInvalid(f"user_feedback: {key} {str(value)[:80]!r} must be {wanted}")


class OptimizationMetrics(StoredValue):
    """How good tracked decisions were; 0 where nothing is known. Precision, recall and F1 are macro averages over the
    agents. `confidence_correlation` is that of confidence and being right, in -1..1. `error_rate` is the share that
    ended in an error; `samples` are all decisions, `labelled` those of which it is known whether they were right."""

    accuracy: float = 0.0
    precision: float = 0.0
    recall: float = 0.0
    f1_score: float = 0.0
    avg_latency_ms: float = 0.0
    confidence_correlation: float = 0.0
    error_rate: float = 0.0
    samples: int = 0
    labelled: int = 0
    at: datetime | None = None

    def shortfalls(self, config: OptimizationConfig) -> list[str]:
        """In which way they are not as good as they must be, a sentence each."""
        found = []
        for name in ("accuracy", "precision", "recall"):
            value, least = getattr(self, name), getattr(config, f"min_{name}")
            if self.labelled and value < least:
                found.append(f"{name} {percent(value)} is below min_{name} {percent(least)}")
        if self.avg_latency_ms > config.max_acceptable_latency_ms:
            most = f"max_acceptable_latency_ms {config.max_acceptable_latency_ms:g}"
            found.append(f"a mean of {self.avg_latency_ms:.0f} ms an answer is above {most}")
        return found


def performance_metrics(history: Sequence[TrackedDecision], at: datetime) -> OptimizationMetrics:
    """Of tracked decisions. Of a failure without the right agent only accuracy knows."""
    if not history:
        return OptimizationMetrics(at=at)
    known = [each for each in history if each.is_right is not None]
    pairs = [(right, each.predicted.agent) for each in known if (right := each.right_agent)]
    scores = label_scores([right for right, _ in pairs], [said for _, said in pairs])
    return OptimizationMetrics(
        accuracy=fmean([bool(each.is_right) for each in known]) if known else 0.0,
        precision=scores.precision,
        recall=scores.recall,
        f1_score=scores.f1,
        avg_latency_ms=fmean([each.predicted.latency_ms for each in history]),
        confidence_correlation=_correlation(known),
        error_rate=fmean([bool(each.error or each.predicted.error) for each in history]),
        samples=len(history),
        labelled=len(known),
        at=at,
    )


def _correlation(known: Sequence[TrackedDecision]) -> float:
    try:
        found = correlation([each.predicted.confidence for each in known], [float(bool(x.is_right)) for x in known])
    except StatisticsError:  # fewer than two, or all alike
        return 0.0
    return found if math.isfinite(found) else 0.0


def tracked_examples(history: Sequence[TrackedDecision], program: str) -> Iterator[Example]:
    """What is known to be right, the newest of each question; two in nine questions are held back."""
    newest = {question_id(program, each.inputs): each for each in history if each.right_agent}
    for id, each in newest.items():
        yield Example(
            program=program,
            inputs=each.inputs,
            expected={"agent": each.right_agent or ""},
            source=LabelSource.HUMAN if each.right else LabelSource.OUTCOME,
            weight=1.0 if each.right else BY_SUCCESS,
            split=split_when_opened(id, HELD_BACK),
        )
