"""Label rule: the right answer to an experience, by whom it is believed, or why nobody knows it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from argotune.data.annotations import Annotation, LabelSource
from argotune.data.experiences import Experience, shared
from argotune.data.fields import Fields
from argotune.data.remarks import CORRECT, QUALITY, REMARKS, SATISFACTION, VERDICT
from argotune.data.rewards import reward
from argotune.tenants.config import RewardWeights

LLM_WEIGHT = 0.8
"""What an LLM's label counts in training beside a person's 1.0: less, as it errs more; how much more is a guess."""

SESSION_WEIGHT = 0.5
"""What an outcome counts of which only the session tells: it went well as a whole, and that says less of each answer in
it; how much less is a guess."""

LEFT_OVER_WEIGHT = 0.8
"""What an answer counts that nobody named and that is left where people have said of all others that they are wrong: it
takes all of them to be right, and none of them has said it."""


class NoLabel(StrEnum):
    """Why nobody knows the right answer to an experience. The values are what reports show."""

    INCOMPLETE = "annotation incomplete"
    REFUTED = "said to be wrong, right answer unknown"
    CONFIRMED = "said to be right: trains, judges nothing"
    UNKNOWN_LABEL = "annotation names an unknown label"
    NOT_OF_TYPE = "a value is not of its field's type"
    UNTRUSTED = "LLM label: annotator not trusted on the test split"
    FAILED = "outcome: failed, right answer unknown"
    UNSURE = "outcome: confidence below min_trace_confidence"
    OUTDATED = "outcome: the chosen answer is not offered any more"
    WORTHLESS = "outcome: succeeded with a reward of 0"
    SILENCE = "no label"


@dataclass(frozen=True, slots=True)
class Labelled:
    """A right answer: `at` is when it was given, `weight` in 0..1 what it counts in training."""

    expected: Mapping[str, str]
    source: LabelSource
    weight: float
    at: datetime


def label(
    experience: Experience,
    annotations: Mapping[tuple[str, str], Annotation],
    fields: Fields,
    weights: RewardWeights,
    min_confidence: float,
) -> Labelled | NoLabel:
    """The right answer to an experience: what somebody says is right, else the answer given where somebody says that it
    was, else what its outcome tells.

    `annotations` maps (span id, answer field or name of a remark) to the one to believe (`annotations.strongest`). They
    are used at any `confidence`: what the champion was unsure of is worth most when somebody else says what is right.
    """
    if not fields.read_all(experience.inputs):
        return NoLabel.NOT_OF_TYPE
    if given := _given(experience, annotations, fields):
        return _from_annotations(given, fields)
    if verdict := _verdict(experience, annotations):
        return _from_verdict(experience, verdict, fields)
    return _from_outcome(experience, annotations, fields, weights, min_confidence)


def is_confirmed(experience: Experience, annotations: Mapping[tuple[str, str], Annotation], fields: Fields) -> bool:
    """Whether a label says no more than that the answer given was right. Such labels lie where the champion was right,
    so nothing may be judged by them alone."""
    return not _given(experience, annotations, fields) and _verdict(experience, annotations) is not None


def _given(
    experience: Experience, annotations: Mapping[tuple[str, str], Annotation], fields: Fields
) -> dict[str, Annotation]:
    """What people or LLMs say is right, by answer field. Code knows that no better than the outcome does."""
    found = {name: _as_label(annotations.get((experience.span_id, name))) for name in fields.answers}
    return {name: annotation for name, annotation in found.items() if annotation and annotation.label.strip()}


def _verdict(experience: Experience, annotations: Mapping[tuple[str, str], Annotation]) -> Annotation | None:
    """What people or LLMs say of the answer given."""
    return _as_label(annotations.get((experience.span_id, VERDICT)))


def refuted_answer(
    experience: Experience, annotations: Mapping[tuple[str, str], Annotation], fields: Fields
) -> Mapping[str, str] | None:
    """The answer that was given, where the person who is to be believed says that it is wrong: whatever is right, it is
    not this. What LMs and code say forbids nothing, nor does what is said of a session or of an answer that is not
    offered any more."""
    verdict = _verdict(experience, annotations)
    if verdict is None or verdict.kind != "HUMAN" or verdict.label == CORRECT:
        return None
    is_offered = fields.read_all(experience.inputs) and fields.allow(experience.answers)
    return as_meant(experience.answers, fields) if is_offered else None


def as_meant(answers: Mapping[str, str], fields: Fields) -> Mapping[str, str]:
    """Each answer as the label that is meant, by which answers are compared."""
    return shared(*((name, fields.meant(name, answers[name]) or answers[name]) for name in fields.answers))


def _as_label(annotation: Annotation | None) -> Annotation | None:
    """What code says of an answer, and what anybody says of a whole session, tells how it went and labels nothing."""
    return annotation if annotation and annotation.kind != "CODE" and not annotation.is_of_session else None


def _from_verdict(experience: Experience, verdict: Annotation, fields: Fields) -> Labelled | NoLabel:
    if verdict.label != CORRECT:
        return NoLabel.REFUTED
    if not fields.allow(experience.answers):
        return NoLabel.OUTDATED
    expected = shared(*((name, experience.answers[name]) for name in fields.answers))
    return _labelled(expected, [verdict])


def with_remarks(experience: Experience, annotations: Mapping[tuple[str, str], Annotation]) -> Experience:
    """The experience with the outcome that was told after its span had ended, where the span does not say it itself.

    Success is that of a verdict by code, else whether the mean of satisfaction and quality is above the middle. What is
    said of the session fills only what nothing nearer tells.
    """
    found = _remarks(experience, annotations)
    near = _told_near(experience, {name: each for name, each in found.items() if not each.is_of_session})
    return _told_far(near, {name: each for name, each in found.items() if each.is_of_session})


def _remarks(experience: Experience, annotations: Mapping[tuple[str, str], Annotation]) -> dict[str, Annotation]:
    found = {name: annotations.get((experience.span_id, name)) for name in REMARKS}
    return {name: each for name, each in found.items() if each is not None}


def _told_near(experience: Experience, said: Mapping[str, Annotation]) -> Experience:
    if not said:
        return experience
    satisfaction = said[SATISFACTION].score if SATISFACTION in said else experience.user_satisfaction
    quality = said[QUALITY].score if QUALITY in said else experience.search_quality
    success = experience.agent_success
    if success is None:
        success = said[VERDICT].label == CORRECT if VERDICT in said else _is_success(satisfaction, quality)
    return replace(experience, user_satisfaction=satisfaction, search_quality=quality, agent_success=success)


def _told_far(experience: Experience, said: Mapping[str, Annotation]) -> Experience:
    if not said:
        return experience
    success = experience.agent_success
    if success is None:
        success = _is_success(experience.user_satisfaction, experience.search_quality)
    scores = {name: each.score for name, each in said.items()}
    satisfaction = _first(experience.user_satisfaction, scores.get(SATISFACTION))
    quality = _first(experience.search_quality, scores.get(QUALITY))
    if success is None:
        success = said[VERDICT].label == CORRECT if VERDICT in said else _is_success(satisfaction, quality)
    return replace(experience, user_satisfaction=satisfaction, search_quality=quality, agent_success=success)


def _is_success(*scores: float | None) -> bool | None:
    """Whether the mean is above the middle, None where there is none."""
    known = [score for score in scores if score is not None]
    return sum(known) > len(known) / 2 if known else None


def _first(near: float | None, far: float | None) -> float | None:
    return far if near is None else near


def _from_annotations(given: Mapping[str, Annotation], fields: Fields) -> Labelled | NoLabel:
    # The missing fields are not taken from the decision: nobody said that they were right.
    if len(given) < len(fields.answers):
        return NoLabel.INCOMPLETE
    read = {name: fields.meant(name, annotation.label) for name, annotation in given.items()}
    expected = {name: label for name, label in read.items() if label is not None}
    unread = [name for name in read if name not in expected]
    if unread:
        is_closed = any(fields.answers[name] is not None for name in unread)
        return NoLabel.UNKNOWN_LABEL if is_closed else NoLabel.NOT_OF_TYPE
    return _labelled(fields.in_one_order(expected), given.values())


def _labelled(expected: Mapping[str, str], by: Collection[Annotation]) -> Labelled:
    """A right answer by people where all that was said is theirs, else by LLMs; as of the last of it."""
    is_of_people = all(annotation.kind == "HUMAN" for annotation in by)
    source, weight = (LabelSource.HUMAN, 1.0) if is_of_people else (LabelSource.LLM, LLM_WEIGHT)
    return Labelled(expected, source, weight, max(annotation.updated_at for annotation in by))


def _from_outcome(
    decided: Experience,
    annotations: Mapping[tuple[str, str], Annotation],
    fields: Fields,
    weights: RewardWeights,
    min_confidence: float,
) -> Labelled | NoLabel:
    experience = with_remarks(decided, annotations)
    if experience.agent_success is None:
        return NoLabel.SILENCE
    if not experience.agent_success:
        return NoLabel.FAILED
    if experience.confidence is not None and experience.confidence < min_confidence:
        return NoLabel.UNSURE
    if not fields.allow(experience.answers):
        return NoLabel.OUTDATED
    earned = reward(experience, weights)
    if not earned:
        return NoLabel.WORTHLESS
    share = SESSION_WEIGHT if _is_of_session_alone(decided, annotations) else 1.0
    return Labelled(as_meant(experience.answers, fields), LabelSource.OUTCOME, share * earned, experience.at)


def _is_of_session_alone(experience: Experience, annotations: Mapping[tuple[str, str], Annotation]) -> bool:
    """Whether nothing nearer than its session tells that the answer succeeded."""
    near = {name: each for name, each in _remarks(experience, annotations).items() if not each.is_of_session}
    told = _told_near(experience, near)
    return told.agent_success is None and _is_success(told.user_satisfaction, told.search_quality) is None


@dataclass(frozen=True)
class Labels:
    """The annotations to believe, by (span id, answer field or name of a remark), and those that count on the test
    split."""

    believed: Mapping[tuple[str, str], Annotation]
    on_test: Mapping[tuple[str, str], Annotation]
