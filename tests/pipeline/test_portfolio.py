"""A portfolio in the whole loop: what is raced, kept, told and learned, and what a crash leaves of it."""

from __future__ import annotations

from typing import Any

import pytest
from world import World, filled, run_once

from argotune.decisions.active_model import ActiveModel
from argotune.decisions.ledger import ledger_of
from argotune.decisions.lessons import Lessons
from argotune.pipeline.stages.learn import learn
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.registry import Registry
from argotune.runs.book import RunBook
from argotune.runs.explain import explain, explain_decision
from argotune.runs.module_book import ModuleBook
from argotune.runs.reports import run_json
from argotune.runs.run import Run

RACED = ["labeled", "nearest", "bootstrap"]
CANDIDATES = {"optimizers": {"portfolio": {"candidates": RACED}}}


def raced(n: int = 300, **fields: Any) -> tuple[World, Run]:
    world, config = filled(n, **{**CANDIDATES, **fields})
    return world, run_once(world, config, forced=True)


def test_auto_races_what_fits_and_the_best_goes_into_the_contest():
    world, run = raced()
    assert (run.outcome, run.plan.optimizer) == ("promoted", "portfolio")
    assert {t.method for t in run.race.tried} == set(RACED)
    assert run.race.won_by.score == max(t.score for t in run.race.tried if t.n == run.race.won_by.n)
    assert run.race.is_better
    lineage = Registry(world.store, "acme").version(run.challenger).lineage
    assert lineage.optimizer == "portfolio"
    assert run.race.sentence in lineage.reason


def test_what_was_tried_scored_and_cost_is_told_everywhere():
    world, run = raced()
    book = (Registry(world.store, "acme"), RunBook(world.store, "acme"), ContestBook(world.store, "acme"))
    for lines in (explain(*book, run.challenger).lines(), explain_decision(run)):
        told = "\n".join(lines)
        assert all(t.sentence in told for t in run.race.tried)
        assert "too high by being chosen; a contest judges" in told
    assert [t["candidate"] for t in run_json(run)["race"]["tried"]] == [t.candidate for t in run.race.tried]
    facts = world.tracker.runs[run.id].facts
    assert {name for name in facts if name.startswith("tried ")} == {f"tried {t.candidate}" for t in run.race.tried}


def test_calls_of_candidates_are_those_of_the_run():
    _, run = raced()
    assert 0 < sum(t.calls for t in run.race.tried) < run.lm_calls


def test_a_portfolio_that_finds_nothing_better_says_so_and_opens_no_contest():
    world, first = raced()
    world.later(days=2)
    world.receive(150, first=2000)
    config = world.tenant(**CANDIDATES)
    again = run_once(world, config, forced=True)
    assert again.outcome == "skipped"
    assert again.skip.reason.startswith("nothing better was found: ")
    assert not again.race.is_better
    assert 8 <= again.race.champion.n < 50, "on dev examples that came in since"
    assert (again.challenger, ContestBook(world.store, "acme").open("routing")) == (None, None)
    assert Registry(world.store, "acme").champion("routing")[0].version == first.challenger
    lessons = ModuleBook(world.store, "acme", "routing").read(Lessons)
    assert lessons.learned["routing"] == again.plan.lesson, "the same examples are not raced again"


def test_the_ledger_learns_who_wins_and_the_next_plan_goes_by_it():
    world, first = raced()
    (row,) = ledger_of(world.store, "acme")
    assert row.race == first.race
    learn(world.store, world.now)
    (past,) = ActiveModel(world.store).now()[0].races
    winner = first.race.won_by.method
    assert (past.kind, past.won, past.raced[winner]) == ("routing", {winner: 1}, 1)
    world.later(days=2)
    world.receive(100, first=2000)
    again = run_once(world, world.tenant(**CANDIDATES), forced=True)
    assert again.plan.entrants[0].method == winner
    assert "past races of routing programs" in again.plan.reason


def test_a_budget_that_ends_in_the_race_keeps_the_best_so_far_and_is_told():
    _, run = raced(budget={"max_lm_calls": 330})
    assert run.is_cut_short
    assert run.race is None or run.race.won_by.n < len(run.plan.dev_ids)


class Killed(BaseException):
    """As kill -9: nothing is cleaned up."""


@pytest.mark.parametrize("at", [1, 25, 60])
def test_a_run_that_is_killed_in_its_race_starts_it_anew_and_pays_for_no_answer_twice(at: int):
    whole, once = raced()
    world, config = filled(300, **CANDIDATES)

    def kill() -> None:
        if world.lms.calls == at:
            raise Killed

    world.lms.on_call = kill
    with pytest.raises(Killed):
        run_once(world, config, forced=True)
    world.lms.on_call = lambda: None
    world.later(seconds=world.lease_s + 1)
    run = run_once(world, config, forced=True)
    assert (run.outcome, run.challenger, run.race.winner) == (once.outcome, once.challenger, once.race.winner)
    assert {t.candidate: t.score for t in run.race.tried} == {t.candidate: t.score for t in once.race.tried}
    assert world.lms.calls == whole.lms.calls + 1, "the call that was under way"
