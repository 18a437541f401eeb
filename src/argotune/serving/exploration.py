"""Exploration in serving: an answer that is drawn at random now and then, with the probability that it had.

Only of programs that give one answer from a closed set: of several answers the one says what the others may be, so
that they could not be drawn apart. The champion is asked all the same; what it said itself is kept beside the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from argotune.data.fields import Fields
from argotune.programs.answering import ProgramAnswer
from argotune.stats.exploration import decayed, epsilon_greedy
from argotune.tenants.config import RoutingConfigUnified


@dataclass(frozen=True)
class GivenAnswer:
    """What is answered, and the probability with which it is. `greedy` is what the champion itself said, where the
    answer was drawn at random; the confidence is None where that is another one, as nobody said how sure it is."""

    answers: Mapping[str, str]
    confidence: float | None
    propensity: float = 1.0
    greedy: Mapping[str, str] | None = None


def given_answer(fields: Fields, found: ProgramAnswer, epsilon: float, chance: float) -> GivenAnswer:
    """What is answered where the champion said `found`: that, or in the share `epsilon` of cases any of the labels, by
    `chance` in 0..1. What cannot be used is never replaced: it would hide that the champion does not answer."""
    if not epsilon or found.lack:
        return GivenAnswer(found.answers, found.confidence)
    ((name, labels),) = fields.answers.items()
    assert labels is not None
    own = found.answers[name]
    label, propensity = epsilon_greedy(own, labels, epsilon, chance)
    return GivenAnswer(
        {name: label},
        found.confidence if label == own else None,
        propensity,
        found.answers if chance < epsilon else None,
    )


def epsilon_of(config: RoutingConfigUnified, module: str, fields: Fields, decisions: Callable[[], int]) -> float:
    """The share of a program's answers that is drawn; 0.0 where none is. `decisions` counts those that passes have read
    of it: they stay when an application starts again, and all its processes see the same.

    A bound module's decisions are read from its own spans, which tell what it said and not what was drawn: none is.
    """
    rules = config.serving.exploration
    is_bound = config.traces is not None and module in config.traces.programs
    if not rules.enabled or is_bound or not _is_one_of_several(fields):
        return 0.0
    return decayed(rules.epsilon, rules.decay, rules.floor, decisions() // rules.decisions_per_step)


def _is_one_of_several(fields: Fields) -> bool:
    labels = [labels for labels in fields.answers.values() if labels is not None]
    return len(fields.answers) == len(labels) == 1 and len(labels[0]) > 1
