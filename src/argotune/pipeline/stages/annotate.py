"""annotate: put spans that are worth a label before people, and before the LM annotator where there is one.

The last stage of a pass. Done again after a crash it changes nothing: choices are deterministic, a program's are stored
in one step with the day's count, and annotations are upserted.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial

from argotune.data.annotations import Annotation
from argotune.data.experiences import Experience
from argotune.data.gathering import near_examples, trusted_examples
from argotune.data.preferences import CHOICES
from argotune.data.splitting import Split, Splitter, split_when_opened
from argotune.errors import Conflict, Corrupt, NotFound
from argotune.labels.agreement import COMPARED_ENOUGH, AnnotatorReport, compare, disputed
from argotune.labels.annotator import DayBudget, LMAnnotator, open_annotator
from argotune.labels.annotator_book import keep_report, report_of
from argotune.labels.doubts import doubts_about
from argotune.labels.queue import ItemKind, QueueItem, hard_spans
from argotune.labels.selection import OpenQuestions, Reason, Selection, lot_of, select
from argotune.labels.sharing import places_beside_contest
from argotune.pipeline.day_shares import day_shares
from argotune.pipeline.label_state import LabelState, annotation_names, label_state, own_annotations
from argotune.pipeline.module_pass import Pass
from argotune.pipeline.rubric import calibrated
from argotune.programs.program import Program
from argotune.promotion.versions import Version
from argotune.store.port import Store
from argotune.tenants.config import RoutingConfigUnified

log = logging.getLogger(__name__)

MARK = "argotune.queue"
MARKED_BY = "argotune"
DONE = "done"

SHOWN_CHARS = 5_000
"""Of each answer that people compare, in a span's annotation."""

SECOND_LOOKS = 0.2
"""The share of a program's places that may go to spans of which annotators say different things."""


def annotate(
    this: Pass, programs: Sequence[Program], annotations: Mapping[str, Sequence[Annotation]]
) -> list[AnnotatorReport]:
    """Close what is labelled, queue what is worth it, let the LM label, and store how annotators agree with people: the
    stored reports.

    `annotations` are those on each program's own spans, by its name. Raises what store and traces raise. A failing LM
    ends nothing but its own part, and its report says so.
    """
    shares, reports = day_shares(this, [program.name for program in programs]), []
    for program in programs:
        state, budget = label_state(this, program, annotations[program.name]), _budget(this)
        _close(this, state)
        _fill(this, state, shares[program.name], budget)
        reports.append(_label(this, state, budget))
        _show(this, state)
    return reports


def label_by_lm(this: Pass, programs: Sequence[Program]) -> list[AnnotatorReport]:
    """Let the LM annotator label now what people have labelled of a module's programs, to be compared, and what waits;
    its stored reports."""
    names = annotation_names(this, [program.fields for program in programs])
    read = list(this.ports.traces.annotations(this.stream, names, this.kept.oldest))
    found = ((program, own_annotations(this, program.fields, read)) for program in programs)
    return [_label(this, label_state(this, program, own), _budget(this)) for program, own in found]


def _budget(this: Pass) -> DayBudget:
    return DayBudget(this.store, this.ports.lms, this.ports.clock, this.config, this.module)


def _close(this: Pass, state: LabelState) -> None:
    """Items with a label are done; items without an experience are forgotten, done ones when they are that old, and so
    is what an ended contest was not told."""
    by_people, by_lms, oldest = state.by_people(), state.by_trusted(), this.kept.oldest
    done = {"done_at": state.now, "is_marked": False}
    closed = [i for i in state.items.values() if i.is_waiting and _is_answered(i, state, by_people, by_lms)]
    state.change([item.model_copy(update=done) for item in closed])
    doubtful = [item.span_id for item in state.items.values() if item.is_waiting or item.queued_at < oldest]
    gone = set(doubtful) - {experience.span_id for experience in state.experiences(doubtful)}
    answered = {*by_people, *state.by_choice()}
    ended = [item for item in state.items.values() if item.contest and item.contest != state.contest_id]
    gone |= {item.span_id for item in ended if item.is_waiting or item.span_id not in answered}
    left = [state.items.pop(span_id) for span_id in sorted(gone)]
    _upsert(
        this, [_mark(item.model_copy(update=done), state) for item in left if item.is_waiting or not item.is_marked]
    )
    state.queue.forget(gone)


def _is_answered(item: QueueItem, state: LabelState, by_people: Collection[str], by_lms: Collection[str]) -> bool:
    """A person has answered, since the second look where it is one; a trusted LM's answer will do for training. Which
    of two answers is better nobody says but people."""
    if item.kind is ItemKind.PAIR:
        return item.span_id in state.by_choice()
    if item.second_look_at:
        return item.span_id in state.by_people(since=item.second_look_at)
    will_an_lm_do = item.split is Split.TRAIN and not item.contest
    return item.span_id in by_people or (will_an_lm_do and item.span_id in by_lms)


def _fill(this: Pass, state: LabelState, share: int, budget: DayBudget) -> None:
    """What the open contest waits for, second looks, then new questions, as far as the limit of the day goes. A part of
    it stays for the others whatever the contest waits for; where they need less the contest gets it back."""
    _judge_known(state)
    splitter = cache(lambda: _splitter(this.config, state))
    beside = places_beside_contest(share, this.config.annotation.share_beside_contest, state.now.date())
    _ask_for_contest(this, state, splitter, share - beside)
    _ask_others(this, state, splitter, share, budget)
    _ask_for_contest(this, state, splitter, share)


def _ask_others(this: Pass, state: LabelState, splitter: Callable[[], Splitter], share: int, budget: DayBudget) -> None:
    places = _places(this, state, share)
    if not places:
        return
    second = _second_looks(state, splitter())[: math.ceil(places * SECOND_LOOKS)]
    chosen = _chosen(this, state, splitter(), places - len(second), budget)
    _queue(this, state, [*second, *(_item(choice, state) for choice in chosen)])


def _queue(this: Pass, state: LabelState, items: Sequence[QueueItem]) -> None:
    queued = state.queue.add(items, state.now.date(), this.config.annotation.daily_limit)
    state.items.update((item.span_id, item) for item in queued)


def _judge_known(state: LabelState) -> None:
    """A disagreement that is before people for another reason judges as well."""
    if state.contest is None:
        return
    about = {"contest": state.contest.id, "kind": _kind(state), "is_marked": False}
    known = list[QueueItem]()
    for place, span_id in enumerate(state.contest.wait):
        item = state.items.get(span_id)
        if item is not None and item.contest != state.contest.id:
            asked = {"reason": Reason.DIFFER, "queued_at": state.now, "done_at": None, "place": place}
            known.append(item.model_copy(update={**about, **asked}))
        elif item is not None and not item.is_waiting:  # its label was withdrawn, or names nothing that is offered
            known.append(item.model_copy(update={"done_at": None, "is_marked": False}))
    state.change(known)


def _ask_for_contest(this: Pass, state: LabelState, splitter: Callable[[], Splitter], share: int) -> None:
    """Put the disagreements of the open contest before people, in the order in which they were drawn, up to `share` of
    them today."""
    places = _places_for_contest(this, state, share)
    if state.contest is None or not places:
        return
    place_of = {span_id: place for place, span_id in enumerate(state.contest.wait) if span_id not in state.items}
    new = [_differing(x, state, splitter(), this.config) for x in state.experiences(place_of)[:places]]
    _queue(this, state, [item.model_copy(update={"place": place_of[item.span_id]}) for item in new])


def _differing(
    experience: Experience, state: LabelState, splitter: Splitter, config: RoutingConfigUnified
) -> QueueItem:
    """A question of the contest: where it belongs when the contest has ended, never to the sealed test."""
    assert state.contest is not None
    split = splitter.place(experience.query)
    if not isinstance(split, Split) or split is Split.TEST:
        split = split_when_opened(experience.span_id, config.split)
    item = _item(Selection(experience, split, Reason.DIFFER, 1.0), state)
    return item.model_copy(update={"contest": state.contest.id, "kind": _kind(state)})


def _kind(state: LabelState) -> ItemKind:
    return ItemKind.PAIR if state.program.is_by_preference else ItemKind.LABEL


def _chosen(this: Pass, state: LabelState, splitter: Splitter, places: int, budget: DayBudget) -> list[Selection]:
    rules, challenger = this.config.annotation, _challenger(this, state.program)
    by = this.embedders(budget.meter)
    taken = frozenset((*state.by_people(), *state.items, *(state.contest.wait if state.contest else ())))
    name, refuted = state.program.name, frozenset(state.refuted())
    questions = OpenQuestions(
        state.log.experiences(name),
        taken,
        frozenset(state.by_trusted()),
        state.tenant_id,
        partial(state.log.experiences_of, name),
        refuted,
    )
    most = this.config.training.max_examples
    trusted = trusted_examples(state.log, state.questions, state.program.fields, most)
    training = [example for example in trusted if example.split is Split.TRAIN]
    return select(
        questions,
        splitter,
        places,
        rules.random_share,
        rules.confidence_threshold,
        lambda pool: doubts_about(pool, state.program, challenger, training, budget.open_task, by),
    )


def _places(this: Pass, state: LabelState, share: int) -> int:
    """How many spans of this program may be queued now; what waits counts too, so that nobody is buried in spans."""
    limit, items = this.config.annotation.daily_limit, state.items.values()
    waiting = state.elsewhere + sum(item.is_waiting for item in items)
    return max(0, min(share - _taken(items, state), limit - waiting, _left_today(this, state)))


def _places_for_contest(this: Pass, state: LabelState, share: int) -> int:
    """How many of its disagreements may be queued now. What else waits does not hold them up: people see them first."""
    if state.contest is None or not state.contest.wait:
        return 0
    own = [item for item in state.items.values() if item.contest == state.contest_id]
    return max(0, min(share - _taken(own, state), _left_today(this, state)))


def _taken(items: Iterable[QueueItem], state: LabelState) -> int:
    return sum(item.is_waiting or item.asked_at.date() == state.now.date() for item in items)


def _left_today(this: Pass, state: LabelState) -> int:
    return this.config.annotation.daily_limit - state.queue.queued_on(state.now.date())


def _splitter(config: RoutingConfigUnified, state: LabelState) -> Splitter:
    """Knows the places of all examples, and of all questions that were chosen to become some."""
    chosen = [(x.query, state.items[x.span_id].split) for x in state.experiences(state.items)]
    return Splitter(config.split, (), chosen, near_examples(state.log, state.questions, state.program.fields))


def _second_looks(state: LabelState, splitter: Splitter) -> list[QueueItem]:
    """Spans of which annotators say different things, in the order of their lots; each comes back once. Of two answers
    each may prefer another."""
    if state.program.is_by_preference:
        return []
    refuted = [name for name, agreement in state.agreements.items() if agreement.is_refuted]
    spans = disputed(state.annotations, state.program.fields, refuted)
    found = []
    for experience in sorted(state.experiences(spans), key=lambda x: lot_of(x.span_id, state.tenant_id)):
        item, split = state.items.get(experience.span_id), splitter.preview(experience.query)
        if (item and item.second_look_at) or not isinstance(split, Split):
            continue
        known = item or _item(Selection(experience, split, Reason.ANNOTATORS, 1.0), state)
        found.append(known.model_copy(update={"second_look_at": state.now, "done_at": None, "is_marked": False}))
    return found


def _item(choice: Selection, state: LabelState) -> QueueItem:
    return QueueItem(
        span_id=choice.experience.span_id,
        program=state.program.name,
        module=state.program.module,
        split=choice.split,
        reason=choice.reason,
        probability=choice.probability,
        queued_at=state.now,
    )


def _challenger(this: Pass, program: Program) -> Version | None:
    """The program's latest challenger, whatever became of it."""
    made = this.book.latest_challenger(program.name)
    try:
        return this.registry.version(made) if made else None
    except (Corrupt, NotFound) as error:
        log.warning("spans are chosen without a challenger's doubts: %s", error)
        return None


def _label(this: Pass, state: LabelState, budget: DayBudget) -> AnnotatorReport:
    """Let the annotator label, and store its report with how all annotators agree with people now."""
    annotator = open_annotator(this.ports.annotator, this.config, state.program, budget)
    report = AnnotatorReport(program=state.program.name, at=state.now, agreements=())
    agreements = state.agreements
    if isinstance(annotator, LMAnnotator):
        before = _without_label_today(this.store, state)
        spans = [span for span in _for_lm(this.config, state, annotator.identifier) if span not in before]
        told = partial(this.ports.progress, f"{state.program.name}: the annotator's labels")
        report, labels = _said_by(replace(annotator, told=told), state, spans, report)
        _upsert(this, labels)
        hard = hard_spans(state.items.values())
        agreements = compare([*state.annotations, *labels], state.program.fields, this.config.annotation, hard)
    else:
        report = report.model_copy(update={"off": annotator})
    _take_judge_away(this, state, "" if isinstance(annotator, str) else annotator.identifier)
    found = {"agreements": tuple(agreements[name] for name in sorted(agreements))}
    rubric = calibrated(this, state.program, state.annotations, budget)
    report = report.model_copy(update={**found, "rubric": rubric})
    return keep_report(this.store, state.tenant_id, report)


def _take_judge_away(this: Pass, state: LabelState, identifier: str) -> None:
    """Let people decide alone where the annotator that a contest counts on is not there any more."""
    contest = state.contest
    if contest is None or contest.judge is None or contest.judge.identifier == identifier:
        return
    log.warning("contest %s: people decide alone, as %s is not there any more", contest.id, contest.judge.identifier)
    try:
        this.contests.let_people_decide(contest)
    except Conflict:
        log.info("contest %s was changed meanwhile: the next pass looks again", contest.id)


def _said_by(
    annotator: LMAnnotator, state: LabelState, spans: Sequence[str], report: AnnotatorReport
) -> tuple[AnnotatorReport, list[Annotation]]:
    """What is right on the spans, or which of the two answers is better that they show."""
    experiences = state.experiences(spans)
    if not state.program.is_by_preference:
        return annotator.label(experiences, report)
    shown = [(x, state.pairs[x.span_id]) for x in experiences if x.span_id in state.pairs]
    pairs = [(x, (first, second)) for x, pair in shown for (_, first), (_, second) in [pair.texts]]
    return annotator.prefer(pairs, report)


def _without_label_today(store: Store, state: LabelState) -> tuple[str, ...]:
    """Spans that the annotator was asked about today in vain: each is paid for once a day."""
    known = report_of(store, state.tenant_id, state.program.name)
    return known.unlabelled if known and known.at.date() == state.now.date() else ()


def _for_lm(config: RoutingConfigUnified, state: LabelState, identifier: str) -> list[str]:
    """Spans without a label of this annotator: some that people have labelled, then what waits."""
    known, agreement = state.by_lms([identifier]), state.agreements.get(identifier)
    wanted = COMPARED_ENOUGH * config.annotation.min_compared - (agreement.compared if agreement else 0)
    hard = frozenset() if state.program.is_by_preference else hard_spans(state.items.values())
    both = set(state.by_people_compared()) - set(known) - hard
    to_compare = sorted(both, key=lambda span_id: lot_of(span_id, state.tenant_id))[: max(0, wanted)]
    judging = [span_id for span_id in (state.contest.wait_for_judge if state.contest else ()) if span_id not in known]
    waiting = [item.span_id for item in state.items.values() if item.is_waiting and item.span_id not in known]
    return list(dict.fromkeys((*judging, *to_compare, *waiting)))


def _show(this: Pass, state: LabelState) -> None:
    """Mark queued spans where people look for them, and those that are done."""
    unmarked = [item for item in state.items.values() if not item.is_marked]
    _upsert(this, [_mark(item, state) for item in unmarked])
    state.change([item.model_copy(update={"is_marked": True}) for item in unmarked])


def _mark(item: QueueItem, state: LabelState) -> Annotation:
    label = str(item.why) if item.is_waiting else DONE
    explanation = _told(item, state) if item.is_waiting else ""
    return Annotation(item.span_id, MARK, label, "CODE", MARKED_BY, state.now, explanation, item.probability)


def _told(item: QueueItem, state: LabelState) -> str:
    """What people are asked to do, where they look for it. Two answers are shown blind."""
    fields, pair = state.program.fields, state.pairs.get(item.span_id)
    if item.kind is ItemKind.LABEL or pair is None:
        return f"Say what is right by annotations of the names {', '.join(fields.answers)}."
    asked = f"Say which answer is better by an annotation of the name {fields.preference}: {', '.join(CHOICES)}."
    return "\n\n".join((asked, *(f"{name.upper()}\n{_cut(text)}" for name, text in pair.texts)))


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}..."


def _upsert(this: Pass, annotations: Sequence[Annotation]) -> None:
    """Write annotations; spans that the trace source has forgotten meanwhile are left out."""
    if not annotations:
        return
    try:
        this.ports.traces.annotate(this.stream, annotations)
    except NotFound:
        if len(annotations) > 1:
            for half in (annotations[: len(annotations) // 2], annotations[len(annotations) // 2 :]):
                _upsert(this, half)
