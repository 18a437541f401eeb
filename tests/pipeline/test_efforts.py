"""Whole passes that measure what answers take: a challenger that takes too much more is given up."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from scripted_lm import like_the_nearest_demo
from world import ScriptedLMs, World, filled, run_once, traffic

from argotune.adapters.memory.traces import MemoryTracker
from argotune.errors import Unavailable
from argotune.lm.effort import Effort
from argotune.pipeline.operations.contests import show_contest
from argotune.pipeline.stages.report import NOT_SHOWN
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.contests import ContestState
from argotune.promotion.drawing import is_measured
from argotune.promotion.pairs import Pair
from argotune.runs.run import Run
from argotune.tenants.config import RoutingConfigUnified


@dataclass
class SlowWithDemos:
    """Answers like the nearest demonstration; each takes a second, and `slower` with demonstrations."""

    world: World
    slower: float
    fails_at: int | None = None

    def __call__(self, inputs, labels, demos) -> str:
        if self.world.lms.calls == self.fails_at:
            raise Unavailable("down")
        self.world.seconds += self.slower if demos else 1.0
        return like_the_nearest_demo(inputs, labels, demos)


def slow(slower: float, n: int = 300, **fields) -> tuple[World, RoutingConfigUnified]:
    world, config = filled(n, **fields)
    world.lms = ScriptedLMs(SlowWithDemos(world, slower))
    return world, config


def pairs_of(world: World, run: Run) -> list[Pair]:
    return ContestBook(world.store, "acme").pairs(run.contest or "")


@pytest.mark.parametrize(
    ("slower", "contest", "outcome"),
    [
        pytest.param(9.0, {}, "rejected", id="nine times as long"),
        pytest.param(2.5, {}, "promoted", id="longer, as the limit allows"),
        pytest.param(9.0, {"max_latency_ratio": None}, "promoted", id="a tenant who waits for any answer"),
    ],
)
def test_a_better_challenger_that_takes_too_long_is_given_up(slower, contest, outcome):
    world, config = slow(slower, contest=contest)
    run = run_once(world, config)
    assert run.outcome == outcome, run.sentence
    assert f"answers take {slower:g} times as long" in run.sentence
    if outcome == "rejected":
        assert run.verdict.rule == "too_slow"
        found = show_contest(world.store, run.contest or "")
        assert found.contest.state is ContestState.TOO_SLOW
        assert found.numbers is not None
        assert found.numbers.latency is not None
        assert (found.numbers.latency.champion, found.numbers.latency.challenger) == (1.0, 9.0)


def test_each_answer_stands_in_the_journal_with_what_it_took():
    world, config = slow(2.0)
    run = run_once(world, config)
    efforts = {(pair.champion.effort, pair.challenger.effort) for pair in pairs_of(world, run)}
    assert efforts == {(Effort(1.0, 10), Effort(2.0, 10))}


def test_what_judged_is_published_with_what_it_took_and_when_it_was_answered():
    world, config = slow(2.0)
    run = run_once(world, config)
    (page,) = world.tracker.runs.values()
    judged = [example for example in page.examples if example.champion_answers is not None]
    assert {example.id for example in judged} == {score.example_id for score in run.comparison.scores}
    efforts = {(e.champion_effort, e.challenger_effort, e.answered_at) for e in judged}
    assert efforts == {(Effort(1.0, 10), Effort(2.0, 10), world.now)}


def test_a_tracker_that_shows_no_totals_stops_no_pass_and_is_counted(monkeypatch):
    def refuse(_tracker: MemoryTracker, _totals: object) -> None:
        raise Unavailable("Phoenix is down")

    monkeypatch.setattr(MemoryTracker, "show_open", refuse)
    world, config = filled(40)
    run = run_once(world, config, forced=True)
    assert (run.outcome, run.counts[NOT_SHOWN]) == ("undecided", 1)


def test_answers_of_a_run_that_is_taken_up_again_are_not_measured_twice():
    world, config = slow(9.0)
    world.lms.answer.fails_at = 31
    with pytest.raises(Unavailable):
        run_once(world, config)
    world.lms.answer.fails_at = None
    run = run_once(world, config)
    efforts = [(pair.champion.effort, pair.challenger.effort) for pair in pairs_of(world, run)]
    reused = [both for both in efforts if Effort() in both]
    assert 0 < len(reused) < len(efforts)
    assert {effort for both in efforts for effort in both} == {Effort(), Effort(1.0, 10), Effort(9.0, 10)}


def test_an_answer_of_a_trace_takes_what_the_trace_says_and_is_not_compared():
    world, config = filled(100, noise=True)
    run = run_once(world, config)
    contest = ContestBook(world.store, "acme").contest(run.contest or "")
    world.later(hours=2)
    spans, _ = traffic("acme", 100, first=1000)
    told = {"routing.program_version": contest.champion, "routing.processing_time": 60.0}
    new = [replace(s, started_at=world.now, ended_at=world.now, attributes={**s.attributes, **told}) for s in spans]
    run = run_once(world, config, seen=new)
    drawn = [pair for pair in pairs_of(world, run) if pair.drawn == "lot"]
    alike, measured = [p for p in drawn if p.is_equal], [p for p in drawn if is_measured(contest.id, p.question)]
    assert {pair.champion.effort for pair in alike if pair not in measured} == {Effort(60.0, of="trace")}
    assert {pair.champion.effort for pair in measured} == {Effort(0.0, 10)}, "by a lot, whatever both say"
    assert {pair.champion.effort for pair in drawn if not pair.is_equal} == {Effort(0.0, 10)}
    assert run.comparison.latency is None or run.comparison.latency.champion < 1.0
