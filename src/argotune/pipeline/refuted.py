"""Refuted: which questions of which people have said only what is wrong a training goes by, and what they forbid."""

from __future__ import annotations

from collections.abc import Sequence

from argotune.data.dataset import Dataset
from argotune.data.experiences import Experience
from argotune.data.gathering import near_examples
from argotune.data.label_rule import as_meant
from argotune.data.splitting import Split, Splitter
from argotune.pipeline.module_pass import Pass
from argotune.pipeline.unlabelled import LOOKED_AT, NO_SPANS, UnlabelledSpans
from argotune.programs.program import Program
from argotune.programs.refuted import Refuted, can_appraise_refuted


def refuted_spans(this: Pass, program: Program, data: Dataset) -> UnlabelledSpans:
    """The spans of such questions that would be training or dev examples if somebody knew what is right: drawn by lot,
    as many of a split as the config says, and no more than it has examples, as what they are worth is estimated.

    None that would be a test example, or that stands before people to become one.
    """
    most = this.config.annotation.refuted_questions
    if not data.refuted or not most or not can_appraise_refuted(program):
        return NO_SPANS
    splitter = _splitter(this, program)
    places = {split: min(most, data.count(split)) for split in (Split.TRAIN, Split.DEV)}
    found: dict[Split, list[str]] = {split: [] for split in places}
    for id in sorted(data.refuted)[: 2 * LOOKED_AT * most]:  # an id is a digest, and so a lot
        known = _experiences(this, program, data.refuted[id])
        split = splitter.preview(known[0].query) if known else None
        if isinstance(split, Split) and places.get(split):
            found[split] += [experience.span_id for experience in known]
            places[split] -= 1
    return UnlabelledSpans(tuple(found[Split.TRAIN]), tuple(found[Split.DEV]))


def refuted_questions(this: Pass, program: Program, data: Dataset, spans: Sequence[str]) -> list[Refuted]:
    """The questions of these spans of which nobody has said meanwhile what is right, with all that is wrong."""
    planned, fields = frozenset(spans), program.fields
    found = []
    for id in sorted(data.refuted):
        if planned.isdisjoint(data.refuted[id]):
            continue
        known = _experiences(this, program, data.refuted[id])
        wrong = {tuple(sorted(answers.items())): answers for answers in (as_meant(x.answers, fields) for x in known)}
        if known:
            found.append(Refuted(known[0].inputs, tuple(wrong.values())))
    return found


def _experiences(this: Pass, program: Program, spans: Sequence[str]) -> list[Experience]:
    return list(this.archive.experiences_of(program.name, spans))


def _splitter(this: Pass, program: Program) -> Splitter:
    """Knows the places of all examples, and of all questions that were chosen to become some."""
    items = {item.span_id: item.split for item in this.queue.items(program.name)}
    chosen = [(x.query, items[x.span_id]) for x in _experiences(this, program, list(items))]
    near = near_examples(this.archive, this.questions(program.name), program.fields)
    return Splitter(this.config.split, (), chosen, near)
