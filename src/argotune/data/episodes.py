"""Episodes: the decisions of a session in their order, each with what came of it and of those after it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from argotune.data.experiences import Experience
from argotune.data.fields import Fields
from argotune.data.rewards import parts_of, reward_range, shaped_reward
from argotune.tenants.policy_settings import RewardShaping


class LeftOut(StrEnum):
    """Why nothing can be learned from an experience. The values are what people read."""

    FAILED = "the program failed"
    OUTDATED = "the chosen answer is not offered any more"
    SILENCE = "nobody said how it went"
    NOT_FINITE = "a number of it is not finite"
    PROPENSITY = "its propensity is not above 0 and at most 1"


@dataclass(frozen=True, slots=True)
class Step:
    """A decision with its outcome. `reward` in 0..1 is what came of it alone, `worth` in 0..1 of it and those after it
    in its session. `stands_for`: of how many like it this one was kept."""

    experience: Experience
    reward: float
    worth: float
    stands_for: float = 1.0


@dataclass(frozen=True)
class Steps:
    """Those that can be learned from, in the order of their times, and how many cannot, by the reason."""

    steps: tuple[Step, ...]
    left_out: Mapping[str, int]


def steps_of(experiences: Iterable[Experience], fields: Fields, shaping: RewardShaping, discount: float) -> Steps:
    """Each usable experience as a step.

    A step's worth is the mean of the rewards from it to the end of its session, the k-th after it weighed by
    discount^k: the discounted return, divided by the sum of its weights, so that a session that ends early, as its user
    has what was wanted, is not worth less for it. An experience without a session is one of its own.
    """
    left_out: Counter[str] = Counter()
    sessions: defaultdict[str, list[tuple[Experience, float]]] = defaultdict(list)
    for experience in experiences:
        found = _reward(experience, fields, shaping)
        if isinstance(found, LeftOut):
            left_out[found] += 1
        else:
            sessions[experience.session or f"alone {experience.span_id}"].append((experience, found))
    steps = [step for session in sessions.values() for step in _with_worth(session, discount)]
    return Steps(tuple(sorted(steps, key=lambda step: step.experience.moment)), dict(left_out))


def _reward(experience: Experience, fields: Fields, shaping: RewardShaping) -> float | LeftOut:
    """In 0..1, of the range that outcomes can have."""
    if experience.failure is not None:
        return LeftOut.FAILED
    if not fields.allow(experience.answers):
        return LeftOut.OUTDATED
    said = (experience.user_satisfaction, experience.processing_time_s, experience.confidence)
    if not all(math.isfinite(number) for number in said if number is not None):
        return LeftOut.NOT_FINITE
    if experience.propensity is not None and not 0 < experience.propensity <= 1:
        return LeftOut.PROPENSITY
    found, (least, most) = shaped_reward(parts_of(experience, shaping), shaping), reward_range(shaping)
    return LeftOut.SILENCE if found is None else (found - least) / (most - least)


def _with_worth(session: Sequence[tuple[Experience, float]], discount: float) -> Iterator[Step]:
    earned = weight = 0.0
    for experience, reward in sorted(session, key=lambda pair: pair[0].moment, reverse=True):
        earned, weight = reward + discount * earned, 1.0 + discount * weight
        yield Step(experience, reward, earned / weight)


def split_by_time(steps: Sequence[Step], validation: float) -> tuple[Sequence[Step], Sequence[Step]]:
    """The earlier part, and the latest one, of this share: what is learned is tried on what came after it. A single
    step is of the earlier part."""
    first = max(len(steps) - max(round(validation * len(steps)), 1), 1)
    return steps[:first], steps[first:]


def standing_for(step: Step, times: float) -> Step:
    """The step, kept of `times` as many."""
    return replace(step, stands_for=step.stands_for * times)
