"""Rounds: who wants optimization, a round of runs over all tenants, and what is settled after one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from argotune.data.source import TraceSource
from argotune.decisions.active_model import ActiveModel
from argotune.errors import Conflict
from argotune.pipeline.stages.discover import discover
from argotune.pipeline.stages.dispatch import dispatch
from argotune.pipeline.stages.forget import forget_some
from argotune.runs.reports import unreadable_words
from argotune.runs.tallies import RoundRecord, keep_round
from argotune.scheduling.rounds import Round, RoundRequest
from argotune.scheduling.runner import WorkflowRunner
from argotune.store.collections import EVERYONE
from argotune.store.moments import believed
from argotune.store.port import Store
from argotune.store.records import unreadable

LEARN_EVERY = timedelta(days=1)


def wanting_optimization(store: Store) -> list[str]:
    """The ids of the tenants that want it, sorted. Raises Unavailable: an outage is never "no tenants"."""
    return discover(store)


@dataclass(frozen=True)
class SubmittedRound:
    """What came of the tenants, and one line over them and the records of shared lists that were left out."""

    round: Round
    outcome: str


def submit_round(
    store: Store,
    traces: TraceSource,
    runner: WorkflowRunner,
    asked: RoundRequest,
    clock: Callable[[], datetime],
    pause: Callable[[float], None],
) -> SubmittedRound:
    """Submit a round and keep what came of it, but for a dry run. `pause` waits so many seconds.

    Raises what `dispatch` raises. What a round leaves to do is an operation of its own, `learn_and_forget`: where that
    fails the round is told all the same.
    """
    done = dispatch(store, traces, runner, asked, clock(), pause)
    if not asked.is_dry_run:
        keep_round(store, _record(done, clock()))
    return SubmittedRound(done, "; ".join(filter(None, (done.sentence, unreadable_words(unreadable(EVERYONE))))))


def _record(done: Round, ended_at: datetime) -> RoundRecord:
    return RoundRecord(
        name=done.request.name or done.request.uid,
        started_at=done.started_at,
        ended_at=ended_at,
        tenants=len(done.lines),
        submitted=len(done.of("submitted")),
        skipped=dict(done.skipped_by_reason),
        failed=len(done.of("failed")),
        is_complete=done.is_complete,
    )


@dataclass(frozen=True)
class AfterRound:
    """`learned`: who decides on training, None where that was settled within a day. `forgotten`: collection -> records
    that went."""

    learned: str | None
    forgotten: dict[str, int]


def learn_and_forget(store: Store, now: datetime) -> AfterRound:
    """What a round leaves to do: once a day it is settled who decides on training, and what some tenants need no more
    goes, whether or not they have passes."""
    return AfterRound(_settle_daily(store, now), forget_some(store, now))


def _settle_daily(store: Store, now: datetime) -> str | None:
    """What another round settles meanwhile is as good."""
    from argotune.pipeline.stages.learn import learn  # brings XGBoost

    last, _ = ActiveModel(store).now()
    last_at = believed(last.at, now) if last else None
    if last_at is not None and now - last_at < LEARN_EVERY:
        return None
    try:
        return learn(store, now).reason
    except Conflict:
        return "another round has just settled it"
