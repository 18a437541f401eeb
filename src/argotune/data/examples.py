"""Examples: what programs are trained and tested on, where their labels come from, and the sealed split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import ConfigDict, TypeAdapter, ValidationError

from argotune.data.annotations import Annotation, LabelSource
from argotune.data.experiences import Experience, Fields, Json, query_of, reward, shared
from argotune.data.splitting import Bridged, Split, Splitter
from argotune.errors import Corrupt
from argotune.store.sealing import digest
from argotune.tenants.config import RewardWeights, RoutingConfigUnified

LLM_WEIGHT = 0.8
"""What an LLM's label counts in training beside a person's 1.0: less, as it errs more; how much more is a guess."""


@dataclass(frozen=True, slots=True)
class Example:
    """One question with its right answer. `weight` is in 0..1; `slices` name what it is an instance of."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    program: str
    inputs: Mapping[str, str]
    expected: Mapping[str, str]
    source: LabelSource
    weight: float
    split: Split
    span_id: str | None = None
    slices: Mapping[str, str] | None = None

    @property
    def id(self) -> str:
        """Stable over runs and labels: the digest of program and inputs, 24 hex digits."""
        return question_id(self.program, self.inputs)

    @property
    def is_synthetic(self) -> bool:
        """Whether an LM wrote it: for training only, for ever."""
        return self.source is LabelSource.SYNTHETIC


def question_id(program: str, inputs: Mapping[str, str]) -> str:
    """The id of the example that a program's question is, or would be."""
    return digest([program, dict(inputs)])[:24]


class NoLabel(StrEnum):
    """Why nobody knows the right answer to an experience. The values are what reports show."""

    INCOMPLETE = "annotation incomplete"
    UNKNOWN_LABEL = "annotation names an unknown label"
    UNTRUSTED = "LLM label: annotator not trusted on the test split"
    FAILED = "outcome: failed, right answer unknown"
    UNSURE = "outcome: confidence below min_trace_confidence"
    OUTDATED = "outcome: the chosen answer is not offered any more"
    WORTHLESS = "outcome: succeeded with a reward of 0"
    SILENCE = "no label"


class Merged(StrEnum):
    """Why a labelled experience, or an example of an earlier run, is no example of its own."""

    REPEATED = "repeated question"
    CONFLICT = "conflicting labels"
    BRIDGED = "near-duplicate of questions in different splits"
    FORGOTTEN = "known example without experiences"


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
    """The right answer to an experience, from people, else from LLMs, else from its outcome.

    `annotations` maps (span id, answer field) to the one to believe (`annotations.strongest`). They are used at any
    `confidence`: what the champion was unsure of is worth most when somebody else says what is right. Labels by
    CODE are left out, as code knows the answer no better than the outcome does.
    """
    given = {
        name: found
        for name in fields.answers
        if (found := annotations.get((experience.span_id, name))) and found.kind != "CODE" and found.label.strip()
    }
    if given:
        return _from_annotations(given, fields)
    return _from_outcome(experience, fields, weights, min_confidence)


def _from_annotations(given: Mapping[str, Annotation], fields: Fields) -> Labelled | NoLabel:
    # The missing fields are not taken from the decision: nobody said that they were right.
    if len(given) < len(fields.answers):
        return NoLabel.INCOMPLETE
    read = {name: fields.meant(name, annotation.label) for name, annotation in given.items()}
    expected = {name: label for name, label in read.items() if label is not None}
    if len(expected) < len(read):
        return NoLabel.UNKNOWN_LABEL
    by_people = all(annotation.kind == "HUMAN" for annotation in given.values())
    source, weight = (LabelSource.HUMAN, 1.0) if by_people else (LabelSource.LLM, LLM_WEIGHT)
    return Labelled(expected, source, weight, max(annotation.updated_at for annotation in given.values()))


def _from_outcome(
    experience: Experience, fields: Fields, weights: RewardWeights, min_confidence: float
) -> Labelled | NoLabel:
    if experience.agent_success is None:
        return NoLabel.SILENCE
    if not experience.agent_success:
        return NoLabel.FAILED
    if experience.confidence is not None and experience.confidence < min_confidence:
        return NoLabel.UNSURE
    if not fields.allow(experience.answers):
        return NoLabel.OUTDATED
    worth = reward(experience, weights)
    if not worth:
        return NoLabel.WORTHLESS
    expected = shared(*((name, experience.answers[name]) for name in fields.answers))
    return Labelled(expected, LabelSource.OUTCOME, worth, experience.at)


@dataclass(frozen=True)
class Labels:
    """The annotations to believe by (span id, answer field), and those that count on the test split."""

    believed: Mapping[tuple[str, str], Annotation]
    on_test: Mapping[tuple[str, str], Annotation]


@dataclass(frozen=True, slots=True)
class PastAnswer:
    """What is left of an experience when its label is known: there may be a million.

    `said` is what was decided, `tested` the label on the test split.
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
    return PastAnswer(
        experience.span_id, experience.at, experience.answers, found, tested, experience.modality, experience.language
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
        slices.append(("label", expected[fields.sliced]))
    return shared(*[(name, value) for name, value in slices if value])


_JSON = TypeAdapter(Example)


def example_to_json(example: Example) -> dict[str, Json]:
    """The example as JSON values."""
    body: dict[str, Json] = _JSON.dump_python(example, mode="json")
    return body


def example_from_json(body: Json) -> Example:
    """The example that `example_to_json` of this or a later release wrote. Raises Corrupt, which names the field."""
    try:
        return _JSON.validate_python(body, extra="ignore")
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, problem["loc"]))
        raise Corrupt(f"an example cannot be read: {where}: {problem['msg']}") from None
