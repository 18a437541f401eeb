"""evaluate: what champion and challenger of a contest answer to fresh questions, and what that comes to by now.

The only stage that opens the test split. Answers are written down batch by batch, so a crash asks nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from itertools import chain, islice

from argotune.data.annotations import Annotation, LabelSource
from argotune.data.dataset import Dataset
from argotune.data.examples import Example, question_id
from argotune.data.experiences import Experience, query_of
from argotune.data.guards.leaks import held_questions
from argotune.data.guards.masking import Mask
from argotune.data.near_texts import NearTexts
from argotune.data.splitting import normalised
from argotune.errors import BudgetSpent, ConfigInvalid
from argotune.lm.effort import UNKNOWN
from argotune.lm.port import LMs
from argotune.pipeline.both_versions import BothVersions, ContestQuestion, label_digest, labelled_question
from argotune.pipeline.module_pass import Pass
from argotune.pipeline.standing import score_of_answer, scores_of_preference, standing_of
from argotune.programs.embedder import Embedders
from argotune.programs.program import Program
from argotune.promotion.contests import Contest
from argotune.promotion.drawing import in_lot_order, is_measured
from argotune.promotion.efforts import with_efforts
from argotune.promotion.evidence import NOT_PLAIN, Evidence, Standing, weigh
from argotune.promotion.measuring import Terms, measure, outlook_of
from argotune.promotion.offers import OFFERED, Offers
from argotune.promotion.pairs import Answer, Pair
from argotune.promotion.preferences import is_champion_first
from argotune.promotion.verdicts import Comparison, Drawn
from argotune.stats.wording import counted

BATCH = 20
"""Questions that are asked before their answers are written down: so many are lost where the budget ends in between."""


@dataclass(frozen=True)
class AtHand:
    """What a pass has for its contests: the examples and annotations that they are weighed by, LMs to ask, None where
    nothing is to be asked, and what embeds questions."""

    data: Dataset
    annotations: Sequence[Annotation]
    lms: LMs | None
    embedders: Embedders


@dataclass(frozen=True)
class Evaluation:
    """The evidence of a contest as it stands, whether requests wait to be drawn in a later pass, how many were `drawn`
    so far, and why asking ended early, "" where it did not. `is_plain`: nothing refuted that the metric gives equal
    answers equal scores."""

    evidence: Evidence
    owes_answers: bool
    drawn: int
    is_plain: bool
    cut_short: str = ""


def evaluate(this: Pass, program: Program, contest: Contest, at_hand: AtHand) -> Evaluation:
    """Ask both versions the sealed examples and then requests by lot, as far as limits go, and weigh all answers.
    Without LMs nothing is asked.

    Raises Unavailable, and NoContent, ConfigInvalid or ProgramFailed where no question at all was answered: what was
    answered before is kept.
    """
    work = _Gathering(this, program, contest, at_hand)
    if at_hand.lms is None:
        return work.evaluation(owes_answers=False)
    try:
        work.ask_sealed()
        work.ask_labelled()
        work.ask_drawn()
    except BudgetSpent as error:
        return work.evaluation(owes_answers=True, cut_short=str(error))
    return work.evaluation(owes_answers=work.owes_answers, cut_short=work.limit_met)


class _Gathering:
    def __init__(self, this: Pass, program: Program, contest: Contest, at_hand: AtHand) -> None:
        self._this, self._program, self._contest = this, program, contest
        self._data, self._annotations = at_hand.data, at_hand.annotations
        pages = this.contests.pages(contest.id)
        self._pairs = [pair for page in pages for pair in page.pairs]
        self._passed = {span_id for page in pages for span_id in page.passed}
        marks = [marks for page in pages for marks in page.marks]
        self._both = BothVersions(this, program, contest, at_hand.lms, at_hand.embedders, marks)
        self.owes_answers, self.limit_met = False, ""
        self.is_plain = contest.is_plain

    def evaluation(self, *, owes_answers: bool, cut_short: str = "") -> Evaluation:
        found = self.evidence()  # which may find that the metric is not plain
        evidence = replace(found, comparison=self._with_efforts(found.comparison))
        return Evaluation(evidence, owes_answers, self._drawn_so_far, self.is_plain, cut_short)

    def _with_efforts(self, comparison: Comparison) -> Comparison:
        return with_efforts(comparison, self._pairs, self._this.config.contest, self._contest.id)

    @cached_property
    def _is_withheld(self) -> bool:
        return bool(self._this.withheld_as_cheaper(self._contest.program, self._contest.champion))

    def ask_sealed(self) -> None:
        """Ask the sealed examples that were not asked yet. Those that the challenger may have seen are left out."""
        asked = {pair.question for pair in self._pairs}
        examples = self._data.pick(id for id in self._contest.sealed_ids if id not in asked)
        questions = [labelled_question(example) for example in examples if not self._is_near_seen(example.inputs)]
        fresh, _ = self._without_held(questions)
        for start in range(0, len(fresh), self._batch):
            self._ask(fresh[start : start + self._batch], "sealed")
            self._tell("sealed questions", min(start + self._batch, len(fresh)), len(fresh))

    def ask_labelled(self) -> None:
        """Ask both again what people have labelled since, where the metric must see predictions to score them."""
        self.evidence()  # which may find that it must
        if self._is_metric_plain:
            return
        owed = [example for pair in self._pairs if (example := self._unmarked(pair))]
        for start in range(0, len(owed), self._batch):
            self._this.check()
            questions = [labelled_question(example) for example in owed[start : start + self._batch]]
            self._both.ask(questions)
            marks = [marks for q in questions if (marks := self._both.marks.get((q.id, label_digest(q.example))))]
            self._this.contests.append(self._contest.id, (), self._this.now, marks=marks)
            self._tell("labelled questions", min(start + self._batch, len(owed)), len(owed))

    def _unmarked(self, pair: Pair) -> Example | None:
        """The right answer of a pair that judges, where no score by it is known."""
        example = self._standing.examples.get(pair.question)
        if example is None or pair.repeats or pair.is_silent or pair.span_id in self._standing.contradicted:
            return None
        judges = example.source.is_trusted if pair.drawn == "sealed" else example.source is LabelSource.HUMAN
        return example if judges and (pair.question, label_digest(example)) not in self._both.marks else None

    def ask_drawn(self) -> None:
        """Draw requests by lot and ask them, until enough disagreements wait for their labels or a limit is met."""
        rules = self._this.config.contest
        most = left = min(rules.shadow_calls_per_pass, self._room)
        self.limit_met = self._limit_told() if left <= 0 and self._wants_more() else ""
        asked = {*self._passed, *(pair.span_id for pair in self._pairs)}  # a request answers once, sealed or drawn
        order = in_lot_order(self._contest.id, self._requests(), asked, self._since)
        waiting = iter(order)
        while left > 0 and self._wants_more():
            batch, passed, is_over = self._next_batch(waiting, min(left, self._batch))
            if batch or passed:
                self._ask(batch, "lot", passed)
            left -= len(batch)
            self._tell("fresh questions", most - left, most)
            if is_over:
                return
        has_more = rules.shadow_calls_per_pass > 0 < self._room and next(waiting, None) is not None
        self.owes_answers = has_more and self._wants_more()

    @property
    def _room(self) -> int:
        """How many requests may still be drawn."""
        return self._this.config.contest.max_shadow_calls - self._drawn_so_far

    def _limit_told(self) -> str:
        most = self._this.config.contest.max_shadow_calls
        full = f"contest.max_shadow_calls: {counted(most, 'request')} may be drawn, {self._drawn_so_far:,} were"
        return full if self._room <= 0 else "contest.shadow_calls_per_pass: no pass may draw a request"

    @property
    def _drawn_so_far(self) -> int:
        return sum(pair.drawn == "lot" for pair in self._pairs)

    @cached_property
    def _batch(self) -> int:
        """Questions of a batch, of which the budget of a run pays for two: one that ended within the first would
        be spent on nothing, pass after pass."""
        calls = 2 * max(len(self._program.build().predictors()), 1)
        return max(1, min(BATCH, self._this.config.budget.max_lm_calls // (2 * calls)))

    def evidence(self) -> Evidence:
        """What all answers so far come to by the labels that stand. Where they show that the metric is not plain, they
        are weighed, and asked, as those of one that is not."""
        found = self._weighed()
        if not self._is_metric_plain or NOT_PLAIN not in found.left_out:
            return found
        self.is_plain = False
        return self._weighed()

    @property
    def _is_metric_plain(self) -> bool:
        return self._program.is_metric_plain and self.is_plain

    def _weighed(self) -> Evidence:
        contest, now = self._contest, self._this.now
        return weigh(
            (contest.program, contest.champion, contest.challenger),
            self._told_apart(),
            self._standing,
            self._scores,
            now,
            self._patience,
            is_plain=self._is_metric_plain,
        )

    @cached_property
    def _patience(self) -> timedelta:
        """How long people and judge may take; for ever by a clock that may have leapt."""
        return timedelta(days=self._this.config.contest.patience_days) if self._this.sure_now else timedelta.max

    def _told_apart(self) -> list[Pair]:
        """The pairs. Where equal answers were taken for equally right at first, near-duplicates among them are found
        here."""
        if self._is_metric_plain or not self._program.is_metric_plain:
            return self._pairs
        known, found = NearTexts(), list[Pair]()
        for pair in self._pairs:
            key = self._key(pair) if pair.repeats is None else ""
            first = next(iter(known.groups_near(key)), None) if key else None
            if key and first is None:
                known.add(key, pair.question)
            found.append(pair if first is None else replace(pair, repeats=first))
        return found

    def _wants_more(self) -> bool:
        """Whether more disagreements are needed than wait for a label already."""
        found, config = self.evidence(), self._this.config
        terms = Terms(self._contest.level, self._contest.opened_at, self._this.now, config)
        numbers, waiting = measure(self._with_efforts(found.comparison), terms), len(found.wait)
        withheld = numbers.not_worse is not None and self._is_withheld
        ahead = outlook_of(numbers, waiting, config, self._contest.judge, withheld=withheld)
        return ahead is None or ahead.labels > len(found.wait)

    def _next_batch(self, waiting: Iterator[str], size: int) -> tuple[list[ContestQuestion], list[str], bool]:
        """Questions to ask, spans passed over as the challenger may have seen the like, and whether none is left."""
        batch, passed = list[ContestQuestion](), list[str]()
        while len(batch) < size and (some := list(islice(waiting, size - len(batch)))):
            read = {each.span_id: each for each in self._this.archive.experiences_of(self._program.name, some)}
            fit = [id for id in some if id in read and not self._is_near_seen(read[id].inputs)]
            batch += [self._drawn(read[id]) for id in fit]
            passed += [id for id in some if id not in fit]
        is_over = len(batch) < size
        batch, held = self._without_held(batch)
        return batch, [*passed, *(question.span_id for question in held)], is_over

    def _without_held(
        self, questions: Sequence[ContestQuestion]
    ) -> tuple[list[ContestQuestion], list[ContestQuestion]]:
        """The questions of which the challenger holds nothing by heart, and those of which it does."""
        asked = {question.id: question.inputs for question in questions}
        held = set(held_questions(self._both.challenger.state, asked, self._program.fields.answers))
        return [q for q in questions if q.id not in held], [q for q in questions if q.id in held]

    def _drawn(self, experience: Experience) -> ContestQuestion:
        id = question_id(self._program.name, experience.inputs)
        is_own = experience.program_version == self._contest.champion and self._is_in_trace
        measures = self._this.config.contest.margin_if_cheaper > 0 and is_measured(self._contest.id, id)
        return ContestQuestion(
            id,
            experience.span_id,
            experience.inputs,
            {n: v for n, v in (("modality", experience.modality), ("language", experience.language)) if v},
            (experience.said or None) if is_own else None,
            took_s=experience.processing_time_s,
            is_measured=measures,
        )

    def _ask(self, batch: Sequence[ContestQuestion], drawn: Drawn, passed: Sequence[str] = ()) -> None:
        self._this.check()
        known = {pair.question: pair for pair in reversed(self._pairs)}
        new = {question.id: question for question in batch if question.id not in known}
        before = set(self._both.marks)
        answers = self._both.answers(list(new.values()))
        pairs = []
        for question in batch:
            first = known.get(question.id)
            pair = _again(first, question, drawn) if first else self._pair(question, drawn, answers[question.id])
            known.setdefault(question.id, pair)
            pairs.append(pair)
        marks = [self._both.marks[key] for key in self._both.marks if key not in before]
        self._this.contests.append(self._contest.id, pairs, self._this.now, passed, marks)
        self._pairs += pairs

    def _tell(self, what: str, done: int, total: int) -> None:
        self._this.ports.progress(f"{self._program.name}: champion and challenger on {what}", done, total)

    def _pair(self, question: ContestQuestion, drawn: Drawn, answers: tuple[Answer, Answer]) -> Pair:
        first = is_champion_first(self._contest.id, question.id)
        said = Pair(question.id, question.span_id, drawn, *answers, question.slices, is_champion_first=first)
        pair = said.masked(lambda texts: self._mask.answers(texts, self._program.fields))
        if self._is_metric_plain and pair.is_equal:
            return pair
        key = normalised(query_of(question.inputs))
        repeats = next(iter(self._differing.groups_near(key)), None)
        if repeats is None:
            self._differing.add(key, question.id)
        return replace(pair, repeats=repeats)

    @cached_property
    def _mask(self) -> Mask:
        return Mask(self._this.config.masking)

    @cached_property
    def _differing(self) -> NearTexts:
        """The questions on which the two differed so far, near-duplicates once."""
        found = NearTexts()
        for pair in self._pairs:
            is_new = pair.repeats is None and not (self._is_metric_plain and pair.is_equal)
            if is_new and (key := self._key(pair)):
                found.add(key, pair.question)
        return found

    def _key(self, pair: Pair) -> str:
        """The text of a question of which something is still stored."""
        experience = self._this.archive.experience(self._program.name, pair.span_id)
        example = None if experience else next(iter(self._data.pick([pair.question])), None)
        found = experience.inputs if experience else example.inputs if example else None
        return normalised(query_of(found)) if found else ""

    def _is_near_seen(self, inputs: Mapping[str, str]) -> bool:
        key = normalised(query_of(inputs))
        return self._seen.equal(key) is not None or bool(self._seen.groups_near(key))

    @cached_property
    def _seen(self) -> NearTexts:
        """What training and choosing of the challenger could see."""
        name, contest, archive = self._program.name, self._contest, self._this.archive
        asked = chain(
            (each.inputs for each in archive.examples_of(name, contest.seen_ids)),
            (each.inputs for each in archive.experiences_of(name, contest.seen_spans)),
            (each.inputs for each in archive.examples_of("workflow", contest.seen_elsewhere)),
        )
        questions = chain(map(query_of, asked), self._told_by_application())
        return NearTexts({normalised(question): "seen" for question in questions})

    def _told_by_application(self) -> Sequence[str]:
        """The questions that an offered challenger was tuned on."""
        if self._both.challenger.lineage.optimizer != OFFERED:
            return ()
        offered = Offers(self._this.store, self._this.tenant_id).of(self._contest.challenger)
        return offered.questions if offered else ()

    @property
    def _since(self) -> datetime:
        return self._contest.opened_at - timedelta(days=self._this.config.contest.lookback_days)

    def _requests(self) -> Iterator[tuple[str, datetime]]:
        questions = self._this.questions(self._program.name)
        summary, first = questions.summary(), self._since.date().isoformat()
        for day in sorted(summary.days if summary else ()):
            if summary and day >= first:
                for name in summary.days[day]:
                    yield from questions.day(name)

    @property
    def _is_in_trace(self) -> bool:
        """Whether a trace holds answers as they were given, and they are all that the metric looks at: texts that are
        not of a closed set may be masked there."""
        return self._is_metric_plain and all(labels is not None for labels in self._program.fields.answers.values())

    @cached_property
    def _standing(self) -> Standing:
        asked = [pair.question for pair in self._pairs]
        return standing_of(self._this, self._program, self._contest, self._data, self._annotations, asked)

    def _scores(self, pair: Pair, example: Example) -> tuple[float, float] | None:
        """By the answers as they were kept; where the metric looks at more, by what it made of predictions."""
        if self._program.is_by_preference:
            return scores_of_preference(pair, example)
        marks = self._both.marks.get((pair.question, label_digest(example)))
        if not self._is_metric_plain:
            if pair.question in self._both.faults:
                raise ConfigInvalid(self._both.faults[pair.question])
            return (marks.champion, marks.challenger) if marks else None
        if marks and pair.is_equal and marks.champion != marks.challenger:
            return marks.champion, marks.challenger
        champion, challenger = (score_of_answer(self._program, example, a) for a in (pair.champion, pair.challenger))
        return champion, challenger


def _again(first: Pair, question: ContestQuestion, drawn: Drawn) -> Pair:
    """A question that was answered before: it counts for how often it is asked, and for nothing else."""
    champion, challenger = (replace(answer, effort=UNKNOWN) for answer in (first.champion, first.challenger))
    asked = replace(first, span_id=question.span_id, drawn=drawn, slices=question.slices, repeats=first.question)
    return replace(asked, champion=champion, challenger=challenger)
