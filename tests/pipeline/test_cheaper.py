"""Whole passes of challengers that are as good as the champion and cheaper: promoted so, and one at a time."""

from __future__ import annotations

import pytest
from world import World, filled, right_agent, run_once

from argotune.promotion.contest_book import ContestBook
from argotune.promotion.registry import Registry
from argotune.promotion.verdicts import Way
from argotune.promotion.versions import Change
from argotune.runs.book import RunBook
from argotune.runs.explain import explain
from argotune.runs.reports import run_json
from argotune.runs.run import Run
from argotune.tenants.config import RoutingConfigUnified

WAY = {"margin_if_cheaper": 0.15, "cheap_answer_tokens": 1, "min_people_labels": 0}


def always_right(inputs, labels, demos):
    return right_agent(inputs["query"])


def with_student(answer=always_right, optimizer: str = "student", **contest) -> tuple[World, RoutingConfigUnified, Run]:
    world, config = filled(300, preferred_optimizer=optimizer, contest={**WAY, **contest})
    world.lms.answer = answer
    return world, config, run_once(world, config, forced=True)


def history(world: World) -> list[Change]:
    return Registry(world.store, "acme").history("routing")


def test_a_student_that_is_as_good_as_the_lm_is_promoted_as_cheaper_and_everybody_is_told():
    world, _, run = with_student()
    assert (run.outcome, run.way) == ("promoted", "cheaper"), run.sentence
    assert "not worse by more than 15 points" in run.sentence
    assert "0 times the cost" in run.sentence
    assert run_json(run)["way"] == "cheaper"
    assert world.tracker.runs[run.id].facts["way"] == "cheaper"
    assert history(world)[-1].way == "cheaper"
    books = RunBook(world.store, "acme"), ContestBook(world.store, "acme")
    told = "\n".join(explain(Registry(world.store, "acme"), *books, run.challenger).lines())
    assert "way = cheaper" in told


@pytest.mark.parametrize("contest", [{"margin_if_cheaper": 0}, {"cheap_answer_tokens": 500}])
def test_it_is_not_where_that_way_is_closed_or_the_lm_is_cheap_enough(contest):
    _, _, run = with_student(**contest)
    assert run.outcome != "promoted"


def test_a_portfolio_offers_the_cheapest_that_dev_does_not_show_to_be_worse():
    world, config = filled(
        300,
        preferred_optimizer="portfolio",
        optimizers={"portfolio": {"candidates": ["student", "labeled"]}},
        contest=WAY,
    )
    world.lms.answer = always_right
    run = run_once(world, config, forced=True)
    assert (run.race.winner, run.race.is_better, run.race.is_cheaper) == ("student", False, True), run.sentence
    assert "0 in place of 1 LM calls an answer: it is tried as a cheaper one" in run.race.sentence
    assert (run.outcome, run.way) == ("promoted", "cheaper"), run.sentence


@pytest.mark.parametrize(("way", "promoted"), [("better", True), ("cheaper", False)])
def test_a_second_one_waits_for_a_proven_gain_and_the_verdict_says_so(way: Way, promoted: bool):
    world, config = filled(300, preferred_optimizer="nearest", contest=WAY)
    first = run_once(world, config, forced=True)
    registry = Registry(world.store, "acme")
    champion, tag = registry.champion("routing")
    last = history(world)[-1]
    registry.set_champion(last.model_copy(update={"sequence": champion.sequence + 1, "way": way}), tag)
    world.lms.answer = always_right
    world.later(days=2)
    world.receive(300, first=1000)
    run = run_once(world, world.tenant(preferred_optimizer="student", contest=WAY), forced=True)
    assert (run.way == "cheaper") is promoted, run.sentence
    withheld = f"withheld: {first.challenger} was itself promoted as not worse and cheaper, and none since as better"
    assert (withheld in run.sentence) is not promoted
