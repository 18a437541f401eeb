"""Power: how many labels and answers a contest needs until its verdict."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping
from statistics import NormalDist

from argotune.errors import ConfigInvalid
from argotune.stats.betting import DIFFERENCES, STAKES
from argotune.stats.interval import Interval

MOST_LABELS = 10_000_000


def shadow_answers_needed(labels: int, disagreement: float) -> int:
    """Answers of both programs to unlabelled requests until so many disagreements were met, on average."""
    if not 0 < disagreement <= 1:
        raise ConfigInvalid(f"disagreement {disagreement:g}: not in 0..1")
    return math.ceil(labels / disagreement)


def people_needed(
    gain: float, disagreement: float, judge_accuracy: float, asked_share: float, level: float, chance: float
) -> int:
    """Labels of people until a bet at `level` has shown a true `gain`, with probability `chance`, where a judge labels
    all disagreements and people the share `asked_share` of them; with a share of 1 people decide alone.

    `gain` is the difference of two hit rates, `disagreement` the share of requests on which only one of the two is
    right; it cannot be below the gain.
    `judge_accuracy` is the share of disagreements on which the judge says what people say; the bet is that on
    betting.corrected_differences. Raises ConfigInvalid for numbers outside 0..1 or a gain too small to be shown with
    MOST_LABELS.
    """
    if not 0 <= judge_accuracy <= 1 or not 0 < asked_share <= 1:
        raise ConfigInvalid(f"judge accuracy {judge_accuracy:g}, share {asked_share:g}: not in 0..1")
    reach = 2 / asked_share - 1
    differences = _corrected(_hits(gain, max(disagreement, gain)), judge_accuracy, asked_share)
    judged = labels_needed(differences, level, chance, within=Interval(-reach, reach))
    if judged is None:
        raise ConfigInvalid(f"gain {gain:g} at disagreement {disagreement:g}: too small to be shown")
    return math.ceil(judged * asked_share)


def people_needed_within(
    margin: float,
    gain: float,
    disagreement: float,
    judge_accuracy: float,
    asked_share: float,
    level: float,
    chance: float,
) -> int:
    """As `people_needed`, until a bet has shown that a challenger of this true `gain` is worse by less than `margin`.

    That bet is on each answer, equal ones too. Raises ConfigInvalid as `people_needed`, and for a gain of -margin or
    less.
    """
    reach = 2 / asked_share - 1
    differing = _corrected(_hits(gain, disagreement), judge_accuracy, asked_share)
    answers = {0.0: 0.0} | {value: disagreement * share for value, share in differing.items()}
    answers[0.0] += 1 - disagreement
    needed = labels_needed(answers, level, chance, claim=-margin, within=Interval(-reach, reach))
    if needed is None:
        raise ConfigInvalid(f"gain {gain:g} at disagreement {disagreement:g}, margin {margin:g}: cannot be shown")
    return math.ceil(needed * disagreement * asked_share)


def labels_needed(
    differences: Mapping[float, float],
    level: float,
    chance: float,
    *,
    claim: float = 0.0,
    within: Interval = DIFFERENCES,
) -> int | None:
    """Labels until betting.log_wealth against "the mean is at most `claim`" reaches 1 / `level` with this `chance`.

    `differences` are those that can occur, with their probabilities. None when MOST_LABELS are not enough, as where
    the claim is true. The log of each stake's capital is taken for a random walk with drift; the best stake grows
    at Kelly's rate (Breiman, "Optimal gambling systems for favorable games", 1961), where the variance is twice the
    drift, so that the time to the bound is that of a Brownian motion (Siegmund, "Sequential Analysis", 1985,
    chapter III). Within 10 % of simulated bets where 10 labels or more are needed. Raises ConfigInvalid for a level
    or chance outside 0..1.
    """
    if not 0 < level < 1 or not 0 < chance < 1:
        raise ConfigInvalid(f"level {level:g}, chance {chance:g}: not in 0..1")
    asked, luck = -math.log(level), _luck_of(chance, -math.log(level))
    walks = [(math.log(share), *_walk(stake, differences, claim, within.low)) for stake, share in STAKES.items()]

    def is_enough(labels: int) -> bool:
        logs = [first + labels * drift + luck * math.sqrt(labels) * spread for first, drift, spread in walks]
        most = max(logs)
        return most + math.log(math.fsum(math.exp(log - most) for log in logs)) >= asked

    return bisect_left(range(MOST_LABELS), True, key=is_enough) if is_enough(MOST_LABELS) else None


def _walk(stake: float, differences: Mapping[float, float], claim: float, low: float) -> tuple[float, float]:
    """Mean and standard deviation of what one label adds to the log of the capital."""
    steps = [(math.log1p(stake * (d - claim) / (claim - low)), share) for d, share in differences.items()]
    drift = math.fsum(step * share for step, share in steps)
    return drift, math.sqrt(math.fsum(share * (step - drift) ** 2 for step, share in steps))


def _luck_of(chance: float, bound: float) -> float:
    """Where a path lies, in standard deviations from its mean, when so many have reached the bound: with v the spread
    of the log capital by then, the chance to have reached it is Phi(v/2 - b/v) + exp(b) Phi(-v/2 - b/v)."""
    normal = NormalDist()

    def reached(v: float) -> float:
        return normal.cdf(v / 2 - bound / v) + math.exp(bound) * normal.cdf(-v / 2 - bound / v)

    v = _root(lambda v: reached(v) - chance, 1e-3, 1e3)
    return bound / v - v / 2


def _root(rising: Callable[[float], float], low: float, high: float) -> float:
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return high


def _hits(gain: float, disagreement: float) -> dict[float, float]:
    """Wins and losses among disagreements."""
    if not 0 < disagreement <= 1 or not -disagreement <= gain <= disagreement:
        raise ConfigInvalid(f"gain {gain:g}, disagreement {disagreement:g}: cannot be")
    wins = (1 + gain / disagreement) / 2
    return {1.0: wins, -1.0: 1 - wins}


def _corrected(differences: Mapping[float, float], accuracy: float, asked_share: float) -> dict[float, float]:
    """What betting.corrected_differences makes of hits, with probabilities."""
    mixed: dict[float, float] = {}
    for d, share in differences.items():
        for judged, likely in ((d, accuracy), (-d, 1 - accuracy)):
            for value, asked in ((judged, 1 - asked_share), (judged + (d - judged) / asked_share, asked_share)):
                mixed[value] = mixed.get(value, 0.0) + share * likely * asked
    return mixed
