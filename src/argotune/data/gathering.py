"""Gathering: from a program's experiences and labels to its examples, where only what is new is looked at.

The rules are those of examples.py: what comes of a question depends on its own answers, and on where near questions
were placed. So a pass settles anew the questions that were asked since, whose labels were changed, or of which answers
were forgotten, and changes the sums by these. Where the rules themselves were changed, everything is new.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial

from argotune.data.archive import ExperienceLog
from argotune.data.examples import Example, question_id
from argotune.data.experiences import Experience, query_of
from argotune.data.fields import Fields
from argotune.data.label_rule import Labels
from argotune.data.near_texts import NearTexts
from argotune.data.question_log import AnnotatedSpans, QuestionLog, QuestionRow, Summary
from argotune.data.questions import PastAnswer, Question, age, by_question, is_known, past_answer, place, settle
from argotune.data.remarks import REMARKS
from argotune.data.settling import Gathered, Settling, counts_of, name_of, split_of
from argotune.data.splitting import Split, Splitter, normalised
from argotune.errors import Corrupt, NewerRecord
from argotune.stats.wording import counted
from argotune.store.sealing import digest
from argotune.tenants.config import RoutingConfigUnified

logger = logging.getLogger(__name__)

FORM = 2
"""Of what is kept; another one is made anew."""


@dataclass(frozen=True)
class Given:
    """What is known when gathering begins: the labels to believe, a digest of them by span (`AnnotatedSpans.states`),
    and the splits of the spans that were chosen to be labelled. Experiences before `oldest` are forgotten."""

    labels: Labels
    states: Mapping[str, str]
    promised: Mapping[str, Split]
    oldest: datetime


def edition_of(fields: Fields, config: RoutingConfigUnified) -> str:
    """A digest of the rules by which a question's example depends on its answers and labels."""
    answers = {name: list(labels) if labels is not None else None for name, labels in fields.answers.items()}
    types = {name: str(found) for name, found in sorted(fields.types.items())}
    rules = [config.reward.model_dump(), config.min_trace_confidence, config.masking.model_dump(mode="json")]
    return digest([FORM, list(fields.inputs), answers, *rules, *([types] if types else [])])


def gather(
    log: ExperienceLog, questions: QuestionLog, fields: Fields, config: RoutingConfigUnified, given: Given
) -> Gathered:
    """Take in what is new, and store what came of it. A crash leaves what the next pass goes on from, or makes anew.

    Raises NewerRecord for what a newer release gathered.
    """
    edition, summary = edition_of(fields, config), questions.summary()
    if summary is None or summary.edition != edition:
        return _anew(log, questions, fields, config, given, edition)
    try:
        return _Onward(log, questions, fields, config, given, summary).gathered()
    except NewerRecord:
        raise
    except Corrupt as error:
        logger.warning("%s: gathered anew, as something kept cannot be read: %s", fields.program, error)
        return _anew(log, questions, fields, config, given, edition)


def own_spans(log: ExperienceLog, questions: QuestionLog, fields: Fields, span_ids: Iterable[str]) -> frozenset[str]:
    """Those of the annotated spans that are the program's own. Reads the ones that were not annotated before."""
    states = questions.annotated().states
    fresh = {span_id for spans in questions.fresh().values() for span_id in spans}

    def is_own(span_id: str) -> bool:
        state = states.get(span_id)
        if state is None or (not state and span_id in fresh):
            return log.experience(fields.program, span_id) is not None
        return bool(state)

    return frozenset(filter(is_own, span_ids))


def near_examples(log: ExperienceLog, questions: QuestionLog, fields: Fields) -> NearTexts:
    """The index of all examples by their splits, as it was gathered last."""
    summary = questions.summary()
    if summary is None:
        return NearTexts({normalised(query_of(e.inputs)): e.split.value for e in log.examples(fields.program)})
    return questions.near(summary, partial(_text_of, log, fields.program))


def _text_of(log: ExperienceLog, program: str, id: str) -> str:
    example = log.example(program, id)
    return normalised(query_of(example.inputs)) if example else ""


def trusted_examples(log: ExperienceLog, questions: QuestionLog, fields: Fields) -> list[Example]:
    """The training and dev examples with labels of people or an independent annotator, as they were gathered last."""
    experiences = (log.experience(fields.program, span_id) for span_id in sorted(questions.annotated().judged))
    ids = [question_id(fields.program, experience.inputs) for experience in experiences if experience]
    found: list[Example] = []
    for id in ids:
        with suppress(Corrupt):
            found += filter(None, [log.example(fields.program, id)])
    return found


def state_of(span_id: str, labels: Labels, fields: Fields) -> str:
    """A digest of all that is believed of a span."""
    both = (labels.believed, labels.on_test)
    found = [labels_of.get((span_id, name)) for labels_of in both for name in fields.answers]
    said = [[x.label, x.kind, x.updated_at.isoformat()] if x else None for x in found]
    remarks = [labels.believed.get((span_id, name)) for name in REMARKS]
    for x in filter(None, remarks):
        where = ["session"] if x.is_of_session else []
        said += [[x.name, x.label, str(x.score), x.kind, x.updated_at.isoformat(), *where]]
    return digest(said)[:16]


def _anew(
    log: ExperienceLog, questions: QuestionLog, fields: Fields, config: RoutingConfigUnified, given: Given, edition: str
) -> Gathered:
    """From everything that is stored. Known examples keep their splits."""
    fresh = list(questions.fresh())
    questions.clear()
    kept = _Kept(log, fields, config, given)
    stored = {example.id: example for example in log.examples(fields.program)}
    splitter = Splitter(config.split, ((query_of(e.inputs), e.split) for e in stored.values()), kept.promised)
    state = Settling(questions, fields, Summary(edition=edition), AnnotatedSpans())
    while kept.asked:
        question = kept.asked.pop(next(iter(kept.asked)))
        id = question_id(fields.program, question.inputs)
        row = QuestionRow(name_of(place(question, splitter, fields)), tuple(question.answers))
        state.change(id, question.inputs, QuestionRow(), row, stored.pop(id, None))
    state.forgotten = len(stored)
    state.gone |= stored.keys()
    for day, spans in kept.days.items():
        questions.put_day(f"{day}/all", spans)
    return state.committed({day: [f"{day}/all"] for day in kept.days}, given.states, log, kept.expired, fresh)


class _Kept:
    """All experiences that are not too old, as far as their questions need them."""

    def __init__(self, log: ExperienceLog, fields: Fields, config: RoutingConfigUnified, given: Given) -> None:
        self.expired: list[str] = []
        self.promised: list[tuple[str, Split]] = []
        self.days: defaultdict[str, list[tuple[str, datetime]]] = defaultdict(list)
        found = ((x, past_answer(x, given.labels, fields, config)) for x in self._kept(log, fields, given))
        self.asked: dict[tuple[str, ...], Question] = by_question(found)

    def _kept(self, log: ExperienceLog, fields: Fields, given: Given) -> Iterator[Experience]:
        for experience in log.experiences(fields.program):
            if experience.at < given.oldest:
                self.expired.append(experience.span_id)
                continue
            if experience.span_id in given.promised:
                self.promised.append((experience.query, given.promised[experience.span_id]))
            self.days[_day(experience.at)].append((experience.span_id, experience.at))
            yield experience


@dataclass
class _Touched:
    """A question of which something is new."""

    inputs: Mapping[str, str]
    put: dict[str, PastAnswer] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)

    def after(self, before: QuestionRow) -> list[PastAnswer]:
        """All its answers now, in the order in which they were given."""
        known = {answer.span_id: answer for answer in before.answers} | self.put
        return sorted((answer for id, answer in known.items() if id not in self.dropped), key=age)


class _Onward:
    """What is new since the last pass, and what comes of it."""

    def __init__(
        self,
        log: ExperienceLog,
        questions: QuestionLog,
        fields: Fields,
        config: RoutingConfigUnified,
        given: Given,
        summary: Summary,
    ) -> None:
        self._log, self._questions, self._fields, self._config = log, questions, fields, config
        self._given, self._summary = given, summary
        self._annotated = questions.annotated()
        self._touched: dict[str, _Touched] = {}
        self._days = {day: list(names) for day, names in summary.days.items()}
        self._over: list[str] = []
        self._expired: list[str] = []

    def gathered(self) -> Gathered:
        """What all questions come to now. Nothing is written where nothing is new."""
        fresh = self._questions.fresh()
        self._take_in({span_id for spans in fresh.values() for span_id in spans})
        changed = self._changed()
        for experience in self._read(changed):
            self._touch(experience).put[experience.span_id] = self._answered(experience)
        self._forget()
        if not (fresh or changed or self._expired or self._over):
            counts, known = counts_of(self._summary.reasons, 0), self._annotated
            return Gathered(self._summary.sums, self._summary.experiences, counts, 0, known.judged, known.refuted)
        state = Settling(self._questions, self._fields, self._summary, self._annotated)
        for id, row, touched in self._in_order():
            self._settle(state, id, row, touched)
        return state.committed(self._days, self._given.states, self._log, self._expired, fresh, self._over)

    def _take_in(self, span_ids: Iterable[str]) -> None:
        days: defaultdict[str, list[tuple[str, datetime]]] = defaultdict(list)
        for experience in self._read(span_ids):
            days[_day(experience.at)].append((experience.span_id, experience.at))
            self._touch(experience).put[experience.span_id] = self._answered(experience)
        for day, spans in days.items():
            name = f"{day}/{digest([id for id, _ in spans])[:16]}"
            self._questions.put_day(name, spans)
            self._days[day] = list(dict.fromkeys((*self._days.get(day, ()), name)))

    def _changed(self) -> list[str]:
        """The spans of which something else is believed than in the last pass."""
        before, now = self._annotated.states, self._given.states
        return [id for id in sorted(before.keys() | now.keys()) if before.get(id) != now.get(id)]

    def _forget(self) -> None:
        """Drop the answers that are too old by now."""
        for day in sorted(self._days):
            if day > _day(self._given.oldest):
                return
            for name in list(self._days[day]):
                self._forget_of(day, name)

    def _forget_of(self, day: str, name: str) -> None:
        spans = self._questions.day(name)
        old = [id for id, at in spans if at < self._given.oldest]
        forgotten = list(self._read(old))
        if len(forgotten) < len(old):
            raise Corrupt(f"{counted(len(old) - len(forgotten), 'experience')} of {day} cannot be read")
        for experience in forgotten:
            self._touch(experience).dropped.add(experience.span_id)
        self._expired += old
        if len(old) == len(spans):
            self._days[day].remove(name)
            self._over.append(name)
        elif old:
            self._questions.put_day(name, [(id, at) for id, at in spans if at >= self._given.oldest])
        if not self._days[day]:
            del self._days[day]

    def _in_order(self) -> Iterator[tuple[str, QuestionRow, _Touched]]:
        """The touched questions with their rows before, those first that were asked first."""
        found = [(id, self._questions.row(id), touched) for id, touched in self._touched.items()]
        firsts = {id: min(map(age, (*row.answers, *touched.put.values()))) for id, row, touched in found}
        yield from sorted(found, key=lambda item: firsts[item[0]])

    def _settle(self, state: Settling, id: str, before: QuestionRow, touched: _Touched) -> None:
        answers = touched.after(before)
        question, was_example = Question(touched.inputs, answers), self._is_example(before)
        where = split_of(before.place) if was_example else None
        if not was_example and is_known(answers, self._fields):  # else an index is not worth its loading
            where = place(question, self._splitter, self._fields)
        stored = self._log.example(self._fields.program, id) if was_example else None
        if was_example and stored is None:
            raise Corrupt(f"the example {id} of {self._fields.program} is gone")
        state.change(id, touched.inputs, before, QuestionRow(name_of(where), tuple(answers)), stored)

    @cached_property
    def _splitter(self) -> Splitter:
        near = self._questions.near(self._summary, partial(_text_of, self._log, self._fields.program))
        known = {id for id, state in self._annotated.states.items() if state == self._given.states.get(id)}
        promised = self._read(span_id for span_id in self._given.promised if span_id not in known)
        chosen = [(experience.query, self._given.promised[experience.span_id]) for experience in promised]
        return Splitter(self._config.split, (), chosen, near)

    def _read(self, span_ids: Iterable[str]) -> Iterator[Experience]:
        """Those that are stored."""
        return filter(None, (self._log.experience(self._fields.program, span_id) for span_id in span_ids))

    def _touch(self, experience: Experience) -> _Touched:
        id = question_id(self._fields.program, experience.inputs)
        return self._touched.setdefault(id, _Touched(experience.inputs))

    def _is_example(self, row: QuestionRow) -> bool:
        """Whether an example came of the question."""
        return settle(row.answers, split_of(row.place), self._fields).best is not None

    def _answered(self, experience: Experience) -> PastAnswer:
        return past_answer(experience, self._given.labels, self._fields, self._config)


def _day(at: datetime) -> str:
    return at.astimezone(UTC).date().isoformat()
