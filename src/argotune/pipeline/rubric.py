"""Rubrics: an LM's scores of answers in free text, compared with what people said of the same answers, and the program
that training goes by once they agree.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from argotune.data.annotations import Annotation, strongest
from argotune.data.experiences import Experience
from argotune.data.fields import Fields
from argotune.data.preferences import FIRST, NEITHER, SECOND
from argotune.data.remarks import CORRECT, SATISFACTION, VERDICT
from argotune.errors import ArgotuneError, BudgetSpent
from argotune.labels.agreement import COMPARED_ENOUGH, Agreement, RubricReport, agreement_on
from argotune.labels.annotator import DayBudget, open_judging
from argotune.labels.annotator_book import report_of
from argotune.labels.selection import lot_of
from argotune.lm.kept_answers import KeptAnswers
from argotune.lm.lack import Lack
from argotune.lm.meter import Meter
from argotune.lm.port import LMs
from argotune.pipeline.module_pass import Pass
from argotune.pipeline.preferences import fresh_preferences, shown_pairs
from argotune.programs.failures import raising_as
from argotune.programs.program import Program
from argotune.programs.rubric import RubricJudge, RubricMetric, appraisal_id
from argotune.store.sealing import digest
from argotune.tenants.config import RoutingConfigUnified

GOOD, BAD = "good", "bad"


@dataclass(frozen=True)
class _Said:
    """What people said of one answer, GOOD or BAD, or of two: which is better. `lot` is the span's."""

    inputs: Mapping[str, str]
    answers: tuple[Mapping[str, str], ...]
    said: str
    lot: float

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(appraisal_id(self.inputs, each) for each in self.answers)

    def by_scores(self, scores: Mapping[str, float], threshold: float) -> str:
        """What the rubric says of the same."""
        found = [scores[id] for id in self.ids]
        if len(found) == 1:
            return GOOD if found[0] >= threshold else BAD
        return NEITHER if found[0] == found[1] else FIRST if found[0] > found[1] else SECOND


def calibrated(
    this: Pass, program: Program, annotations: Sequence[Annotation], budget: DayBudget
) -> RubricReport | None:
    """Let the LM score what people have said something of, within the budget of the day, and compare both.

    None where the program has no rubric. Scores that are known are not asked for again, and what got none is asked
    about again the next day. A failing LM ends nothing but this, and the report says so.
    """
    rubric = this.config.annotation.rubrics.get(program.name)
    if rubric is None:
        return None
    tuned = budget.open_task().names["task"]
    judging = open_judging(this.ports.annotator, this.config, tuned, budget.meter, budget.answers)
    if isinstance(judging, str):
        return RubricReport(off=judging)
    of_answers = _wanted(this.config, _of_answers(this, program, annotations))
    of_pairs = _wanted(this.config, _of_pairs(this, program, annotations))
    judge, terms = RubricJudge(judging, program, rubric), _terms(this.config, program, judging)
    begun = RubricReport(terms=terms, judge=judging.names["task"])
    report = _scored(judge, [*of_answers, *of_pairs], begun, _before(this, program, terms))
    return _compared(this.config, report, of_answers, of_pairs)


def _terms(config: RoutingConfigUnified, program: Program, judging: LMs) -> str:
    """What scores and their comparison go by: with another rubric, LM or rule nothing is known."""
    rules = config.annotation
    asked = [rules.rubric_threshold, rules.min_compared, rules.min_agreement, rules.min_kappa]
    return digest([rules.rubrics[program.name], judging.names["task"], asked])[:16]


def _before(this: Pass, program: Program, terms: str) -> RubricReport:
    """What is known by the same terms; what got no score on an earlier day is asked about again."""
    known = report_of(this.store, this.tenant_id, program.name)
    if known is None or known.rubric is None or known.rubric.terms != terms:
        return RubricReport()
    is_today = known.at.date() == this.now.date()
    return known.rubric if is_today else known.rubric.model_copy(update={"unscored": (), "lacks": {}})


def _wanted(config: RoutingConfigUnified, said: Iterable[_Said]) -> list[_Said]:
    """So many as are enough, by lot."""
    return sorted(said, key=lambda each: each.lot)[: COMPARED_ENOUGH * config.annotation.min_compared]


def _of_answers(this: Pass, program: Program, annotations: Sequence[Annotation]) -> Iterator[_Said]:
    """Of the answers of decisions. Where people contradict each other nobody knows."""
    by_span: dict[str, list[Annotation]] = defaultdict(list)
    for annotation in annotations:
        if annotation.kind == "HUMAN" and not annotation.is_of_session:
            by_span[annotation.span_id].append(annotation)
    for experience in this.archive.experiences_of(program.name, by_span):
        if not _is_said(experience.answers):
            continue
        if said := _verdict(experience, by_span[experience.span_id], program.fields):
            lot = lot_of(experience.span_id, this.tenant_id)
            yield _Said(experience.inputs, (experience.answers,), said, lot)


def _is_said(answers: Mapping[str, str]) -> bool:
    """That no answer is a bad one everybody knows: it tells nothing of whoever says so."""
    return any(text.strip() for text in answers.values())


def _verdict(experience: Experience, given: Sequence[Annotation], fields: Fields) -> str | None:
    """What people say of the answer: whether it is right, else how content they are, where the middle says neither,
    else that they would have written the same. Another text says nothing of this one."""
    verdicts = {GOOD if each.label == CORRECT else BAD for each in given if each.name == VERDICT}
    shares = [each.score for each in given if each.name == SATISFACTION and each.score is not None]
    said = verdicts or {GOOD if share > 0.5 else BAD for share in shares if share != 0.5}
    if not said and not any(each.name == fields.preference for each in given):
        written = {each.name: each.label.strip() for each in given if each.name in fields.answers}
        said = {GOOD} if written and written == {n: t.strip() for n, t in experience.answers.items()} else set()
    return next(iter(said)) if len(said) == 1 else None


def _of_pairs(this: Pass, program: Program, annotations: Sequence[Annotation]) -> Iterator[_Said]:
    """Of the two answers of contests, where people prefer one and agree on it."""
    queued = {item.span_id: item for item in this.queue.items(program.name)}
    given = [each for each in fresh_preferences(program.fields, annotations, queued) if each.label != NEITHER]
    choices: dict[str, set[str]] = defaultdict(set)
    for each in given:
        choices[each.span_id].add(each.label)
    pairs_of = cache(lambda contest: shown_pairs(this.contests, this.config, contest))
    for span_id, _ in strongest(given):
        experience = this.archive.experience(program.name, span_id)
        pair = pairs_of(queued[span_id].contest).get(span_id)
        if pair is None or experience is None:
            continue
        answers, said = (pair.first, pair.second), choices[span_id]
        if len(said) == 1 and all(map(_is_said, answers)):
            yield _Said(experience.inputs, answers, next(iter(said)), lot_of(span_id, this.tenant_id))


def _scored(judge: RubricJudge, wanted: Sequence[_Said], report: RubricReport, before: RubricReport) -> RubricReport:
    """The report with the scores of all that is wanted, until the budget is spent or the LM fails."""
    scores: dict[str, float] = {}
    unscored, lacks, asked, stopped = list(before.unscored), Counter(before.lacks), 0, ""
    asked_for = {
        id: (each.inputs, answers) for each in wanted for id, answers in zip(each.ids, each.answers, strict=True)
    }
    for id, (inputs, answers) in asked_for.items():
        if id in before.scores:
            scores[id] = before.scores[id]
        if id in scores or id in unscored or stopped:
            continue
        try:
            with raising_as(ArgotuneError, f"{judge.program.name}: rubric"):
                found = judge.appraisal(inputs, answers)
        except ArgotuneError as error:
            stopped = _told(error)
            continue
        asked += 1
        if isinstance(found, Lack):
            unscored.append(id)
            lacks[str(found)] += 1
        else:
            scores[id] = found.score
    done = {"asked": asked, "stopped": stopped, "unscored": tuple(unscored), "lacks": dict(lacks)}
    return report.model_copy(update={**done, "scores": scores})


def _told(error: ArgotuneError) -> str:
    if isinstance(error, BudgetSpent):
        return "annotation.max_lm_calls or budget.max_lm_tokens: what may be spent today is spent"
    return f"{type(error).__name__}: {error}"


def _compared(
    config: RoutingConfigUnified, report: RubricReport, verdicts: Sequence[_Said], preferences: Sequence[_Said]
) -> RubricReport:
    rules, scores = config.annotation, report.scores

    def agreement(said: Sequence[_Said]) -> Agreement:
        known = [each for each in said if all(id in scores for id in each.ids)]
        pairs = [(each.by_scores(scores, rules.rubric_threshold), each.said) for each in known]
        return agreement_on(pairs, report.judge, len(scores), rules)

    return report.model_copy(update={"verdicts": agreement(verdicts), "preferences": agreement(preferences)})


@dataclass(frozen=True)
class Choosing:
    """The program as training goes by it, by the rubric of the tenant where its scores count."""

    program: Program
    metric: RubricMetric | None = None
    why_not: str = ""

    @property
    def counts(self) -> dict[str, int]:
        """What the run's record says of it, nothing where there is no rubric."""
        if self.why_not:
            return {"rubric: training does not go by its scores": 1}
        if self.metric is None:
            return {}
        lacks = {f"rubric: no score: {why}": count for why, count in self.metric.lacks.items()}
        return {"rubric: training goes by its scores": 1, **lacks}


def choosing_by_rubric(this: Pass, program: Program, tuned: LMs, meter: Meter, answers: KeptAnswers) -> Choosing:
    """What training is to go by, as the last comparison with people says. The run that trains pays for the scores.

    `tuned` are the LMs that the program runs on. Contests know nothing of it: there people decide.
    """
    rubric = this.config.annotation.rubrics.get(program.name)
    if rubric is None:
        return Choosing(program)
    judging = open_judging(this.ports.annotator, this.config, tuned.names["task"], meter, answers)
    if isinstance(judging, str):
        return Choosing(program, why_not=judging)
    found = _before(this, program, _terms(this.config, program, judging))
    if found.obstacle:
        return Choosing(program, why_not=found.obstacle)
    metric = RubricMetric(RubricJudge(judging, program, rubric))
    return Choosing(replace(program, rubric=metric, good_from=this.config.annotation.rubric_threshold), metric)
