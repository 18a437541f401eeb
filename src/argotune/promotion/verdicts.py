"""What the gate compares and what it says: values that are stored with a run and need no numerical library."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from argotune.data.annotations import LabelSource
from argotune.errors import ConfigInvalid
from argotune.stats.interval import Interval

TestName = Literal["mcnemar", "permutation"]


@dataclass(frozen=True)
class Score:
    """Both versions on one sealed example, in 0..1; 1.0 is a hit. Raises ConfigInvalid for any other score."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    example_id: str
    source: LabelSource
    slices: Mapping[str, str]
    champion: float
    challenger: float

    def __post_init__(self) -> None:
        for role, value in (("champion", self.champion), ("challenger", self.challenger)):
            if not 0.0 <= value <= 1.0:
                raise ConfigInvalid(f"metric: example {self.example_id}: scored the {role} {value}, not within 0..1")

    @property
    def difference(self) -> float:
        return self.challenger - self.champion


@dataclass(frozen=True)
class UnusableAnswers:
    """The answers to `asked` questions that cannot be used: of each version how many, by `Lack`.

    `champion_only` and `challenger_only` are the questions where only that one's answer cannot be used.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    asked: int
    champion: Mapping[str, int]
    challenger: Mapping[str, int]
    champion_only: int
    challenger_only: int


@dataclass(frozen=True)
class Comparison:
    """Champion and challenger on the same examples, each of them once. `attempt` counts from 1.

    `leaks` are the ids of those that the challenger holds in its demonstrations or instructions (data/guards/leaks.py).
    `unusable` is None in records of releases that did not count them.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    program: str
    champion_version: str
    challenger_version: str
    attempt: int
    scores: tuple[Score, ...]
    leaks: tuple[str, ...] = ()
    unusable: UnusableAnswers | None = None

    def __post_init__(self) -> None:
        id, times = next(iter(Counter(score.example_id for score in self.scores).most_common(1)), ("", 0))
        if times > 1:
            raise ConfigInvalid(f"scores: example {id} occurs {times} times; an example is counted once")


@dataclass(frozen=True)
class SliceResult:
    """The examples with slices[key] == value. `p_worse` is None for a slice that is too small to be judged."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    key: str
    value: str
    n: int
    champion_mean: float
    challenger_mean: float
    wins: int
    losses: int
    p_worse: float | None


@dataclass(frozen=True)
class Numbers:
    """What the verdict rests on.

    Means, effect and interval are scores (0.1 is ten points); the interval has confidence 1 - level. `level` is what
    `attempt` may spend of the significance, `slice_level` what each judged slice may. Of no examples nothing is known:
    means and effect are 0, the p-value is 1 and the interval -1..1.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    n: int
    champion_mean: float
    challenger_mean: float
    effect: float
    interval: Interval
    p_value: float
    level: float
    wins: int
    losses: int
    test: TestName
    trusted_share: float
    attempt: int
    slices: tuple[SliceResult, ...]
    slice_level: float


class Objection(StrEnum):
    """Why a challenger was rejected: the rules of `judge` in their order, then what a run may meet besides them."""

    SAME_PROGRAM = "same_program"
    LEAKED = "leaked"
    TOO_FEW_EXAMPLES = "too_few_examples"
    UNTRUSTED_LABELS = "untrusted_labels"
    EFFECT_TOO_SMALL = "effect_too_small"
    NOT_SIGNIFICANT = "not_significant"
    INTERVAL_CONTAINS_ZERO = "interval_contains_zero"
    SLICE_WORSE = "slice_worse"
    BUDGET_SPENT = "budget_spent"
    CHAMPION_MOVED = "champion_moved"
    BARRED = "barred"


@dataclass(frozen=True)
class Promoted:
    """The challenger may serve."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    reason: str
    numbers: Numbers
    outcome: Literal["promoted"] = "promoted"


@dataclass(frozen=True)
class Rejected:
    """The challenger may not serve, because of `rule`."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    reason: str
    rule: Objection
    numbers: Numbers
    outcome: Literal["rejected"] = "rejected"


Verdict = Annotated[Promoted | Rejected, Field(discriminator="outcome")]
