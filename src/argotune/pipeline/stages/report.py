"""report: what a person or a program can read of a run: the tracker's pages, and the end of the run record."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from argotune.data.examples import Example
from argotune.data.fields import Fields
from argotune.data.guards.masking import Mask
from argotune.data.questions import REFUTED_QUESTIONS
from argotune.data.splitting import Split
from argotune.errors import ArgotuneError
from argotune.lm.effort import UNKNOWN
from argotune.pipeline.module_pass import Pass
from argotune.programs.arrays import is_array
from argotune.promotion.contests import Contest
from argotune.promotion.pairs import Page, Pair
from argotune.promotion.verdicts import Comparison, Numbers, Score, Undecided, Verdict
from argotune.promotion.versions import Version
from argotune.runs.closing import ledger_record_of_trainer, ledger_records
from argotune.runs.run import Run, RunState
from argotune.runs.tracker import Facts, OpenTotals, TrackedExample, TrackedRun

log = logging.getLogger(__name__)

NOT_SHOWN = "contest: its totals are not shown by the tracker"


@dataclass(frozen=True)
class Reported:
    """The run that trained a challenger, its contest, and the examples that it was trained, chosen and judged on, with
    the fields by which their texts are values."""

    run: Run
    contest: Contest
    examples: Sequence[Example]
    fields: Fields


def report(this: Pass, run: Run, trained: Reported) -> Run:
    """Publish a judged run and end it. Publishing again after a crash changes nothing.

    While a contest is open its totals are shown and nothing of its answers: who saw them could tune to them.
    """
    now = this.now
    is_open = isinstance(run.verdict, Undecided)
    shown = _shown_open(this, run, trained.contest) if is_open else _published(this, run, trained, now)
    ended = this.book.advanced(shown, RunState.REPORTED, ended_at=now)
    of_trainer = ledger_record_of_trainer(trained.run, ended) if trained.run.id != run.id else ()
    return this.book.keep(ended, (*ledger_records(ended), *of_trainer))


def _published(this: Pass, run: Run, trained: Reported, now: datetime) -> Run:
    """The run with its links to the tracker's pages."""
    answers = _answers(this.contests.pages(trained.contest.id))
    links = this.ports.tracker.publish(_tracked(this, run, trained, answers, now))
    return run.model_copy(update={"dataset_link": links.dataset, "comparison_link": links.comparison})


def _shown_open(this: Pass, run: Run, contest: Contest) -> Run:
    """Show the totals of an open contest. They are a convenience: where the tracker takes none the run goes on, and
    counts it."""
    verdict = run.verdict
    assert verdict is not None
    totals = OpenTotals(run.tenant_id, run.program, contest.sentence, _open_facts(contest, verdict.numbers), this.now)
    try:
        this.ports.tracker.show_open(totals)
    except ArgotuneError as error:
        log.warning("%s: the tracker does not show how its contest stands: %s", run.program, error)
        return run.model_copy(update={"counts": {**run.counts, NOT_SHOWN: 1}})
    return run


def _open_facts(contest: Contest, numbers: Numbers) -> Facts:
    return {
        "contest": contest.id,
        "champion": contest.champion,
        "challenger": contest.challenger,
        "opened_at": contest.opened_at.isoformat(),
        "answers": numbers.answers,
        "answers_equal": numbers.answers - numbers.differ,
        "answers_that_differ": numbers.differ,
        "labels": numbers.labels,
        "labels_awaited": len(contest.wait),
        "log_wealth": numbers.log_wealth,
        "log_wealth_asked": contest.log_wealth_asked,
    }


_Answers = Mapping[str, tuple[Pair, datetime]]


def _answers(pages: Sequence[Page]) -> _Answers:
    """The pair of each question and when it was written down; of one that was drawn again the first."""
    return {pair.question: (pair, page.at) for page in reversed(pages) for pair in reversed(page.pairs)}


def _tracked(this: Pass, run: Run, trained: Reported, answers: _Answers, now: datetime) -> TrackedRun:
    comparison, verdict = run.comparison, run.verdict
    assert comparison is not None
    assert verdict is not None
    mask = Mask(this.config.masking)
    champion, challenger = map(this.registry.version, (comparison.champion_version, comparison.challenger_version))
    return TrackedRun(
        tenant_id=run.tenant_id,
        program=run.program,
        run_id=trained.contest.id,
        champion_version=champion.id,
        challenger_version=challenger.id,
        examples=_rows(trained, comparison, answers),
        facts=_facts(run, trained.run, challenger, verdict),
        started_at=run.started_at,
        ended_at=now,
        states={version.id: _masked(version.state, mask) for version in (champion, challenger)},
    )


def _masked(value: Any, mask: Mask) -> Any:
    """A state by the rules of now: a version keeps the demonstrations with which it was made."""
    if isinstance(value, str):
        return mask.text(value)
    if is_array(value):
        return value  # base64 of numbers, which may look like a secret
    if isinstance(value, Mapping):
        return {name: _masked(each, mask) for name, each in value.items()}
    return [_masked(each, mask) for each in value] if isinstance(value, list | tuple) else value


def _rows(trained: Reported, comparison: Comparison, answers: _Answers) -> list[TrackedExample]:
    """The examples, those that judged with what was made of them."""
    scores = {score.example_id: score for score in comparison.scores}
    return [_row(trained.fields, example, scores, answers) for example in trained.examples]


def _row(fields: Fields, example: Example, scores: Mapping[str, Score], answers: _Answers) -> TrackedExample:
    id = example.id  # a digest, computed once
    score = scores.get(id)
    pair, at = answers.get(id, (None, None)) if score else (None, None)
    return TrackedExample(
        id=id,
        inputs=fields.as_json(example.inputs),
        expected=fields.as_json(example.expected),
        split=Split.TEST.value if score else example.split.value,
        label_source=example.source.value,
        span_id=example.span_id,
        champion_answers=fields.as_json(pair.champion.answers) if pair else None,
        champion_score=score.champion if score else None,
        challenger_answers=fields.as_json(pair.challenger.answers) if pair else None,
        challenger_score=score.challenger if score else None,
        champion_effort=pair.champion.effort if pair else UNKNOWN,
        challenger_effort=pair.challenger.effort if pair else UNKNOWN,
        answered_at=at,
    )


def _race_facts(trained: Run) -> Facts:
    """What a portfolio tried: each candidate's score on dev, on how many examples, and what it took."""
    tried = trained.race.tried if trained.race else ()
    return {f"tried {each.candidate}": each.sentence.partition(": ")[2] for each in tried}


def _facts(run: Run, trained: Run, challenger: Version, verdict: Verdict) -> Facts:
    numbers = verdict.numbers
    return {
        "run": run.id,
        "tenant_id": run.tenant_id,
        "program": run.program,
        "verdict": run.outcome_of_verdict,
        "way": run.way,
        "reason": verdict.reason,
        "champion": run.champion,
        "challenger": run.challenger,
        "optimizer": challenger.lineage.optimizer,
        "optimizer_reason": challenger.lineage.reason,
        **_race_facts(trained),
        "seed": challenger.lineage.seed,
        "max_iterations": trained.plan.max_iterations if trained.plan else None,
        "data_hash": challenger.lineage.data_hash,
        "trained_on": trained.trained_on.value,
        "synthetic_examples": trained.synthetic.made if trained.synthetic and trained.synthetic.is_used else 0,
        "train_examples": len(trained.plan.train_ids) if trained.plan else None,
        "refuted_questions": trained.counts.get(REFUTED_QUESTIONS, 0),
        "test_examples": numbers.n,
        "labels": numbers.labels,
        "shadow_answers": numbers.answers,
        "answers_that_differ": numbers.differ,
        "effect": numbers.effect,
        "p_value": numbers.p_value,
        "interval_low": numbers.interval.low,
        "interval_high": numbers.interval.high,
        "log_wealth": numbers.log_wealth,
        "level": numbers.level,
        "lm_calls": run.lm_calls,
        "lm_tokens": run.lm_tokens,
        **{f"lm_{role}": name for role, name in challenger.lineage.lms.items()},
    }
