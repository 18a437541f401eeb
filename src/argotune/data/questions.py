"""Questions: what was asked of a program with all its answers, and which of them becomes its example."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from argotune.data.annotations import LabelSource
from argotune.data.examples import Example
from argotune.data.experiences import Experience, query_of, shared
from argotune.data.fields import Fields
from argotune.data.label_rule import (
    LEFT_OVER_WEIGHT,
    Labelled,
    Labels,
    NoLabel,
    as_meant,
    is_confirmed,
    label,
    refuted_answer,
)
from argotune.data.splitting import Bridged, Split, Splitter
from argotune.tenants.config import RoutingConfigUnified

REFUTED_QUESTIONS = "questions of which people have said only what is wrong"
"""How a run counts them."""

LABEL_SLICE = "label"
"""The slice that a question is in by its right answer."""


class Merged(StrEnum):
    """Why a labelled experience, or an example of an earlier run, is no example of its own."""

    REPEATED = "repeated question"
    CONFLICT = "conflicting labels"
    BRIDGED = "near-duplicate of questions in different splits"
    FORGOTTEN = "known example without experiences"
    OVERRULED = "a person says that this label is wrong"
    CONTRADICTED = "people say that it is wrong and that it is right: the right answer counts"


@dataclass(frozen=True, slots=True)
class PastAnswer:
    """What is left of an experience when its label is known: there may be a million.

    `said` is what the version said that decided, `tested` the label on the test split. `refuted`: the answer that was
    given, where people say that it is wrong. `counted`: by whom its score is in the live quality (ScoredBy).
    """

    span_id: str
    at: datetime
    said: Mapping[str, str]
    label: Labelled | NoLabel
    tested: Labelled | NoLabel
    modality: str | None = None
    language: str | None = None
    refuted: Mapping[str, str] | None = None
    counted: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """A distinct question and all its answers, in the order in which they were given."""

    inputs: Mapping[str, str]
    answers: list[PastAnswer]


@dataclass(frozen=True, slots=True)
class Settled:
    """What came of a question: the answer to believe with its label, in its split; the others under their reasons.
    `refuted`: the spans whose answers are wrong, where that is all that is known of what is right."""

    split: Split | None
    best: tuple[PastAnswer, Labelled] | None
    reasons: Mapping[str, int]
    refuted: tuple[str, ...] = ()


def past_answer(experience: Experience, labels: Labels, fields: Fields, config: RoutingConfigUnified) -> PastAnswer:
    """The label of an experience, and what else its example will tell."""
    found = label(experience, labels.believed, fields, config.reward, config.min_trace_confidence)
    tested = found
    if labels.on_test is not labels.believed and isinstance(found, Labelled) and found.source is LabelSource.LLM:
        tested = label(experience, labels.on_test, fields, config.reward, config.min_trace_confidence)
        tested = tested if isinstance(tested, Labelled) else NoLabel.UNTRUSTED
    if isinstance(found, Labelled) and is_confirmed(experience, labels.believed, fields):
        tested = NoLabel.CONFIRMED
    return PastAnswer(
        experience.span_id,
        experience.at,
        experience.said,
        found,
        tested,
        experience.modality,
        experience.language,
        refuted_answer(experience, labels.believed, fields),
    )


def age(answer: PastAnswer) -> tuple[datetime, str]:
    """The order of answers."""
    return answer.at, answer.span_id


def place(question: Question, splitter: Splitter, fields: Fields, id: str = "") -> Split | Bridged | None:
    """Where a question belongs, whose example has this id; None while nobody knows a right answer to it."""
    return splitter.place(query_of(question.inputs), id) if is_known(question.answers, fields) else None


def is_known(answers: Sequence[PastAnswer], fields: Fields) -> bool:
    """Whether somebody knows a right answer to a question with these answers."""
    if any(isinstance(answer.label, Labelled) for answer in answers):
        return True
    return any(answer.refuted for answer in answers) and _left_over(answers, fields) is not None


def settle(answers: Sequence[PastAnswer], split: Split | Bridged | None, fields: Fields) -> Settled:
    """Of the answers to one question the one to believe and its label; the others are counted.

    What people say is wrong is wrong wherever the question was asked, so no label of an LM or an outcome stands against
    it, but on the test split: people say so where they like, mostly of the champion's answers, and what is left out for
    that tilts what judges it. A right answer of a person does stand; those who contradict it are counted. The one label
    of a closed set that is left when people have refuted all others is right, weakly: as an outcome, it judges nothing.
    """
    counts: Counter[str] = Counter()
    refuted = [answer.refuted for answer in answers if answer.refuted]
    labelled = []
    for answer in answers:
        found = answer.tested if split is Split.TEST else answer.label
        if isinstance(found, NoLabel):
            counts[found] += 1
        elif split is not Split.TEST and _is_overruled(found, refuted, fields):
            counts[Merged.OVERRULED] += 1
        else:
            labelled.append((answer, found))
    best = _winner(labelled, counts) if labelled else None
    alone = () if best or not refuted else _refuted_alone(answers, refuted, fields)
    if best and refuted:
        _count_contradictions(best[1], answers, counts, fields)
    elif alone and (best := _left_over(answers, fields)):
        alone = ()
        _count_less(counts, best[0].label)
    if best and not isinstance(split, Split):
        counts[Merged.BRIDGED] += 1
        best = None
    return Settled(split if isinstance(split, Split) else None, best, counts, alone)


def _is_overruled(found: Labelled, refuted: Sequence[Mapping[str, str]], fields: Fields) -> bool:
    return found.source is not LabelSource.HUMAN and as_meant(found.expected, fields) in refuted


def _refuted_alone(
    answers: Sequence[PastAnswer], refuted: Sequence[Mapping[str, str]], fields: Fields
) -> tuple[str, ...]:
    """The spans of refuted answers where nobody knows a right one, whether it may be used or not."""
    labels = [answer.label for answer in answers if isinstance(answer.label, Labelled)]
    is_alone = all(_is_overruled(found, refuted, fields) for found in labels)
    return tuple(answer.span_id for answer in answers if answer.refuted) if is_alone else ()


def _count_contradictions(best: Labelled, answers: Sequence[PastAnswer], counts: Counter[str], fields: Fields) -> None:
    """Those who say that the right answer is wrong, under that reason alone."""
    right = as_meant(best.expected, fields)
    for answer in answers:
        if answer.refuted == right:
            counts[Merged.CONTRADICTED] += 1
            if answer.label is NoLabel.REFUTED:
                _count_less(counts, answer.label)


def _count_less(counts: Counter[str], found: Labelled | NoLabel) -> None:
    counts[found if isinstance(found, NoLabel) else Merged.OVERRULED] -= 1
    counts += Counter()  # keeps what is more than 0


def _left_over(answers: Sequence[PastAnswer], fields: Fields) -> tuple[PastAnswer, Labelled] | None:
    """The only label of a closed set that may still be right, as of the answer that was refuted last."""
    name, refuted = fields.sliced, [answer for answer in answers if answer.refuted]
    if name is None:
        return None
    wrong = {answer.refuted[name] for answer in refuted if answer.refuted}
    left = [label for label in fields.answers[name] or () if label not in wrong]
    last = max(refuted, key=age)
    found = Labelled(shared((name, left[0])), LabelSource.OUTCOME, LEFT_OVER_WEIGHT, last.at) if left else None
    return (last, found) if found and len(left) == 1 else None


_TRUST = {source: -place for place, source in enumerate(LabelSource)}


def _winner(labelled: Sequence[tuple[PastAnswer, Labelled]], counts: Counter[str]) -> tuple[PastAnswer, Labelled]:
    """The label of the most trusted source, of these the newest."""
    if len(labelled) == 1:
        return labelled[0]
    best = max(labelled, key=lambda pair: (_TRUST[pair[1].source], pair[1].at, pair[0].span_id))
    for other in (pair[1] for pair in labelled if pair is not best):
        contradicts = other.source is best[1].source and other.expected != best[1].expected
        counts[Merged.CONFLICT if contradicts and other.source.is_trusted else Merged.REPEATED] += 1
    return best


def example_of(settled: Settled, inputs: Mapping[str, str], fields: Fields) -> Example:
    """The example of a question that has one."""
    assert settled.best is not None
    assert settled.split is not None
    answer, found = settled.best
    return Example(
        program=fields.program,
        inputs=inputs,
        expected=found.expected,
        source=found.source,
        weight=found.weight,
        split=settled.split,
        span_id=answer.span_id,
        slices=_slices(answer, found.expected, fields),
    )


def _slices(answer: PastAnswer, expected: Mapping[str, str], fields: Fields) -> Mapping[str, str]:
    slices = [("modality", answer.modality), ("language", answer.language)]
    if fields.sliced:
        slices.append((LABEL_SLICE, expected[fields.sliced]))
    return shared(*[(name, value) for name, value in slices if value])
