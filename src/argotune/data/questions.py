"""Questions: what was asked of a program with all its answers, and which of them becomes its example."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from argotune.data.annotations import LabelSource
from argotune.data.examples import Example
from argotune.data.experiences import Experience, query_of, shared
from argotune.data.fields import Fields
from argotune.data.label_rule import Labelled, Labels, NoLabel, is_confirmed, label
from argotune.data.splitting import Bridged, Split, Splitter
from argotune.tenants.config import RoutingConfigUnified

LABEL_SLICE = "label"
"""The slice that a question is in by its right answer."""


class Merged(StrEnum):
    """Why a labelled experience, or an example of an earlier run, is no example of its own."""

    REPEATED = "repeated question"
    CONFLICT = "conflicting labels"
    BRIDGED = "near-duplicate of questions in different splits"
    FORGOTTEN = "known example without experiences"


@dataclass(frozen=True, slots=True)
class PastAnswer:
    """What is left of an experience when its label is known: there may be a million.

    `said` is what the version said that decided, `tested` the label on the test split.
    """

    span_id: str
    at: datetime
    said: Mapping[str, str]
    label: Labelled | NoLabel
    tested: Labelled | NoLabel
    modality: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A distinct question and all its answers, in the order in which they were given."""

    inputs: Mapping[str, str]
    answers: list[PastAnswer]


@dataclass(frozen=True, slots=True)
class Settled:
    """What came of a question: the answer to believe with its label, in its split; the others under their reasons."""

    split: Split | None
    best: tuple[PastAnswer, Labelled] | None
    reasons: Mapping[str, int]


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
        experience.span_id, experience.at, experience.said, found, tested, experience.modality, experience.language
    )


def question_key(inputs: Mapping[str, str]) -> tuple[str, ...]:
    """What was asked: the inputs in order of their names, which are the same for all questions of a program."""
    return tuple([inputs[name] for name in sorted(inputs)])


def by_question(found: Iterable[tuple[Experience, PastAnswer]]) -> dict[tuple[str, ...], Question]:
    """By what was asked, in the order in which it was asked first."""
    asked: dict[tuple[str, ...], Question] = {}
    for inputs, answer in sorted(((x.inputs, answer) for x, answer in found), key=lambda pair: age(pair[1])):
        key = question_key(inputs)
        if key not in asked:
            asked[key] = Question(inputs, [])
        asked[key].answers.append(answer)
    return asked


def age(answer: PastAnswer) -> tuple[datetime, str]:
    """The order of answers."""
    return answer.at, answer.span_id


def place(question: Question, splitter: Splitter) -> Split | Bridged | None:
    """Where a question belongs; None while nobody knows a right answer to it."""
    is_labelled = any(isinstance(answer.label, Labelled) for answer in question.answers)
    return splitter.place(query_of(question.inputs)) if is_labelled else None


def settle(answers: Sequence[PastAnswer], split: Split | Bridged | None) -> Settled:
    """Of the answers to one question the one to believe and its label; the others are counted."""
    counts: Counter[str] = Counter()
    labelled = []
    for answer in answers:
        found = answer.tested if split is Split.TEST else answer.label
        if isinstance(found, NoLabel):
            counts[found] += 1
        else:
            labelled.append((answer, found))
    best = _winner(labelled, counts) if labelled else None
    if best and not isinstance(split, Split):
        counts[Merged.BRIDGED] += 1
        best = None
    return Settled(split if isinstance(split, Split) else None, best, counts)


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
