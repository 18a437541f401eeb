"""Unlabelled: recent requests that nobody labelled, and who may answer them, for methods that learn from that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import dspy

from argotune.data.dataset import Dataset
from argotune.data.examples import question_id
from argotune.data.experiences import Experience
from argotune.data.gathering import near_examples
from argotune.data.question_log import QuestionLog
from argotune.data.splitting import Split, Splitter
from argotune.errors import ConfigInvalid, ProgramChanged
from argotune.optimizers import OPTIMIZERS
from argotune.pipeline.module_pass import Pass
from argotune.programs.program import Program
from argotune.programs.state import load
from argotune.promotion.champions import UNTUNED
from argotune.runs.run import Plan
from argotune.tenants.optimizer_settings import planned_settings

LOOKED_AT = 20
"""Requests that are looked at for each that is wanted: where most are labelled already, few are found."""


@dataclass(frozen=True)
class BesideLabels:
    """What there is beside labelled examples: the inputs of requests without a label, and the champion, None where that
    is the program as written or cannot be loaded any more."""

    unlabelled: Sequence[Mapping[str, str]] = ()
    champion: dspy.Module | None = None


NOTHING_BESIDE = BesideLabels()


def beside_labels(this: Pass, program: Program, plan: Plan, champion: str) -> BesideLabels:
    """The requests of the plan that there still are, and the module of the version that is to be beaten."""
    asked = (this.archive.experience(program.name, span_id) for span_id in plan.unlabelled)
    version, module = this.registry.version(champion), None
    if version.lineage.optimizer != UNTUNED:
        with suppress(ProgramChanged, ConfigInvalid):  # of an embedder that is another by now
            module = load(program, version.state, version.signature_hash, this.embedders())
    return BesideLabels([experience.inputs for experience in asked if experience], module)


def with_unlabelled(this: Pass, program: Program, data: Dataset, plan: Plan) -> Plan:
    """The plan with as many of them as its optimizer has use for."""
    most = OPTIMIZERS[plan.optimizer].unlabelled(planned_settings(plan.settings))
    return plan.model_copy(update={"unlabelled": unlabelled_spans(this, program, data, most)})


def unlabelled_spans(this: Pass, program: Program, data: Dataset, most: int) -> tuple[str, ...]:
    """The spans of the newest of them, each question once, at most so many.

    Only those that would be training examples if they were labelled: a question that may become one of the dev or the
    test split, is near to one that is, or waits for its label, is never among them.
    """
    if most <= 0:
        return ()
    questions = this.questions(program.name)
    queued = {item.span_id for item in this.queue.items(program.name)}
    splitter = Splitter(this.config.split, near=near_examples(this.archive, questions, program.fields))
    found: dict[str, str] = {}
    for experience in _newest(this, program, questions, LOOKED_AT * most):
        id = question_id(program.name, experience.inputs)
        is_open = id not in found and experience.span_id not in queued and not data.pick([id])
        if is_open and not experience.failure and splitter.preview(experience.query) is Split.TRAIN:
            found[id] = experience.span_id
        if len(found) == most:
            break
    return tuple(found.values())


def _newest(this: Pass, program: Program, questions: QuestionLog, most: int) -> Iterator[Experience]:
    """As far as they can be read."""
    summary, looked_at = questions.summary(), 0
    for day in sorted(summary.days if summary else (), reverse=True):
        spans = [span for name in (summary.days[day] if summary else ()) for span in questions.day(name)]
        for span_id, _ in sorted(spans, key=lambda span: (span[1], span[0]), reverse=True):
            looked_at += 1
            if looked_at > most:
                return
            if experience := this.archive.experience(program.name, span_id):
                yield experience
