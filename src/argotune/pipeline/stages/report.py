"""report: what a person or a program can read of a run: the tracker's pages, and the end of the run record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from argotune.data.examples import Example
from argotune.data.splitting import Split
from argotune.pipeline.module_pass import Pass
from argotune.promotion.registry import Registry
from argotune.promotion.verdicts import Comparison, Score, Verdict
from argotune.promotion.versions import Version
from argotune.runs.closing import ledger_records
from argotune.runs.run import Run, RunState
from argotune.runs.tracker import TrackedExample, TrackedRun

Answers = Mapping[str, Mapping[str, str]]
"""Example id -> answer field -> label."""


def report(this: Pass, run: Run, examples: Sequence[Example]) -> Run:
    """Publish a judged run and end it. Publishing again after a crash changes nothing."""
    now = this.now
    links = this.ports.tracker.publish(_tracked(this.registry, run, examples, now))
    pages = {"dataset_link": links.dataset, "comparison_link": links.comparison}
    ended = this.book.advanced(run, RunState.REPORTED, ended_at=now, **pages)
    return this.book.keep(ended, ledger_records(ended))


def _tracked(registry: Registry, run: Run, examples: Sequence[Example], now: datetime) -> TrackedRun:
    comparison, verdict = run.comparison, run.verdict
    assert comparison is not None
    assert verdict is not None
    return TrackedRun(
        tenant_id=run.tenant_id,
        program=run.program,
        run_id=run.id,
        champion_version=comparison.champion_version,
        challenger_version=comparison.challenger_version,
        examples=_rows(examples, comparison, run),
        facts=_facts(run, registry.version(comparison.challenger_version), verdict),
        started_at=run.started_at,
        ended_at=now,
    )


def _rows(examples: Sequence[Example], comparison: Comparison, run: Run) -> list[TrackedExample]:
    """The examples, those of the test split with what was made of them."""
    scores = {score.example_id: score for score in comparison.scores}
    return [_row(example, example.id, scores, run) for example in examples]


def _row(example: Example, id: str, scores: Mapping[str, Score], run: Run) -> TrackedExample:
    """`id` is the example's: a digest, computed once."""
    score = scores.get(id) if example.split is Split.TEST else None
    return TrackedExample(
        id=id,
        inputs=example.inputs,
        expected=example.expected,
        split=example.split.value,
        label_source=example.source.value,
        span_id=example.span_id,
        champion_answers=run.champion_answers.get(id) if score else None,
        champion_score=score.champion if score else None,
        challenger_answers=run.challenger_answers.get(id) if score else None,
        challenger_score=score.challenger if score else None,
    )


def _facts(run: Run, challenger: Version, verdict: Verdict) -> dict[str, str | float | int | bool | None]:
    numbers = verdict.numbers
    return {
        "run": run.id,
        "tenant_id": run.tenant_id,
        "program": run.program,
        "verdict": run.outcome_of_verdict,
        "reason": verdict.reason,
        "champion": run.champion,
        "challenger": run.challenger,
        "optimizer": challenger.lineage.optimizer,
        "optimizer_reason": challenger.lineage.reason,
        "seed": challenger.lineage.seed,
        "max_iterations": run.plan.max_iterations if run.plan else None,
        "data_hash": challenger.lineage.data_hash,
        "trained_on": run.trained_on.value,
        "synthetic_examples": run.synthetic.made if run.synthetic and run.synthetic.is_used else 0,
        "train_examples": len(run.plan.train_ids) if run.plan else None,
        "test_examples": numbers.n,
        "effect": numbers.effect,
        "p_value": numbers.p_value,
        "interval_low": numbers.interval.low,
        "interval_high": numbers.interval.high,
        "attempt": numbers.attempt,
        "lm_calls": run.lm_calls,
        "lm_tokens": run.lm_tokens,
        **{f"lm_{role}": name for role, name in challenger.lineage.lms.items()},
    }
