"""Unlabelled: recent requests that nobody labelled, who may answer them, and recent decisions, for methods that learn
from these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, takewhile

import dspy

from argotune.data.annotations import Annotation, strongest
from argotune.data.archive import READ_AT_ONCE
from argotune.data.dataset import Dataset
from argotune.data.examples import question_id
from argotune.data.experiences import Experience
from argotune.data.fields import Fields
from argotune.data.gathering import near_examples, newest_experiences
from argotune.data.label_rule import refuted_answer, with_remarks
from argotune.data.splitting import Split, Splitter
from argotune.decisions.values import NO_OUTCOMES, Outcomes, TrainingHistory
from argotune.optimizers import OPTIMIZERS
from argotune.pipeline.module_pass import Pass
from argotune.programs.program import Program
from argotune.programs.refuted import Refuted
from argotune.runs.run import Plan
from argotune.store.moments import believed as moment_believed
from argotune.tenants.optimizer_settings import planned_settings

LOOKED_AT = 20
"""Requests that are looked at for each that is wanted: where most are labelled already, few are found."""

DECISIONS_LOOKED_AT = 4
"""The same of decisions: about half of the questions are of the training split."""


@dataclass(frozen=True)
class BesideLabels:
    """What there is beside labelled examples: the inputs of requests without a label, to teach and to choose by,
    decisions with what came of them, and the champion, None where that is the program as written or cannot be loaded
    any more. `refuted` and `refuted_dev`: what people have said is wrong, where nobody says what is right."""

    unlabelled: Sequence[Mapping[str, str]] = ()
    unlabelled_dev: Sequence[Mapping[str, str]] = ()
    experiences: Sequence[Experience] = ()
    champion: dspy.Module | None = None
    refuted: Sequence[Refuted] = ()
    refuted_dev: Sequence[Refuted] = ()


NOTHING_BESIDE = BesideLabels()


def beside_labels(
    this: Pass, program: Program, plan: Plan, champion: dspy.Module | None, annotations: Sequence[Annotation]
) -> BesideLabels:
    """The requests and decisions of the plan that there still are, these with what was said of them afterwards; and the
    champion."""
    asked, choosing = (_inputs(this, program, spans) for spans in (plan.unlabelled, plan.unlabelled_dev))
    decided, believed = this.archive.experiences_of(program.name, plan.experiences), strongest(annotations)
    told = [_outcome(experience, believed, program.fields) for experience in decided]
    return BesideLabels(asked, choosing, told, champion)


def _outcome(experience: Experience, believed: Mapping[tuple[str, str], Annotation], fields: Fields) -> Experience:
    """With what was said afterwards; what people say is wrong has failed, whatever the span tells."""
    told = with_remarks(experience, believed)
    return replace(told, agent_success=False) if refuted_answer(experience, believed, fields) else told


def _inputs(this: Pass, program: Program, spans: Sequence[str]) -> list[Mapping[str, str]]:
    return [experience.inputs for experience in this.archive.experiences_of(program.name, spans)]


def with_unlabelled(
    this: Pass,
    program: Program,
    data: Dataset,
    plan: Plan,
    scored: UnlabelledSpans,
    annotations: Sequence[Annotation] = (),
) -> Plan:
    """The plan with as many of them, and of experiences, as its optimizer has use for; `scored` are those that a rubric
    scores."""
    optimizer = OPTIMIZERS[plan.optimizer]
    wanted = optimizer.experiences(planned_settings(plan.settings))
    found, believed = list(_decisions(this, program, wanted)), strongest(annotations)
    known = {
        "experiences": tuple(experience.span_id for experience in found),
        "outcomes": sum(_is_told(experience, believed) for experience in found),
    }
    plan = plan.model_copy(update=known)
    if optimizer.goes_by_scores and scored != NO_SPANS:
        return plan.model_copy(update={"unlabelled": scored.train, "unlabelled_dev": scored.dev})
    most = optimizer.unlabelled(planned_settings(plan.settings))
    return plan.model_copy(update={"unlabelled": unlabelled_spans(this, program, data, most).train})


def scored_spans(this: Pass, program: Program, data: Dataset, *, is_scored: bool) -> UnlabelledSpans:
    """Requests that training may go by where whatever is answered `is_scored` by a rubric; that never judges."""
    most = this.config.annotation.rubric_questions if is_scored else 0
    return unlabelled_spans(this, program, data, most, most)


@dataclass(frozen=True)
class UnlabelledSpans:
    """Spans of requests without a label, by the split of which their examples would be."""

    train: tuple[str, ...] = ()
    dev: tuple[str, ...] = ()


NO_SPANS = UnlabelledSpans()


def unlabelled_spans(this: Pass, program: Program, data: Dataset, most: int, most_dev: int = 0) -> UnlabelledSpans:
    """The spans of the newest of them, each question once, at most so many of a split.

    Only those that would be training or dev examples if they were labelled: a question that may become one of the test
    split, is near to one that is, or waits for its label, is never among them. Nor is one of which people have said
    what is wrong: whoever answers it may say that again.
    """
    wanted = {Split.TRAIN: most, Split.DEV: most_dev}
    if most + most_dev <= 0:
        return NO_SPANS
    splitter, recent = _not_queued(this, program, LOOKED_AT * (most + most_dev))
    found: dict[Split, dict[str, str]] = {split: {} for split in wanted}
    for id, experience in _without_examples(data, recent):
        is_open = not any(id in known for known in found.values()) and id not in data.refuted
        split = splitter.preview(experience.query) if is_open and not experience.failure else None
        if split in wanted and len(found[split]) < wanted[split]:
            found[split][id] = experience.span_id
        if all(len(found[split]) == n for split, n in wanted.items()):
            break
    return UnlabelledSpans(tuple(found[Split.TRAIN].values()), tuple(found[Split.DEV].values()))


def _without_examples(data: Dataset, recent: Iterator[Experience]) -> Iterator[tuple[str, Experience]]:
    """Those whose questions have no example, under the id that it would have."""
    while some := [(question_id(data.program, x.inputs), x) for x in islice(recent, READ_AT_ONCE)]:
        known = {example.id for example in data.pick(dict.fromkeys(id for id, _ in some))}
        yield from ((id, experience) for id, experience in some if id not in known)


def outcomes_since(
    this: Pass, program: Program, history: TrainingHistory, annotations: Sequence[Annotation], most: int
) -> Outcomes:
    """What the last training had, and how many of the newest `most` decisions that may teach were made since; what was
    told since of those before is not among them."""
    since, believed = moment_believed(history.last_at, this.now), strongest(annotations)
    if since is None:
        return NO_OUTCOMES
    newer = takewhile(lambda experience: experience.at > since, _decisions(this, program, most))
    return Outcomes(history.last_outcome_count, sum(_is_told(experience, believed) for experience in newer))


def _is_told(experience: Experience, believed: Mapping[tuple[str, str], Annotation]) -> bool:
    """Whether is known how it went, and with which propensity it was decided."""
    if experience.propensity is None:
        return False
    told = with_remarks(experience, believed)
    return told.agent_success is not None or told.user_satisfaction is not None


def _decisions(this: Pass, program: Program, most: int) -> Iterator[Experience]:
    """The newest decisions, at most so many, on questions that are or would be training examples: none that is or may
    become one of the dev or the test split, or waits for its label."""
    if most > 0:
        splitter, recent = _not_queued(this, program, DECISIONS_LOOKED_AT * most)
        yield from islice((x for x in recent if splitter.preview(x.query) is Split.TRAIN), most)


def _not_queued(this: Pass, program: Program, most: int) -> tuple[Splitter, Iterator[Experience]]:
    """What tells where an example would be placed, and those of the newest `most` that do not wait for their label."""
    questions = this.questions(program.name)
    queued = {item.span_id for item in this.queue.items(program.name)}
    splitter = Splitter(this.config.split, near=near_examples(this.archive, questions, program.fields))
    newest = newest_experiences(this.archive, questions, program.name, most)
    return splitter, (experience for experience in newest if experience.span_id not in queued)
