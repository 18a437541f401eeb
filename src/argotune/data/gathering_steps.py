"""Steps of gathering: what is new is taken in some spans at a time, and each step is written before the next begins.

So memory does not grow with how much is new, and a crash costs one step: the next pass goes on from what is written. A
step that is done again changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from itertools import islice
from typing import TypeVar

from argotune.data.annotated_spans import MOST_CHANGES, AnnotatedSoFar
from argotune.data.archive import ExperienceLog, read_example
from argotune.data.examples import Example, question_id
from argotune.data.experiences import Experience, query_of
from argotune.data.fields import Fields
from argotune.data.label_rule import Labels
from argotune.data.live_quality import LiveScores, ScoredAnswer, ScoredBy
from argotune.data.near_texts import NearTexts
from argotune.data.question_log import QuestionLog, Summary
from argotune.data.question_rows import QuestionRow
from argotune.data.questions import PastAnswer, Question, age, is_known, past_answer, place, settle
from argotune.data.settling import Beside, Gathered, Settling, counts_of, name_of, split_of
from argotune.data.splitting import Bridged, Split, Splitter, normalised
from argotune.errors import Corrupt
from argotune.stats.wording import counted
from argotune.store.sealing import digest
from argotune.tenants.config import RoutingConfigUnified

AT_ONCE = 400
"""Spans of one step: with an example and a record of questions for each of them it is still one write."""

LISTED_AT_ONCE = 20_000
"""Spans whose names are in memory while all are listed by days."""

T = TypeVar("T")


@dataclass(frozen=True)
class Given:
    """What is known when gathering begins: the labels to believe, a digest of them by span (`AnnotatedSpans.states`),
    and the splits of the spans that were chosen to be labelled. Experiences before `oldest` are forgotten."""

    labels: Labels
    states: Mapping[str, str]
    promised: Mapping[str, Split]
    oldest: datetime


@dataclass
class _Touched:
    """A question of which something is new."""

    inputs: Mapping[str, str]
    put: dict[str, PastAnswer] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)
    scored: dict[str, ScoredAnswer] = field(default_factory=dict)

    def after(self, before: QuestionRow) -> list[PastAnswer]:
        """All its answers now, in the order in which they were given."""
        known = {answer.span_id: answer for answer in before.answers}
        put = {id: replace(new, counted=known[id].counted) if id in known else new for id, new in self.put.items()}
        return sorted((answer for id, answer in (known | put).items() if id not in self.dropped), key=age)


class GatheringSteps:
    """What is new since the last pass, and what comes of it. Each step leaves a summary to go on from."""

    def __init__(
        self,
        log: ExperienceLog,
        questions: QuestionLog,
        fields: Fields,
        config: RoutingConfigUnified,
        given: Given,
        summary: Summary,
        live: LiveScores | None = None,
    ) -> None:
        self._live = live
        self._log, self._questions, self._fields, self._config = log, questions, fields, config
        self._given, self._summary = given, summary
        self._annotated = AnnotatedSoFar.of(questions.annotated())
        self._near: NearTexts | None = None
        self._touched: dict[str, _Touched] = {}
        self._days = {day: list(names) for day, names in summary.days.items()}
        self._expired, self._forgotten = 0, 0

    def gathered(self) -> Gathered:
        """What all questions come to now. Nothing is written where nothing is new."""
        changes = self._summary.changes
        for names, span_ids in self._fresh():
            self._take_in(names, span_ids)
        self._label_anew()
        self._forget()
        if self._summary.is_anew:
            self._forget_unasked()
        is_much = self._summary.changes > min(MOST_CHANGES, changes + 1)
        if is_much or self._questions.is_annotated_lost:
            whole = self._questions.put_annotated(self._summary, self._annotated.all)
            self._summary = self._questions.commit(whole)
        counts, found, known = counts_of(self._summary.reasons, self._forgotten), self._summary, self._annotated
        return Gathered(found.sums, found.experiences, counts, self._expired, known.judged, known.refuted)

    # What was asked since

    def _fresh(self) -> Iterator[tuple[list[str], list[str]]]:
        """Spans that are not taken in, AT_ONCE at most, and the names of records that list none beside them."""
        names, found = list[str](), list[str]()
        for name in self._questions.fresh_names():
            spans = self._questions.fresh_spans(name)
            if found and len(found) + len(spans) > AT_ONCE:
                yield names, found
                names, found = [], []
            *first, last = _lists(spans) or [[]]
            for part in first:
                yield [], part
            names, found = [*names, name], [*found, *last]
        if names:
            yield names, found

    def _take_in(self, names: Sequence[str], span_ids: Sequence[str]) -> None:
        """Take in spans, of which some may have been taken in before."""
        experiences = list(self._read(span_ids))
        rows = self._questions.rows({self._id_of(each) for each in experiences})
        known = {answer.span_id for row in rows.values() for answer in row.answers}
        expired = [each for each in experiences if each.at < self._given.oldest]
        new = [each for each in experiences if each.at >= self._given.oldest]
        for experience in expired:
            self._touch(experience).dropped.add(experience.span_id)
        for experience in new:
            self._put(experience, is_fresh=True)
        self._list_by_day(each for each in new if each.span_id not in known)
        self._annotated.believe({id: self._given.states[id] for id in span_ids if id in self._given.states})
        self._write(Beside(fresh=names, expired=[each.span_id for each in expired]))

    def _list_by_day(self, new: Iterable[Experience]) -> None:
        days: defaultdict[str, list[tuple[str, datetime]]] = defaultdict(list)
        for experience in new:
            days[_day(experience.at)].append((experience.span_id, experience.at))
        for day, spans in days.items():
            name = f"{day}/{digest([id for id, _ in spans])[:16]}"
            self._questions.put_day(name, spans)
            self._days[day] = list(dict.fromkeys((*self._days.get(day, ()), name)))

    # What is said of spans since

    def _label_anew(self) -> None:
        """Settle the questions of spans of which something else is believed than in the last pass."""
        before, now = self._annotated.states, self._given.states
        changed = [id for id in sorted(before.keys() | now.keys()) if (before.get(id) or "") != (now.get(id) or "")]
        for some in _lists(changed):
            for experience in self._read(some):
                self._put(experience, is_fresh=False)
            self._write(Beside())
        self._annotated.believe({id: now.get(id) for id in (*before, *now)})
        if self._annotated.is_changed:
            self._write(Beside())

    # What is too old

    def _forget(self) -> None:
        """Drop the answers that are too old by now."""
        for day in sorted(self._days):
            if day > _day(self._given.oldest):
                return
            for name in list(self._days[day]):
                self._forget_of(day, name)

    def _forget_of(self, day: str, name: str) -> None:
        rest = self._questions.day(name)
        for some in _lists([id for id, at in rest if at < self._given.oldest]):
            forgotten, gone = list(self._read(some)), set(some)
            if len(forgotten) < len(some):
                raise Corrupt(f"{counted(len(some) - len(forgotten), 'experience')} of {day} cannot be read")
            for experience in forgotten:
                self._touch(experience).dropped.add(experience.span_id)
            rest = [(id, at) for id, at in rest if id not in gone]
            self._list(day, name, rest)
            self._write(Beside(expired=some, over=[] if rest else [name]))

    def _list(self, day: str, name: str, rest: Sequence[tuple[str, datetime]]) -> None:
        if rest:
            self._questions.put_day(name, rest)
            return
        self._days[day].remove(name)
        if not self._days[day]:
            del self._days[day]

    def _forget_unasked(self) -> None:
        """Drop the examples of an earlier gathering whose questions were not asked since."""
        for some in _batches(self._log.each_example(self._fields.program)):
            rows = self._questions.rows(sorted(example.id for example in some))
            self._questions.let_go()
            unasked = [id for id, row in rows.items() if not row.answers]
            if unasked:
                self._write(Beside(), unasked)
        self._summary = self._questions.commit(self._summary.model_copy(update={"is_anew": False}))

    # One step

    def _write(self, beside: Beside, unasked: Sequence[str] = ()) -> None:
        """Settle the questions that were touched, and write what came of it."""
        state = Settling(self._questions, self._fields, self._summary, self._annotated)
        in_order = self._in_order()
        examples = self._log.example_texts(self._fields.program, [id for id, row, _ in in_order if self._may_have(row)])
        for id, row, touched in in_order:
            self._settle(state, id, row, touched, examples.get(id))
        for id in unasked:
            state.forget(id)
        self._summary = state.committed(self._days, self._log, beside, self._live.records() if self._live else [])
        self._touched = {}
        self._expired += len(beside.expired)
        self._forgotten += state.forgotten
        if self._near is not None:
            self._near.written()

    def _in_order(self) -> list[tuple[str, QuestionRow, _Touched]]:
        """The touched questions with their rows before, those first that were asked first."""
        rows = self._questions.rows(self._touched)
        answers = {id: (*rows[id].answers, *touched.put.values()) for id, touched in self._touched.items()}
        firsts = sorted((min(map(age, found)), id) for id, found in answers.items() if found)
        return [(id, rows[id], self._touched[id]) for _, id in firsts]

    def _settle(self, state: Settling, id: str, before: QuestionRow, touched: _Touched, text: str | None) -> None:
        """Settle one; `text` is what is stored of its example."""
        answers = touched.after(before)
        question, was_example = Question(touched.inputs, answers), self._is_example(before)
        stored, where = self._stored(id, text, was_example=was_example), None
        if was_example:
            where = split_of(before.place)
        elif is_known(answers, self._fields):  # else an index is not worth its loading
            # What was no example has no place to keep: nothing was judged by it, and only texts of examples are in the
            # index. Kept without its text, a place would let a near question get another one.
            where = stored.split if stored else place(question, self._splitter, self._fields, id)
        if self._live:
            answers = [self._counted(self._live, answer, touched, where) for answer in answers]
        state.change(id, touched.inputs, before, QuestionRow(name_of(where), tuple(answers)), stored)

    def _counted(
        self, live: LiveScores, answer: PastAnswer, touched: _Touched, where: Split | Bridged | None
    ) -> PastAnswer:
        """An answer, marked as counted where it is scored. What people say of sealed questions is not: a contest begins
        when a drop is found, and would begin when the champion did badly on the very questions that judge it."""
        scored = touched.scored.get(answer.span_id)
        if scored is None:
            return answer
        by = live.counted(scored.but(ScoredBy.PEOPLE) if where is Split.TEST else scored, answer.counted)
        return replace(answer, counted=by) if by != answer.counted else answer

    def _may_have(self, before: QuestionRow) -> bool:
        """Whether there may be an example of a question: its own, or where it is new that of an earlier gathering."""
        return self._is_example(before) if before.answers else self._summary.is_anew

    def _stored(self, id: str, text: str | None, *, was_example: bool) -> Example | None:
        """The example of a question so far, or that of an earlier gathering where it can be read."""
        if was_example:
            if text is None:
                raise Corrupt(f"the example {id} of {self._fields.program} is gone")
            return read_example(text)
        with suppress(Corrupt):
            return read_example(text) if text else None
        return None

    @cached_property
    def _splitter(self) -> Splitter:
        self._near = self._questions.near(self._summary, partial(compared_text_of, self._log, self._fields.program))
        known = {id for id, state in self._annotated.states.items() if state == self._given.states.get(id)}
        promised = self._read(span_id for span_id in self._given.promised if span_id not in known)
        chosen = [(experience.query, self._given.promised[experience.span_id]) for experience in promised]
        return Splitter(self._config.split, (), chosen, self._near)

    def _read(self, span_ids: Iterable[str]) -> Iterator[Experience]:
        """Those that are stored."""
        return self._log.experiences_of(self._fields.program, span_ids)

    def _put(self, experience: Experience, *, is_fresh: bool) -> None:
        touched = self._touch(experience)
        touched.put[experience.span_id] = self._answered(experience)
        if self._live:
            touched.scored[experience.span_id] = self._live.scored(experience, is_fresh=is_fresh)

    def _touch(self, experience: Experience) -> _Touched:
        return self._touched.setdefault(self._id_of(experience), _Touched(experience.inputs))

    def _id_of(self, experience: Experience) -> str:
        return question_id(self._fields.program, experience.inputs)

    def _is_example(self, row: QuestionRow) -> bool:
        """Whether an example came of the question."""
        return settle(row.answers, split_of(row.place), self._fields).best is not None

    def _answered(self, experience: Experience) -> PastAnswer:
        return past_answer(experience, self._given.labels, self._fields, self._config)


def listed_anew(log: ExperienceLog, questions: QuestionLog, fields: Fields, edition: str) -> Summary:
    """Forget what was gathered, and list everything that is stored as new; known examples keep their splits."""
    questions.clear()
    if _sum_of(questions.fresh()) != _sum_of(log.span_ids(fields.program)):
        _list_all(log, questions, fields)
    summary = Summary(edition="")
    for some in _batches(log.each_example(fields.program)):
        known = [(example.id, example.split.value, compared_text(example)) for example in some]
        chunks = questions.change_near(summary, frozenset(), known)
        summary = questions.commit(summary.model_copy(update={"chunks": chunks, "is_anew": True}))
    summary = summary.model_copy(update={"edition": edition})
    return questions.commit(summary) if summary.is_anew else summary


def _list_all(log: ExperienceLog, questions: QuestionLog, fields: Fields) -> None:
    listed, kept = questions.fresh_names(), set[str]()
    for spans in _by_days((each.span_id, each.at) for each in log.experiences(fields.program)):
        kept.add(questions.list_fresh(fields.program, spans))
    questions.forget_fresh([name for name in listed if name not in kept])


def _sum_of(span_ids: Iterable[str]) -> tuple[int, int]:
    """How many there are, and a sum that tells whether others are the same ones, each as often, in whatever order."""
    count = total = 0
    for id in span_ids:
        count, total = count + 1, (total + hash(id)) % 2**64
    return count, total


def _by_days(spans: Iterable[tuple[str, datetime]]) -> Iterator[list[tuple[str, datetime]]]:
    """Lists of the spans of a day, AT_ONCE at most."""
    days: defaultdict[str, list[tuple[str, datetime]]] = defaultdict(list)
    held = 0
    for id, at in spans:
        days[_day(at)].append((id, at))
        held += 1
        if len(days[_day(at)]) == AT_ONCE:
            yield days.pop(_day(at))
            held -= AT_ONCE
        elif held == LISTED_AT_ONCE:
            yield from days.values()
            days.clear()
            held = 0
    yield from days.values()


def compared_text_of(log: ExperienceLog, program: str, id: str) -> str:
    """The normalised text of a stored example, "" where it is gone."""
    example = log.example(program, id)
    return compared_text(example) if example else ""


def compared_text(example: Example) -> str:
    """What is compared of an example."""
    return normalised(query_of(example.inputs))


def _day(at: datetime) -> str:
    return at.astimezone(UTC).date().isoformat()


def _batches(found: Iterator[T]) -> Iterator[list[T]]:
    while some := list(islice(found, AT_ONCE)):
        yield some


def _lists(found: Sequence[str]) -> list[list[str]]:
    return list(_batches(iter(found)))
