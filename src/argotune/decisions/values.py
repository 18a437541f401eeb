"""Values of deciding: what is known when a run is decided on, what can be chosen, and what was chosen.

Numbers about data and past runs only; nothing that a tenant asked or answered is in any of these values.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from argotune.stats.wording import counted
from argotune.store.records import StoredValue
from argotune.tenants.config import BudgetLimits

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


Count = Annotated[int, Field(ge=0)]


Finite = Annotated[float, Field(allow_inf_nan=False)]


class Strategy(StrEnum):
    """Which data a challenger is trained on ("Optimization Module", TrainingStrategyModel)."""

    SKIP = "skip"
    SYNTHETIC = "synthetic"
    HYBRID = "hybrid"
    PURE_REAL = "pure_real"


class ModelingContext(StoredValue):
    """What is known of a program's data and past when training is decided on. None: nobody knows.

    The first six fields are those of "Optimization Module"; the others are what "Optimizer Selection Strategy" of the
    auto-optimization workflow names: dataset size, label quality, history, query complexity, time and LM budget.
    Counts are of examples, shares and scores in 0..1. `modality` is the module, or the modality within it.
    """

    modality: str = ""
    real_sample_count: Count = 0
    success_rate: Share | None = None
    days_since_last_training: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    current_performance_score: Share | None = None
    data_quality_score: Share | None = None
    dataset_size: Count = 0
    test_count: Count = 0
    label_count: Count = 0
    label_consistency: Share | None = None
    words_per_query: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    growth: Finite | None = None
    success_drop: Finite | None = None
    trainings: Count = 0
    promotions: Count = 0
    last_gain: Finite | None = None
    labels_to_verdict: Count | None = None
    answers_to_verdict: Count | None = None
    lm_call_budget: Count = 0
    iteration_budget: Count = 0


FEWEST_OUTCOMES = 30
"""Of fewer a single one moves what a policy would earn by more than 3 points (stats/off_policy.py)."""


@dataclass(frozen=True)
class Outcomes:
    """Decisions with propensities of which is known what came of them: those of the last training, and newer ones."""

    learned: int = 0
    new: int = 0

    def have_grown(self, share: float) -> bool:
        """Whether the newer ones are this share of the others, and enough to tell anything."""
        return self.new >= max(share * self.learned, FEWEST_OUTCOMES)

    @property
    def told(self) -> str:
        """In a sentence."""
        return f"{counted(self.new, 'decision')} with outcomes came since the last training, which had {self.learned}"


NO_OUTCOMES = Outcomes()


class TrainingHistory(StoredValue):
    """What a program's past trainings and contests left: enough to decide on the next one without reading all runs.

    `compared` questions were answered by the champion that serves and its challengers, on `disagreed` they differed.
    """

    trainings: int = 0
    promotions: int = 0
    compared: int = 0
    disagreed: int = 0
    last_at: datetime | None = None
    last_train_count: int = 0
    last_outcome_count: int = 0
    last_gain: float | None = None
    was_unproven: bool = False
    champion_score: float | None = None

    @property
    def disagreement(self) -> float | None:
        """The rate at which champion and challengers disagreed, in 0..1; None before the first comparison."""
        return self.disagreed / self.compared if self.compared else None


class CutShort(StoredValue):
    """A plan that ended for want of budget: what it would have taught (its lesson) and the limits that it had."""

    lesson: str
    max_lm_calls: int
    max_lm_tokens: int

    def has_more(self, budget: BudgetLimits) -> bool:
        """Whether doing it again within `budget` could come further."""
        return budget.max_lm_calls > self.max_lm_calls or budget.max_lm_tokens > self.max_lm_tokens


class Action(StoredValue):
    """What can be decided: to skip, or to train on some data by some optimizer."""

    strategy: Strategy
    optimizer: str = ""

    @property
    def trains(self) -> bool:
        return self.strategy is not Strategy.SKIP

    @property
    def name(self) -> str:
        """E.g. `skip` or `hybrid nearest`."""
        return f"{self.strategy} {self.optimizer}".strip()


SKIP = Action(strategy=Strategy.SKIP)


class Contribution(StoredValue):
    """What one feature added to a model's expected gain (SHAP value, in score)."""

    feature: str
    value: float | None
    gain: float


class TrainingDecision(StoredValue):
    """What was decided, by whom and why, kept with the run.

    `by`: `floor` where nothing could be chosen, `forced` by a person, `rules`, `model`, or `chance` where the share
    for exploring fell on this run. `probability` is that with which this action was drawn among the `possible` ones;
    `by_rules` is what the rules alone would have done. `expected_gain` is in score.
    """

    action: Action
    by: Literal["floor", "forced", "rules", "model", "chance"]
    reason: str
    by_rules: Action
    possible: tuple[Action, ...] = ()
    probability: Annotated[float, Field(gt=0, le=1)] = 1.0
    expected_gain: float | None = None
    model: str | None = None
    contributions: tuple[Contribution, ...] = ()


@dataclass(frozen=True)
class Opinion:
    """Whether training is worth it, which gain (in score) is expected or asked for, and the sentence why."""

    should_train: bool
    expected_gain: float
    reason: str


class Awaited(StoredValue):
    """What an open contest waits for: labels of people on so many spans, requests to be answered by both versions.

    `told` says how it stands.
    """

    labels: int
    wants_requests: bool
    told: str


@dataclass(frozen=True)
class Advice:
    """What a model thinks of the possible actions: the best one, the gain (in score) it expects of it, and why."""

    action: Action
    expected_gain: float
    contributions: tuple[Contribution, ...]
    reason: str
