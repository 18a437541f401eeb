"""Judges: an LM beside people in a contest, and when it saves labels of theirs.

The judge says of every disagreement which answer is right, people of a share that is drawn by lot. What it says is
corrected by theirs, so that the bet holds whatever its errors are (stats/betting.corrected_differences).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from argotune.stats.power import people_needed, shadow_answers_needed
from argotune.store.records import StoredValue

SHARES = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7)
"""The shares of disagreements that people may be asked about."""

WORTH = 0.9
"""Beside a judge people must be asked at most so much of what they are asked alone."""

NEAR = 1.05
"""The largest share is taken that costs at most so many times the fewest labels: with a smaller one a contest takes
many more shadow answers and days, and saves next to nothing."""

RIVALRY = 3
"""Disagreements to a gain of one where nobody knows how often the two differ: two wins to one loss."""


class Judge(StoredValue):
    """The LM annotator that stands beside people in a contest, and of which share of disagreements they are asked.

    `accuracy` is the share on which it says what people say, as it was known when the contest opened.
    """

    identifier: str
    accuracy: Annotated[float, Field(ge=0, le=1)]
    asked_share: Annotated[float, Field(gt=0, lt=1)]

    @property
    def sentence(self) -> str:
        """For people."""
        return f"{self.identifier} judges, people are asked about {self.asked_share:.0%} of what differs"


def judge_that_saves(
    identifier: str,
    accuracy: float,
    gain: float,
    disagreement: float | None,
    level: float,
    chance: float,
    most_answers: int,
) -> Judge | None:
    """The annotator with the share of disagreements that saves labels of people, None where it saves too few.

    `accuracy` in 0..1 is how often it says what people say, `gain` what is to be shown with probability `chance` at
    `level` within `most_answers` of both versions. Raises ConfigInvalid for numbers that cannot be.
    """
    differing = max(disagreement or RIVALRY * gain, gain)

    def needed(share: float) -> int:
        return people_needed(gain, differing, accuracy, share, level, chance)

    reachable = {s: n for s in SHARES if shadow_answers_needed(int((n := needed(s)) / s), differing) <= most_answers}
    fewest = min(reachable.values(), default=None)
    if fewest is None or fewest > WORTH * needed(1.0):
        return None
    return Judge(identifier=identifier, accuracy=accuracy, asked_share=_largest(reachable, NEAR * fewest))


def _largest(needed: dict[float, int], most: float) -> float:
    return max(share for share, labels in needed.items() if labels <= most)
