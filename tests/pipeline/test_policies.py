"""Policies in whole runs: what they learn from, what their contests may ask; nothing is promoted by accident."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from scripted_lm import scripted_lms
from tuning import scripted, task
from twin_embedders import EMBEDDERS
from world import AGENTS, START, TOPICS, WORDS, World, decision, filled, run_once

from argotune.data.annotations import Annotation
from argotune.data.archive import ExperienceLog
from argotune.data.spans import Span
from argotune.data.splitting import Split, normalised, split_of_key
from argotune.data.stream import Stream
from argotune.errors import Unavailable
from argotune.optimizers import OPTIMIZERS
from argotune.programs.student import Student
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.registry import Registry
from argotune.runs.book import RunBook
from argotune.runs.explain import explain
from argotune.serving.client import Serving
from argotune.tenants.config import DecisionRules, RoutingConfigUnified

DOWN = scripted_lms(lambda *_: "video", None, fail_at=1, error=Unavailable("the LM's server is down"))
QUICK = {"learning_rate": 0.01, "hidden_size": 8, "num_epochs": 20, "max_repeats": 100}
LOGGER = {"audio": 0.6, "video": 0.2, "text": 0.2}


def world_with(
    n_logged: int = 0, *, n_labelled: int = 200, annotation: Any = None, **policy: Any
) -> tuple[World, RoutingConfigUnified]:
    """A tenant of a policy: labelled decisions, and others with propensities of which only the outcome is known."""
    fields = {"optimizers": {"policy": {**QUICK, **policy}}, "annotation": annotation or {}}
    world, config = filled(n_labelled, preferred_optimizer="policy", **fields)
    record_drawn(world, range(n_logged))
    return world, config


def record_drawn(world: World, numbers: range, *, has_propensity: bool = True) -> None:
    """Decisions of the logger of which only the outcome is known, made at the world's present time."""
    rng = random.Random(3)
    for number in numbers:
        right, agent = rng.choice(list(AGENTS)), rng.choices(list(LOGGER), list(LOGGER.values()))[0]
        words = f"{rng.choice(WORDS[right].split())} {rng.choice(TOPICS)} {rng.choice(TOPICS)} number {number}"
        span = decision("acme", f"{70_000 + number:016x}", words, agent, success=agent == right)
        said = {**span.attributes, **({"routing.propensity": LOGGER[agent]} if has_propensity else {})}
        waited = world.now - START
        moved = replace(span, started_at=span.started_at + waited, ended_at=span.started_at + waited, attributes=said)
        world.traces.record("acme", [moved])


def notes_of(world: World, challenger: str) -> str:
    return Registry(world.store, "acme").version(challenger).lineage.reason


def test_a_policy_wins_its_contest_and_serves_while_the_lm_is_down():
    world, config = world_with(300)
    run = run_once(world, config)
    assert run.outcome == "promoted"
    assert "experiences with propensities" in notes_of(world, run.challenger)
    serving = Serving(world.store, config, DOWN, EMBEDDERS, lambda: world.now, wait=lambda over, s: over.wait())
    with serving:
        found = serving.decide("routing", query="watch the film about the alps")
    assert (found.answers, found.lack, found.by) == ({"agent": "video"}, "", "student")
    assert DOWN.task.calls.count == 0


def test_without_propensities_it_learns_from_labels_and_its_story_says_so():
    world, config = world_with(n_labelled=300)
    run = run_once(world, config)
    assert run.outcome == "promoted"
    contests, book = ContestBook(world.store, "acme"), RunBook(world.store, "acme")
    told = "\n".join(explain(Registry(world.store, "acme"), book, contests, run.challenger).lines())
    assert "labelled examples alone" in told
    assert "without a propensity (routing.propensity)" in told
    assert "It chooses agent:" in told


def test_what_it_learned_from_judges_nothing_and_is_never_asked_in_the_contest():
    world, config = world_with(150)
    run = run_once(world, config)
    log, contests = ExperienceLog(world.store, "acme"), ContestBook(world.store, "acme")
    seen = [log.experience("routing", span_id) for span_id in run.plan.experiences]
    assert len(seen) > 50
    assert {split_of_key(normalised(each.query), config.split) for each in seen} == {Split.TRAIN}
    contest = contests.contest(run.contest)
    assert set(run.plan.experiences) <= set(contest.seen_spans)
    assert not {pair.span_id for pair in contests.pairs(contest.id)} & set(contest.seen_spans)


def test_it_looks_at_twice_as_many_experiences_as_its_buffer_holds_and_others_at_none():
    world, config = world_with(150, experience_buffer_size=20)
    assert len(run_once(world, config).plan.experiences) == 40
    world, config = filled(200, preferred_optimizer="nearest")
    assert run_once(world, config).plan.experiences == ()


def test_an_outcome_that_was_told_afterwards_is_learned_from():
    notes = []
    for names in ((), ("thumbs",)):
        world, config = world_with(annotation={"remarks": {name: {"means": "satisfaction"} for name in names}})
        spans = [_silent(n) for n in range(60)]
        world.traces.record("acme", spans)
        thumbs = [Annotation(x.span_id, "thumbs", "", "HUMAN", "user", START, score=n % 2) for n, x in enumerate(spans)]
        world.traces.annotate(Stream("acme", "routing"), thumbs)
        notes.append(notes_of(world, run_once(world, config).challenger))
    assert "without a propensity" in notes[0]
    assert "experiences with propensities" in notes[1]


def _silent(number: int) -> Span:
    """A decision of which the span says no outcome."""
    span = decision("acme", f"{90_000 + number:016x}", f"film {number} of {TOPICS[number % 15]}", "video", success=True)
    said = {name: value for name, value in span.attributes.items() if name != "routing.agent_success"}
    return replace(span, attributes={**said, "routing.propensity": 0.5})


@pytest.mark.parametrize("has_propensity", [True, False])
def test_a_policy_is_learned_again_from_new_outcomes_alone(has_propensity: bool):
    world, config = world_with(150)
    config = config.model_copy(update={"decisions": DecisionRules(growth_share=0.6)})
    first = run_once(world, config)
    assert first.outcome == "promoted"
    world.later(days=1)
    record_drawn(world, range(1000, 1130), has_propensity=has_propensity)
    again = run_once(world, config)
    assert (again.plan is not None) is has_propensity
    if has_propensity:
        assert (
            f"decisions with outcomes came since the last training, which had {first.plan.outcomes}"
            in again.decision.reason
        )


def test_nothing_to_learn_ends_the_run_with_a_sentence_and_promotes_nothing():
    world, config = world_with(label_weight=0.0)
    run = run_once(world, config)
    assert run.outcome == "skipped"
    assert run.challenger is None
    assert "routing: no example is labelled" in run.sentence
    assert "without a propensity" in run.sentence


def test_an_agent_that_was_removed_sets_the_policy_aside():
    world, config = world_with()
    run = run_once(world, config)
    assert run.outcome == "promoted"
    fewer = config.model_copy(update={"agents": {name: "" for name in ("video", "audio")}})
    again = run_once(world, fewer, forced=True)
    assert again.counts["champion set aside: its signature has changed"] == 1


def test_a_student_learns_what_a_policy_answers_without_an_lm():
    lms = scripted()
    policy = OPTIMIZERS["policy"].compile(task(lms))
    asked = [example.inputs() for example in task(lms).dev]
    found = OPTIMIZERS["student"].compile(task(lms, tutor=policy, unlabelled=asked))
    assert isinstance(found, Student)
    assert lms.task.calls.count == 0
