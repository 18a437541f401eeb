"""Outlook: how many labels and answers a contest takes until its verdict, told before they are asked for."""

from __future__ import annotations

import math

from argotune.errors import ConfigInvalid
from argotune.stats.power import people_needed, people_needed_within, shadow_answers_needed
from argotune.stats.wording import counted
from argotune.store.records import StoredValue

ALONE = (1.0, 1.0)
"""People decide alone: a judge that knows what they say, and they are asked about everything."""


class Outlook(StoredValue):
    """About how many labels of people, and answers of both versions, a true `gain` (in score) takes to be shown; with a
    `margin`, to show that a challenger of this gain is worse by less than that."""

    gain: float
    labels: int
    answers: int
    margin: float = 0.0

    @property
    def sentence(self) -> str:
        """For people."""
        needed = f"about {counted(self.labels, 'label')} and {counted(self.answers, 'shadow answer')}"
        if self.margin:
            return f"{needed} until it, being cheaper, is shown to be worse by less than {100 * self.margin:.3g} points"
        return f"{needed} until a verdict on {100 * self.gain:+.3g} points"


def outlook(
    gain: float,
    disagreement: float,
    level: float,
    chance: float,
    log_wealth: float = 0.0,
    in_hand: int = 0,
    beside: tuple[float, float] = ALONE,
    margin: float = 0.0,
) -> Outlook | None:
    """What is still needed to show `gain` with probability `chance` at `level` where both differ on the share
    `disagreement` of requests, the bet stands at `log_wealth` and `in_hand` disagreements wait for their labels. With a
    `margin` above 0 it is the bet on "worse by less than that" of a challenger with this gain.

    A bet that is behind has more to make up for: what is asked of it is that it grows from where it stands to
    1 / level (stats/betting.py). `beside` is how often a judge says what people say, and the share of disagreements
    that people are asked about: what is `in_hand` are these. None where no number of labels is enough.
    """
    asked = min(level * math.exp(min(log_wealth, 0.0 - math.log(level) - 1e-9)), 1 - 1e-9)
    differing = max(disagreement, abs(gain))
    try:
        if margin:
            labels = people_needed_within(margin, gain, differing, *beside, asked, chance)
        else:
            labels = people_needed(gain, differing, *beside, asked, chance)
    except ConfigInvalid:
        return None
    differ = math.ceil(max(labels - in_hand, 0) / beside[1])
    return Outlook(gain=gain, labels=labels, answers=shadow_answers_needed(differ, differing), margin=margin)
