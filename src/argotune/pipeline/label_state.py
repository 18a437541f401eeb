"""Label state: what is decided, labelled and queued of a program in a pass."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from argotune.data.annotations import Annotation
from argotune.data.archive import ExperienceLog
from argotune.data.experiences import Experience
from argotune.data.fields import Fields
from argotune.data.gathering import own_spans
from argotune.data.question_log import QuestionLog
from argotune.data.remarks import CORRECT, VERDICT, heard
from argotune.labels.agreement import Agreement, compare, labels_by_span
from argotune.labels.queue import AnnotationQueue, QueueItem, hard_spans
from argotune.pipeline.module_pass import Pass
from argotune.pipeline.preferences import ShownPair, fresh_preferences, shown_pairs
from argotune.programs.program import Program
from argotune.promotion.contests import Contest
from argotune.store.moments import believed


@dataclass
class LabelState:
    """A program's decisions, labels and queue items (by span id) as they are now; `elsewhere` is the number of items of
    the tenant's other programs that wait, `contest` the program's open one, `pairs` the answers that it shows people
    where they say which is better.
    """

    tenant_id: str
    program: Program
    now: datetime
    log: ExperienceLog
    questions: QuestionLog
    annotations: Sequence[Annotation]
    queue: AnnotationQueue
    items: dict[str, QueueItem]
    elsewhere: int
    agreements: dict[str, Agreement]
    contest: Contest | None
    pairs: Mapping[str, ShownPair]

    @property
    def contest_id(self) -> str:
        return self.contest.id if self.contest else ""

    def experiences(self, span_ids: Iterable[str]) -> list[Experience]:
        """Those of the named spans that are kept. All are read only where questions are chosen among them."""
        return list(self.log.experiences_of(self.program.name, span_ids))

    def by_people(self, since: datetime | None = None) -> Collection[str]:
        """Spans that people have labelled, `since` then if that is not in the future. Sources tell whole seconds."""
        since = believed(since, self.now)
        second = since.replace(microsecond=0) if since else None
        given = [a for a in self.annotations if a.kind == "HUMAN" and (second is None or a.updated_at >= second)]
        return labels_by_span(given, self.program.fields).keys()

    def by_choice(self) -> Collection[str]:
        """Spans of which people have said which of the two answers that they show is better."""
        given = fresh_preferences(self.program.fields, self.annotations, self.items)
        return {annotation.span_id for annotation in given}

    def by_people_compared(self) -> Collection[str]:
        """Spans on which annotators can be compared with people."""
        return self.by_choice() if self.program.is_by_preference else self.by_people()

    def by_lms(self, identifiers: Collection[str]) -> Collection[str]:
        """Spans that one of these annotators has labelled; where it says which of two answers is better, since the
        contest opened that shows them."""
        given = [a for a in self.annotations if a.kind == "LLM" and a.identifier in identifiers]
        if self.program.is_by_preference:
            given = [a for a in given if self.contest and a.updated_at >= self.contest.opened_at.replace(microsecond=0)]
        return labels_by_span(given, self.program.fields.compared).keys()

    def by_trusted(self) -> Collection[str]:
        """Spans that an LM has labelled which agrees with people."""
        return self.by_lms([name for name, agreement in self.agreements.items() if agreement.is_trusted])

    def refuted(self) -> Collection[str]:
        """Spans of which somebody has said that the answer is wrong."""
        bad = (a for a in self.annotations if a.name == VERDICT and a.label != CORRECT)
        return {a.span_id for a in bad if not a.is_of_session}

    def change(self, items: Sequence[QueueItem]) -> None:
        """Store items in their new state; those that somebody else has changed meanwhile are for the next state."""
        self.items.update((item.span_id, item) for item in self.queue.change(items))


def annotation_names(this: Pass, fields: Iterable[Fields]) -> tuple[str, ...]:
    """The names of all annotations that say something of these programs' decisions."""
    own = (name for f in fields for name in f.label_names)
    return tuple(dict.fromkeys([*own, VERDICT, *this.config.annotation.remarks]))


def own_annotations(this: Pass, fields: Fields, read: Sequence[Annotation]) -> list[Annotation]:
    """Of those of the whole module the ones on the program's own spans."""
    asked = heard(read, fields, this.config.annotation.remarks).annotations
    own = own_spans(this.archive, this.questions(fields.program), fields, {a.span_id for a in asked})
    return [annotation for annotation in asked if annotation.span_id in own]


def label_state(this: Pass, program: Program, annotations: Sequence[Annotation]) -> LabelState:
    """As all that is stored says now. Raises what the store raises."""
    queued = this.queue.items()
    items = {item.span_id: item for item in queued if item.program == program.name}
    agreements = compare(annotations, program.fields, this.config.annotation, hard_spans(items.values()))
    elsewhere = sum(item.is_waiting and item.program != program.name for item in queued)
    log, questions = this.archive, this.questions(program.name)
    contest, queue = this.contests.open(program.name), this.queue
    has_pairs = contest is not None and program.is_by_preference
    pairs = shown_pairs(this.contests, this.config, contest.id) if contest and has_pairs else {}
    return LabelState(
        this.tenant_id,
        program,
        this.now,
        log,
        questions,
        annotations,
        queue,
        items,
        elsewhere,
        agreements,
        contest,
        pairs,
    )
