"""What the gate compares and what it says: values that are stored with a run and need no numerical library."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from argotune.data.annotations import LabelSource
from argotune.errors import ConfigInvalid
from argotune.lm.lack import Lack
from argotune.stats.interval import Interval
from argotune.stats.wording import chance, counted

Drawn = Literal["sealed", "lot"]
"""Labelled and sealed before a contest opened, or drawn by lot from the requests."""


@dataclass(frozen=True)
class Score:
    """Both versions on one labelled question, in 0..1; 1.0 is a hit. Raises ConfigInvalid for any other score.

    `differs`: the two did not say the same, so that a right answer can tell them apart. `source` is None where nobody
    has said what is right and the worst is assumed. `drawn` is how the question came into the contest, `times` how
    often it, or a near-duplicate of it, was drawn. `judged` is the difference by the LM that stands beside people, None
    where there is none; without `is_asked` people were not asked, and the scores are the judge's. `highest` is
    the most that the difference can be where people have said only which answer is wrong: the scores are the least.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    example_id: str
    source: LabelSource | None
    slices: Mapping[str, str]
    champion: float
    challenger: float
    drawn: Drawn = "sealed"
    differs: bool = True
    times: int = 1
    judged: float | None = None
    is_asked: bool = True
    highest: float | None = None

    def __post_init__(self) -> None:
        for role, value in (("champion", self.champion), ("challenger", self.challenger)):
            if not 0.0 <= value <= 1.0:
                raise ConfigInvalid(f"metric: example {self.example_id}: scored the {role} {value}, not within 0..1")
        if self.highest is not None and not self.difference <= self.highest <= 1.0:
            raise ConfigInvalid(f"metric: example {self.example_id}: no difference lies up to {self.highest}")

    @property
    def difference(self) -> float:
        """What is known, or the least that it can be."""
        return self.challenger - self.champion

    @property
    def most(self) -> float:
        """What is known, or the most that it can be."""
        return self.difference if self.highest is None else self.highest


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

    @classmethod
    def of(cls, lacks: Sequence[tuple[Lack | None, Lack | None]]) -> UnusableAnswers:
        """By what the answers of champion and challenger lack, question by question."""
        return cls(
            asked=len(lacks),
            champion=dict(Counter(str(lack) for lack, _ in lacks if lack)),
            challenger=dict(Counter(str(lack) for _, lack in lacks if lack)),
            champion_only=sum(lack is not None and other is None for lack, other in lacks),
            challenger_only=sum(lack is None and other is not None for lack, other in lacks),
        )


Unit = Literal["s", "USD", "tokens"]
"""What an effort is told in."""


@dataclass(frozen=True)
class EffortRatio:
    """What answers of both versions take, in the mean over `n` pairs that were asked together, in seconds, US dollars
    or tokens. `log_wealth` is the natural logarithm of what was won against "the challenger takes at most `limit` times
    what the champion does"; 0 where no limit is set. What takes less than `least` counts as that much, in the bet and
    in `counted_times`, the ratio of the means; in records of releases that raised what they told it is None."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    unit: Unit
    n: int
    champion: float
    challenger: float
    limit: float | None
    log_wealth: float
    least: float = 0.0
    counted_times: float | None = None

    @property
    def times(self) -> float:
        """How many times the champion's the challenger's counts."""
        return self.challenger / self.champion if self.counted_times is None else self.counted_times

    @property
    def sentence(self) -> str:
        """For people, e.g. `answers take 3.4 times as long (limit 3): 0.85 s in place of 0.25 s over 60 pairs`."""
        times = _number(self.times)
        what = f"take {times} times as long" if self.unit == "s" else f"cost {times} times as much"
        told = [f"limit {self.limit:g}"] if self.limit else []
        told += [f"less than {self.least:g} {self.unit} counts as that"] if self._is_raised else []
        limit = f" ({', '.join(told)})" if told else ""
        amounts = f"{_number(self.challenger)} {self.unit} in place of {_number(self.champion)} {self.unit}"
        return f"answers {what}{limit}: {amounts} over {counted(self.n, 'pair')}"

    @property
    def _is_raised(self) -> bool:
        """Whether the means alone do not tell the ratio."""
        return not self.champion or not math.isclose(self.times, self.challenger / self.champion)


@dataclass(frozen=True)
class Saving:
    """That answers of the challenger cost less: the means over `n` pairs, in US dollars or tokens. `log_wealth` is the
    natural logarithm of what was won against "they cost `limit` of the champion's or more". A champion that costs less
    than `least` is cheap enough as it is."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    unit: Unit
    n: int
    champion: float
    challenger: float
    limit: float
    log_wealth: float
    least: float

    @property
    def times(self) -> float:
        """How many times the champion's the challenger's costs."""
        return self.challenger / self.champion if self.champion else math.inf

    @property
    def is_seen(self) -> bool:
        """Whether the means say so, and the champion costs enough to be worth a change."""
        return self.champion >= self.least and self.times <= self.limit

    @property
    def sentence(self) -> str:
        """For people, e.g. `answers cost 0.08 times as much (at most 0.5 is asked): 80 tokens in place of 1,000 tokens
        over 60 pairs`."""
        amounts = f"{_number(self.challenger)} {self.unit} in place of {_number(self.champion)} {self.unit}"
        times = f"{_number(self.times)} times as much (at most {self.limit:g} is asked)"
        return f"answers cost {times}: {amounts} over {counted(self.n, 'pair')}"


@dataclass(frozen=True)
class NotWorse:
    """What was won against "the challenger is worse by `margin` or more", as natural logarithm, and the lower end of
    the gain by the same bets, which holds at all looks together; of requests and of questions what says less."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    margin: float
    log_wealth: float
    p_value: float
    low: float

    @property
    def told_margin(self) -> str:
        """In points of a hundred, e.g. `1 point`."""
        return f"{100 * self.margin:g} {'point' if self.margin == 0.01 else 'points'}"

    @property
    def sentence(self) -> str:
        """For people, e.g. `not worse by 1 point or more: p = 0.0031`."""
        return f"not worse by {self.told_margin} or more: p = {chance(self.p_value)}"


@dataclass(frozen=True)
class WithoutLM:
    """Of `asked` answers of the challenger, `answers` were given without an LM. `tokens` and `usd` are what the
    champion took for the same questions, None where it was not asked or nobody knows. `fell_through`: how many others
    a student left to the LM, by the reason."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    asked: int
    answers: int
    tokens: int | None = None
    usd: float | None = None
    fell_through: Mapping[str, int] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """For people, e.g. `84 of 100 answers, which saves 9,800 tokens and 0.12 USD in 1,000 requests; left to the LM:
        unfamiliar 12, unsure 4`."""
        amounts = [(self.tokens, "tokens"), (self.usd, "USD")]
        saved = [f"{_number(1000 * of / self.asked)} {unit}" for of, unit in amounts if of]
        told = f"{self.answers:,} of {counted(self.asked, 'answer')}"
        told += f", which saves {' and '.join(saved)} in 1,000 requests" if saved else ""
        why = [f"{name} {n:,}" for name, n in self.fell_through.items()]
        return f"{told}; left to the LM: {', '.join(why)}" if why else told


def _number(amount: float) -> str:
    """Three digits, without an exponent where it is large."""
    return f"{amount:,.0f}" if amount >= 100 else f"{amount:.3g}"


@dataclass(frozen=True)
class Comparison:
    """Champion and challenger on the labelled questions that judge, each of them once.

    Both gave `answers` pairs of answers, of which so many `differ`. In records of releases that judged sealed examples
    at once these are 0. `unusable` is None in records of releases that did not count them. `doubt` says why nothing may
    be promoted by it, "" where nothing is the matter with the metric. Of what a judge says something of, people were
    asked the share `asked_share`. `latency` and `cost` of answers are None as long as too few pairs tell them, `saving`
    too, and `without_lm` where the challenger asks an LM every time. Of the requests that were drawn by lot `equal` got
    equal answers and come before the first one that waits for a label, `equal_questions` counts each question once.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    program: str
    champion_version: str
    challenger_version: str
    scores: tuple[Score, ...]
    answers: int = 0
    differ: int = 0
    unusable: UnusableAnswers | None = None
    doubt: str = ""
    asked_share: float = 1.0
    latency: EffortRatio | None = None
    cost: EffortRatio | None = None
    without_lm: WithoutLM | None = None
    saving: Saving | None = None
    equal: int = 0
    equal_questions: int = 0

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

    Effect, means and interval are scores (0.1 is ten points). `labels` of people judge, among the questions to which
    the two gave `answers` that on `differ` questions were not the same; `wins` and `losses` are the challenger's.
    `log_wealth` is the natural logarithm of what was won against "the challenger is no better", `p_value` its bound,
    and `level` the chance of a false promotion that the contest may spend; the interval holds at all looks together.
    `champion_mean` is over the sealed examples, None without any; `slice_level` is that of each judged slice.
    `not_worse` and `saving` are of a challenger that seems to be cheaper by far, None for others.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    n: int
    champion_mean: float | None
    challenger_mean: float | None
    effect: float
    interval: Interval
    p_value: float
    level: float
    wins: int
    losses: int
    slices: tuple[SliceResult, ...]
    slice_level: float
    labels: int = 0
    answers: int = 0
    differ: int = 0
    log_wealth: float = 0.0
    latency: EffortRatio | None = None
    cost: EffortRatio | None = None
    saving: Saving | None = None
    not_worse: NotWorse | None = None


class Objection(StrEnum):
    """Why a challenger was rejected: how a contest may end without it (`ContestState`), then what it may meet besides,
    then what releases objected that judged sealed examples at once."""

    SLICE_WORSE = "slice_worse"
    TOO_SLOW = "too_slow"
    TOO_COSTLY = "too_costly"
    NO_BETTER = "no_better"
    OUT_OF_LABELS = "out_of_labels"
    OUT_OF_DAYS = "out_of_days"
    OVERTAKEN = "overtaken"
    CHAMPION_MOVED = "champion_moved"
    EMBEDDER_CHANGED = "embedder_changed"
    STOPPED = "stopped"
    BARRED = "barred"

    SAME_PROGRAM = "same_program"
    LEAKED = "leaked"
    TOO_FEW_EXAMPLES = "too_few_examples"
    UNTRUSTED_LABELS = "untrusted_labels"
    EFFECT_TOO_SMALL = "effect_too_small"
    NOT_SIGNIFICANT = "not_significant"
    INTERVAL_CONTAINS_ZERO = "interval_contains_zero"
    BUDGET_SPENT = "budget_spent"


Way = Literal["better", "cheaper"]
"""How a challenger was promoted: as better, or as not worse and cheaper."""


@dataclass(frozen=True)
class Promoted:
    """The challenger may serve, by which `way`."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    reason: str
    numbers: Numbers
    way: Way = "better"
    outcome: Literal["promoted"] = "promoted"


@dataclass(frozen=True)
class Rejected:
    """The challenger may not serve, because of `rule`."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    reason: str
    rule: Objection
    numbers: Numbers
    outcome: Literal["rejected"] = "rejected"


@dataclass(frozen=True)
class Undecided:
    """The evidence does not suffice yet: the contest goes on."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    reason: str
    numbers: Numbers
    outcome: Literal["undecided"] = "undecided"


Verdict = Annotated[Promoted | Rejected | Undecided, Field(discriminator="outcome")]
