"""Standing: what is known of a contest's questions in a pass: right answers, who was asked, what a judge says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache

from argotune.data.annotations import Annotation, LabelSource, strongest
from argotune.data.dataset import Dataset
from argotune.data.examples import Example, RightAnswers
from argotune.data.fields import Fields
from argotune.data.preferences import SUFFIX
from argotune.data.remarks import CORRECT, INCORRECT, VERDICT
from argotune.data.splitting import Split
from argotune.errors import ConfigInvalid
from argotune.labels.agreement import answers_by_span, compare
from argotune.labels.annotator import IDENTIFIER
from argotune.labels.annotator_book import report_of
from argotune.labels.selection import Reason
from argotune.pipeline.module_pass import Pass
from argotune.pipeline.preferences import fresh_preferences
from argotune.programs.evaluation import score_of
from argotune.programs.program import Program
from argotune.promotion.bounds import Bounds, bounds_of, may_be_right
from argotune.promotion.contests import Contest
from argotune.promotion.drawing import is_for_people
from argotune.promotion.evidence import Bench, Standing
from argotune.promotion.judges import Judge, judge_that_saves
from argotune.promotion.pairs import Answer, Pair
from argotune.promotion.preferences import preferred


def standing_of(
    this: Pass,
    program: Program,
    contest: Contest,
    data: Dataset,
    annotations: Sequence[Annotation],
    asked: Sequence[str] = (),
) -> Standing:
    """By the dataset and the annotations of the pass; examples of questions that were `asked` are read together, others
    when they are looked for. Raises what the store raises."""
    queued = this.queue.items(program.name)
    asked_at = {item.span_id: item.queued_at for item in queued if item.contest == contest.id}
    verdicts = _verdicts(annotations, asked_at)
    judges = _judging(annotations, program.fields, verdicts)
    known: RightAnswers = ExamplesThatJudge(data, judges, (*contest.sealed_ids, *asked))
    if program.is_by_preference:
        said = said_of_pairs(this, program, contest, annotations)
        known = {id: example for id, example in said.items() if judges(example)}
    return Standing(
        known,
        _contradicted(annotations, program.fields),
        asked_at,
        _bench(this, program, contest, annotations),
        _bounds(this, program, verdicts),
    )


def scores_of_preference(pair: Pair, example: Example) -> tuple[float, float]:
    """Both scores by what was said of the two answers."""
    difference = preferred(pair, example.expected[SUFFIX])
    return max(-difference, 0.0), max(difference, 0.0)


def said_of_pairs(
    this: Pass, program: Program, contest: Contest, annotations: Sequence[Annotation]
) -> dict[str, Example]:
    """What people said of the pairs of a contest, by question, as if it were the right answer to which is better."""
    queued = {item.span_id: item for item in this.queue.items(program.name)}
    given = strongest(fresh_preferences(program.fields, annotations, queued))
    said = {span_id: annotation.label for (span_id, _), annotation in given.items() if annotation.kind == "HUMAN"}
    return {
        pair.question: Example(
            program.name, {}, {SUFFIX: said[pair.span_id]}, LabelSource.HUMAN, 1.0, Split.TRAIN, pair.span_id
        )
        for pair in this.contests.pairs(contest.id)
        if pair.span_id in said and not pair.is_equal and pair.repeats is None
    }


def score_of_answer(program: Program, example: Example, answer: Answer) -> float:
    """In 0..1, by the text that was kept. Raises ConfigInvalid where the metric gives no such number."""
    return 0.0 if answer.lack else score_of(program, example, answer.answers)


def _verdicts(annotations: Sequence[Annotation], asked_at: Mapping[str, datetime]) -> dict[str, str]:
    """By span what people have said of the answer given there since the contest asked them, CORRECT or INCORRECT.

    What users and evaluators say of answers on their own lies where they like, and what was said before the draw was
    not said for it: both train and judge nothing. Where people contradict each other nothing is said.
    """
    said: dict[str, set[str]] = {}
    for each in annotations:
        is_ours = each.name == VERDICT and each.kind == "HUMAN" and not (each.is_remark or each.is_of_session)
        asked = asked_at.get(each.span_id)
        if is_ours and asked is not None and each.updated_at >= asked.replace(microsecond=0):
            said.setdefault(each.span_id, set()).add(each.label)
    return {span_id: next(iter(labels)) for span_id, labels in said.items() if len(labels) == 1}


def a_few_of(contest: Contest, data: Dataset, count: int) -> list[Example]:
    """Examples of a contest, any of the program where it has none: so many at most."""
    return data.pick((*contest.sealed_ids, *contest.seen_ids)[:count]) or data.some(count)


class ExamplesThatJudge:
    """The examples of a contest's questions, read when they are looked for: `first` are read together."""

    def __init__(self, data: Dataset, judges: Callable[[Example], bool], first: Sequence[str]) -> None:
        self._data, self._judges = data, judges
        self._known: dict[str, Example | None] = dict.fromkeys(first)
        self._read(list(self._known))

    def get(self, question: str, /) -> Example | None:
        """None where a question has none that judges."""
        if question not in self._known:
            self._known[question] = None
            self._read([question])
        return self._known[question]

    def _read(self, ids: Sequence[str]) -> None:
        self._known |= {example.id: example for example in self._data.pick(ids) if self._judges(example)}


def _judging(
    annotations: Sequence[Annotation], fields: Fields, verdicts: Mapping[str, str]
) -> Callable[[Example], bool]:
    """Whether an example judges. Not those that are people's only because somebody whom the contest did not ask has
    said that the answer given was right: such labels lie where an answer was right."""
    named = {a.span_id for a in annotations if a.kind == "HUMAN" and a.name in fields.label_names}

    def judges(example: Example) -> bool:
        is_of_people = example.source is LabelSource.HUMAN and example.span_id is not None
        return not is_of_people or example.span_id in named or verdicts.get(example.span_id or "") == CORRECT

    return judges


def _bounds(this: Pass, program: Program, verdicts: Mapping[str, str]) -> Callable[[Pair], Bounds | None]:
    """What each of these can differ by, where the answers are of closed sets: then all that may be right is tried."""
    answers = program.fields.answers
    rights = None if program.is_by_preference or not program.is_metric_plain else may_be_right(answers)

    @cache
    def known(span_id: str, champion: _Texts, challenger: _Texts) -> Bounds | None:
        experience = this.archive.experience(program.name, span_id)
        given = {name: (experience.answers if experience else {}).get(name, "") for name in answers}
        said = {name: program.fields.meant(name, text) for name, text in given.items()}
        left = [right for right in rights or () if right != said]
        if experience is None or not left or left == rights:
            return None

        def scored(right: Mapping[str, str]) -> tuple[float, float]:
            example = Example(program.name, experience.inputs, right, LabelSource.HUMAN, 1.0, Split.TRAIN)
            before, after = (_score_of(program, example, texts) for texts in (champion, challenger))
            return before, after

        try:
            found = bounds_of(left, scored)
            return None if found == bounds_of(rights or (), scored) else found
        except ConfigInvalid:
            return None  # a metric that fails on what may be right tells nothing

    return lambda pair: (
        known(pair.span_id, _texts(pair.champion), _texts(pair.challenger))
        if verdicts.get(pair.span_id) == INCORRECT
        else None
    )


def judge_beside_people(
    this: Pass, program: Program, annotations: Sequence[Annotation], disagreement: float | None, level: float
) -> Judge | None:
    """The annotator that is to stand beside people in a contest of this level, None where they decide alone.

    How often it says what people say is told by the questions of earlier contests, where there are enough of them, as
    versions differ on what is hard; else by all that both have labelled. The lower end counts, and one that is not
    trusted, as it always says the same, does not.
    """
    report = report_of(this.store, this.tenant_id, program.name)
    if report is None or report.off or not report.annotator or not program.is_metric_plain:
        return None
    identifier, rules = f"{IDENTIFIER} {report.annotator}", this.config.annotation
    found = {agreement.identifier: agreement for agreement in report.agreements}.get(identifier)
    if found is None or not found.is_trusted:
        return None
    differing = {item.span_id for item in this.queue.items(program.name) if item.reason is Reason.DIFFER}
    hard = compare([a for a in annotations if a.span_id in differing], program.fields, rules).get(identifier)
    best = hard if hard and hard.is_compared else found
    decisions, gate = this.config.decisions, this.config.gate
    gain = max(decisions.detectable_gain, gate.min_effect)
    if not gain:
        return None
    power, most = decisions.detection_power, this.config.contest.max_shadow_calls
    return judge_that_saves(identifier, best.share.low, gain, disagreement, level, power, most)


def _bench(this: Pass, program: Program, contest: Contest, annotations: Sequence[Annotation]) -> Bench | None:
    if contest.judge is None:
        return None
    share, by = contest.judge.asked_share, contest.judge.identifier
    own = [a for a in annotations if a.kind == "LLM" and a.identifier == by]
    if program.is_by_preference:  # what was said before was said of two other answers
        own = [a for a in own if a.updated_at >= contest.opened_at.replace(microsecond=0)]
    said = answers_by_span(own, program.fields.compared)
    return Bench(
        share,
        lambda pair: is_for_people(contest.id, pair.question, share),
        _judged(this, program, said),
        {pair.span_id: page.at for page in reversed(this.contests.pages(contest.id)) for pair in page.pairs},
    )


def _judged(this: Pass, program: Program, said: Mapping[str, Mapping[str, str]]) -> Callable[[Pair], float | None]:
    """The difference by what the judge says is right, None where it has said nothing."""

    if program.is_by_preference:
        chosen = {span_id: choice for span_id, given in said.items() for choice in given.values()}
        return lambda pair: preferred(pair, chosen[pair.span_id]) if pair.span_id in chosen else None

    @cache
    def difference(span_id: str, champion: _Texts, challenger: _Texts) -> float:
        experience = this.archive.experience(program.name, span_id)
        inputs = experience.inputs if experience else {}
        example = Example(program.name, inputs, said[span_id], LabelSource.LLM, 1.0, Split.TRAIN)
        try:
            before, after = (_score_of(program, example, texts) for texts in (champion, challenger))
        except ConfigInvalid:
            return 0.0  # a judge may err as it likes, as long as it knows nothing of the lot
        return after - before

    return lambda pair: (
        difference(pair.span_id, _texts(pair.champion), _texts(pair.challenger)) if (pair.span_id in said) else None
    )


_Texts = tuple[tuple[str, str], ...] | None


def _score_of(program: Program, example: Example, texts: _Texts) -> float:
    return 0.0 if texts is None else score_of(program, example, dict(texts))


def _texts(answer: Answer) -> _Texts:
    return None if answer.lack else tuple(sorted(answer.answers.items()))


def _contradicted(annotations: Sequence[Annotation], fields: Fields) -> frozenset[str]:
    """Spans to which people gave different labels for one answer."""
    given: dict[tuple[str, str], set[str]] = {}
    for annotation in annotations:
        if annotation.kind == "HUMAN" and annotation.name in fields.label_names and annotation.label.strip():
            said = fields.meant(annotation.name, annotation.label) if annotation.name in fields.answers else None
            given.setdefault((annotation.span_id, annotation.name), set()).add(said or annotation.label.strip())
    return frozenset(span_id for (span_id, _), labels in given.items() if len(labels) > 1)
