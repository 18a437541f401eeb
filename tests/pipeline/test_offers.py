"""What an application tunes serves only when it has won a contest, on questions like none that it was tuned on."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from factories import NOON, make_version
from watched_store import Meanwhile, WatchedStore
from world import AGENTS, World, right_agent, run_once, traffic

from argotune import AutoTuningOptimizer, OptimizationConfig, RoutingDecision
from argotune.adapters.memory.store import MemoryStore
from argotune.errors import ConfigInvalid, Conflict, NotFound
from argotune.pipeline.stages.forget import forget_old
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.offers import OfferedVersion, Offers
from argotune.promotion.registry import Registry

TOLD = 120


def application(world: World, folder: Path, first: int = 0, **given: Any) -> AutoTuningOptimizer:
    """One that has told of decisions, some of which are traced, too, and was tuned on them."""
    places = {"checkpoint_dir": folder / "checkpoints", "metrics_export_dir": folder / "metrics"}
    config = OptimizationConfig(min_samples_for_optimization=10_000, dspy_enabled=False, **places)
    ports = world.ports
    usual = {"lms": ports.lms, "embedders": ports.embedders(), "clock": ports.clock, "store": world.store}
    optimizer = AutoTuningOptimizer(config, "acme", **{**usual, **given})
    for span in traffic("acme", TOLD, first=first)[0]:
        query = str(span.attributes["routing.query"])
        optimizer.track_performance(query, RoutingDecision(agent="video"), RoutingDecision(agent=right_agent(query)))
    asyncio.run(optimizer.optimize())
    return optimizer


def of(world: World, **fields: Any) -> Any:
    config = world.tenant(**fields)
    world.receive(300)
    return config


def test_what_is_tuned_serves_when_it_has_won_its_contest_and_not_before(tmp_path: Path):
    world = World()
    config = of(world)
    optimizer = application(world, tmp_path)
    version = optimizer.version
    assert version is not None
    assert (
        optimizer.last_optimization["contest"] == f"{version.id} is offered: the loop of the tenant holds its contest"
    )
    with pytest.raises(NotFound, match="no version of routing has won a contest yet"):
        asyncio.run(optimizer.route("footage of moss"))
    assert asyncio.run(optimizer.route("footage of moss", before_contest=True)).agent == "video"
    run = run_once(world, config)
    assert (run.plan.optimizer, run.challenger, run.outcome) == ("offered", version.id, "promoted")
    assert (
        run.plan.reason
        == f"an application offers a version, tuned by an application on {TOLD} decisions that it has told of"
    )
    assert asyncio.run(optimizer.route("podcast of moss")).agent == "audio"


def test_no_question_judges_it_that_it_was_tuned_on(tmp_path: Path):
    world = World()
    config = of(world)
    optimizer = application(world, tmp_path)
    told = {each.inputs["query"] for each in optimizer.performance_history}
    run = run_once(world, config)
    experiences = {span.span_id: str(span.attributes["routing.query"]) for span in traffic("acme", 300)[0]}
    asked = {experiences[pair.span_id] for pair in ContestBook(world.store, "acme").pairs(run.contest)}
    assert asked
    assert told & set(experiences.values())
    assert not asked & told


def test_what_lost_or_was_not_decided_serves_nobody_and_is_not_tried_again(tmp_path: Path):
    world = World()
    config = of(world, contest={"min_people_labels": 1000})
    optimizer = application(world, tmp_path)
    run = run_once(world, config)
    assert (run.plan.optimizer, run.outcome) == ("offered", "undecided")
    with pytest.raises(NotFound):
        asyncio.run(optimizer.route("footage of moss"))
    ContestBook(world.store, "acme").stop(run.contest, who="ann", reason="a test", now=world.now)
    assert run_once(world, config, forced=True).plan.optimizer != "offered"
    assert Registry(world.store, "acme").champion("routing") == (None, None)


def test_a_later_offer_takes_the_place_of_one_that_waits_and_leaves_one_in_a_contest_alone(tmp_path: Path):
    world = World()
    config = of(world, contest={"min_people_labels": 1000})
    first = application(world, tmp_path / "one").version
    offers = Offers(world.store, "acme")
    assert first is not None
    run_once(world, config)
    made = [replace_state(first, threshold) for threshold in (0.1, 0.2)]
    for version in made:
        world.later(minutes=1)
        offers.make(OfferedVersion(version=version, questions=("a",), offered_at=world.now))
    assert offers.of(first.id) is not None
    assert offers.of(made[0].id) is None
    assert offers.waiting("routing", first.signature_hash) == offers.of(made[1].id)


def replace_state(version: Any, threshold: float) -> Any:
    state = {**version.state, "ask_below": threshold}
    return version.model_copy(update={"state": state, "id": f"routing-{threshold}"})


def test_of_two_that_are_offered_at_once_the_later_one_waits_and_none_is_masked_over_another():
    store = WatchedStore(MemoryStore())
    offers, early, late = Offers(store, "acme"), offered_at(NOON), offered_at(NOON + timedelta(seconds=1))
    store.before = Meanwhile(lambda: offers.make(late), "scan")
    offers.make(early)
    assert offers.last("routing", early.version.signature_hash) == late
    anew = late.model_copy(update={"questions": ("others",)})
    store.before = Meanwhile(lambda: offers.make(anew))
    with pytest.raises(Conflict):
        offers.mask("routing", str.upper)
    assert offers.of(late.version.id) == anew


def offered_at(at: datetime) -> OfferedVersion:
    return OfferedVersion(version=make_version(f"v{at:%S}"), questions=("a",), offered_at=at)


def test_without_a_store_nothing_serves_unless_it_is_said_that_no_contest_was_held(tmp_path: Path):
    world = World()
    of(world)
    optimizer = application(world, tmp_path, store=None, agents=AGENTS)
    assert optimizer.last_optimization["contest"].startswith("none: store: not given")
    with pytest.raises(NotFound, match="before_contest=True"):
        asyncio.run(optimizer.route("footage of moss"))
    assert asyncio.run(optimizer.route("footage of moss", before_contest=True)).agent == "video"


def test_what_the_tenants_program_could_not_run_is_not_offered_and_says_why(tmp_path: Path):
    world = World()
    config = of(world)
    optimizer = application(world, tmp_path, agents={**AGENTS, "maps": "finds places"})
    assert "agents: the config of the tenant has others" in optimizer.last_optimization["contest"]
    assert run_once(world, config).plan.optimizer != "offered"


@pytest.mark.parametrize(
    ("tenant_id", "error", "told"),
    [("nobody", NotFound, "nobody"), ("zebra", ConfigInvalid, "routing is none of tenant 'zebra'")],
)
def test_a_tenant_whose_loop_could_hold_no_contest_is_refused(
    tmp_path: Path, tenant_id: str, error: type[Exception], told: str
):
    world = World()
    world.tenant("zebra", modules=["modality"])
    with pytest.raises(error, match=told):
        AutoTuningOptimizer(OptimizationConfig(checkpoint_dir=tmp_path), tenant_id, store=world.store)


def test_questions_are_masked_by_the_tenants_rules_and_again_when_these_change_and_forgotten_with_its_examples(
    tmp_path: Path,
):
    world = World()
    contest = {"min_people_labels": 1000}
    config = of(world, contest=contest, masking={"kinds": []})
    version = application(world, tmp_path).version
    assert version is not None
    offers = Offers(world.store, "acme")
    run = run_once(world, config)
    offers.make(OfferedVersion(version=version, questions=("film for jo@acme.com",), offered_at=world.now))
    config = world.tenant(contest=contest)
    run_once(world, config, forced=True)
    kept = offers.of(version.id)
    assert kept is not None
    assert kept.questions == ("film for <EMAIL>",)
    later = world.now + timedelta(days=config.example_retention_days + 1)
    forget_old(world.store, config, later)
    assert offers.of(version.id) is not None, "its contest is open"
    ContestBook(world.store, "acme").stop(run.contest, who="ann", reason="a test", now=world.now)
    assert forget_old(world.store, config, later)["offers"] == 1
    assert offers.of(version.id) is None
