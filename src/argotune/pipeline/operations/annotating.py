"""Annotating: what waits for a label, labels by a person or the LM annotator, and how far annotators agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, partial

from argotune.data.annotations import Annotation
from argotune.data.archive import ExperienceLog
from argotune.data.fields import Fields
from argotune.data.question_log import refuted_questions_of
from argotune.data.stream import stream_of
from argotune.errors import ConfigInvalid, NotFound
from argotune.labels.agreement import AnnotatorReport
from argotune.labels.annotator_book import reports_of
from argotune.labels.queue import AnnotationQueue, ItemKind, QueueItem, QueueStanding, keep_waiting
from argotune.pipeline.module_pass import Pass
from argotune.pipeline.operations.asked import checked_who, modules_of, programs_named
from argotune.pipeline.ports import Ports
from argotune.pipeline.preferences import ShownPair, shown_pairs
from argotune.pipeline.stages.annotate import label_by_lm
from argotune.programs import programs_of
from argotune.promotion.contest_book import ContestBook
from argotune.store.port import Store
from argotune.store.texts import storable
from argotune.tenants.agenda import forget_agenda
from argotune.tenants.catalog import Configs


@dataclass(frozen=True)
class WaitingSpan:
    """A queued span without a label: what was asked (None: it was forgotten meanwhile), and what can be answered.
    `pair` are the two answers of which the better one is asked for, None where it is what is right."""

    item: QueueItem
    inputs: Mapping[str, str] | None
    fields: Fields
    pair: ShownPair | None = None


@dataclass(frozen=True)
class Waiting:
    """The spans that wait, in the order in which people should see them, and what a label stands for, where known."""

    spans: tuple[WaitingSpan, ...]
    purposes: Mapping[str, str]


def waiting(store: Store, tenant_id: str, program: str | None = None, limit: int | None = None) -> Waiting:
    """What waits for a label, of all programs or of one, at most `limit` spans. Raises NotFound and ConfigInvalid."""
    config = Configs(store).get(tenant_id)
    if limit is not None and limit < 1:
        raise ConfigInvalid(f"{limit} is less than 1", argument="limit")
    programs, log = programs_named(config, program), ExperienceLog(store, tenant_id)
    queued = [i for i in AnnotationQueue(store, tenant_id).items() if i.is_waiting and i.program in programs]
    shown = cache(partial(shown_pairs, ContestBook(store, tenant_id), config))
    found = []
    for item in queued[:limit]:
        experience, fields = log.experience(item.program, item.span_id), programs[item.program].fields
        inputs = experience.inputs if experience else None
        pair = shown(item.contest).get(item.span_id) if item.kind is ItemKind.PAIR else None
        found.append(WaitingSpan(item, inputs, fields.compared if pair else fields, pair))
    return Waiting(tuple(found), config.agents)


@dataclass(frozen=True)
class Labelling:
    """A person's answers, field by field, for a span that was decided on, queued or not. `program` None: any."""

    tenant_id: str
    span_id: str
    answers: Sequence[tuple[str, str]]
    who: str
    program: str | None = None


@dataclass(frozen=True)
class StoredLabel:
    """What was stored: the labels that were meant, of which program's decision, and as whose."""

    span_id: str
    program: str
    answers: Mapping[str, str]
    who: str


def label_span(ports: Ports, asked: Labelling) -> StoredLabel:
    """Write a person's labels where all labels are, then close the item; the next round looks at the tenant again.

    Nothing is written where something is wrong: raises NotFound for an unknown tenant or span, ConfigInvalid for
    answers that are none, for a field without one, and for a name that nobody has.
    """
    config = Configs(ports.store).get(asked.tenant_id)
    programs, log = programs_named(config, asked.program), ExperienceLog(ports.store, asked.tenant_id)
    program = next((p for p in programs.values() if log.experience(p.name, asked.span_id)), None)
    if program is None:
        raise NotFound(f"no decision is stored under the span id {asked.span_id[:60]!r}", argument="span_id")
    fields = _asked_for(ports.store, program.fields, asked)
    answers, who = answers_meant(fields, asked.answers), checked_who(asked.who)
    now = ports.clock()
    labels = [Annotation(asked.span_id, name, label, "HUMAN", who, now) for name, label in answers.items()]
    ports.traces.annotate(stream_of(config, program.module), labels)
    AnnotationQueue(ports.store, asked.tenant_id).close(asked.span_id, now)
    keep_waiting(ports.store, asked.tenant_id)
    forget_agenda(ports.store, asked.tenant_id)
    return StoredLabel(asked.span_id, program.name, answers, who)


def _asked_for(store: Store, fields: Fields, asked: Labelling) -> Fields:
    """What is answered: which of two answers is better, or what is right. Raises ConfigInvalid where a span shows no
    two answers."""
    if not fields.by_preference or fields.preference not in dict(asked.answers):
        return fields
    item = next((i for i in AnnotationQueue(store, asked.tenant_id).items() if i.span_id == asked.span_id), None)
    if item is None or item.kind is not ItemKind.PAIR:
        raise ConfigInvalid(f"span {asked.span_id[:60]!r} shows no two answers to choose from", argument="answers")
    return fields.compared


def answers_meant(fields: Fields, given: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The labels that are meant, one for each answer field. Raises ConfigInvalid that names what is wrong."""
    answers: dict[str, str] = {}
    for name, said in given:
        if name not in fields.answers or name in answers:
            known = ", ".join(fields.answers)
            told = f"{f'{name}={said}'[:80]!r} is not FIELD=VALUE with each of {known} once"
            raise ConfigInvalid(told, argument="answers")
        if (answer := fields.meant(name, storable(said))) is None:
            labels, type_ = fields.answers[name], fields.types.get(name)
            offered = f"one of {', '.join(labels)}" if labels else f"of type {type_}" if type_ else "a text"
            raise ConfigInvalid(f"{name} is {offered}, not {said[:60]!r}", argument="answers")
        answers[name] = answer
    missing = [name for name in fields.answers if name not in answers]
    if missing:
        raise ConfigInvalid(f"{missing[0]} of {fields.program} is missing", argument="answers")
    return answers


def label_by_annotator(ports: Ports, tenant_id: str, program: str | None = None) -> list[AnnotatorReport]:
    """Let the LM annotator label now what waits and what people have labelled; its reports, which are stored.

    Raises NotFound, ConfigInvalid, and what store and traces raise; a failing LM is told in its report.
    """
    config = Configs(ports.store).get(tenant_id)
    chosen = programs_named(config, program).values()
    by_module = {module: [each for each in chosen if each.module == module] for module in config.modules}
    asked = ((Pass(ports, config, module), programs) for module, programs in by_module.items() if programs)
    reports = [report for this, programs in asked for report in label_by_lm(this, programs)]
    keep_waiting(ports.store, tenant_id)
    return reports


@dataclass(frozen=True)
class LabellingStatus:
    """How the queue stands, and how annotators agree with people. `refuted`: by program the number of questions of
    which people have said only what is wrong."""

    queue: QueueStanding
    annotators: tuple[AnnotatorReport, ...]
    refuted: Mapping[str, int]


def labelling_status(store: Store, tenant_id: str, today: date, program: str | None = None) -> LabellingStatus:
    """What is stored of labelling; nothing is read from the trace source and no LM is asked. Raises NotFound,
    and ConfigInvalid for a program that cannot be built."""
    config, queue = Configs(store).get(tenant_id), AnnotationQueue(store, tenant_id)
    names = programs_named(config, program)
    return LabellingStatus(
        queue=queue.standing(today, config.annotation.daily_limit, program),
        annotators=tuple(r for r in reports_of(store, tenant_id) if program in (None, r.program)),
        refuted={name: n for name in names if (n := refuted_questions_of(store, tenant_id, name))},
    )


def count_labelled(store: Store, tenant_id: str, module: str) -> int:
    """How many examples of a module people or a trusted annotator have labelled. Raises NotFound, ConfigInvalid."""
    config, log = Configs(store).get(tenant_id), ExperienceLog(store, tenant_id)
    programs = [p for name in modules_of(config, module) for p in programs_of(config, name)]
    return sum(example.source.is_trusted for program in programs for example in log.each_example(program.name))
