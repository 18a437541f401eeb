"""Contests over many passes: what counts as evidence, what is asked of whom, how a contest ends and what it leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from judge import Judge, annotator
from labelling import annotated, waiting
from scripted_lm import like_the_nearest_demo
from world import AGENTS, START, World, filled, traffic

from argotune.data.annotations import Annotation
from argotune.data.archive import ExperienceLog
from argotune.data.spans import Span
from argotune.data.stream import Stream
from argotune.errors import Conflict, NoContent
from argotune.labels.queue import AnnotationQueue
from argotune.labels.selection import Reason
from argotune.pipeline.module_pass import Request
from argotune.pipeline.passes import run_module
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.contests import Contest, ContestState
from argotune.promotion.drawing import is_measured, lot_in
from argotune.promotion.evidence import BOUNDED, CONTRADICTED, HELD_BACK
from argotune.promotion.openings import Opening
from argotune.promotion.pairs import Pair
from argotune.promotion.registry import Registry
from argotune.runs.run import Run
from argotune.runs.tallies import RoundRecord
from argotune.store.collections import EVERYONE, Collection
from argotune.store.records import to_record
from argotune.tenants.config import RoutingConfigUnified

ONLY_CONTEST = {"daily_limit": 15, "share_beside_contest": 0}
FORCED = Request(is_forced=True)
TRUTH = {a.span_id: a.label for a in traffic("acme", 4000)[1]}


def contested(n: int = 40, **fields) -> tuple[World, RoutingConfigUnified]:
    """A tenant whose first pass has opened a contest that its few labels cannot decide."""
    world, config = filled(n, **{"annotation": ONLY_CONTEST, **fields})
    assert one_pass(world, config).outcome == "undecided"
    return world, config


def one_pass(world: World, config: RoutingConfigUnified, request: Request = FORCED) -> Run:
    (run,) = run_module(world.ports, config, "routing", request).runs
    return run


def book(world: World) -> ContestBook:
    return ContestBook(world.store, "acme")


def contest_of(world: World) -> Contest:
    contest = book(world).open("routing")
    assert contest is not None
    return contest


def pairs_of(world: World, contest: str) -> list[Pair]:
    return [pair for page in book(world).pages(contest) for pair in page.pairs]


def drawn(world: World, contest: str) -> list[Pair]:
    return [pair for pair in pairs_of(world, contest) if pair.drawn == "lot"]


def asked(world: World, n: int, first: int = 1000, **attributes: str) -> list[Span]:
    """Requests of which nobody says anything come in now."""
    at = world.now - timedelta(minutes=5)
    named = {"routing.agent_success": None, **{f"routing.{name}": value for name, value in attributes.items()}}
    plain, _ = traffic("acme", n, first=first)
    spans = [replace(s, started_at=at, ended_at=at, attributes={**s.attributes, **named}) for s in plain]
    world.traces.record("acme", spans)
    return spans


def says(
    world: World, span_ids: Sequence[str], label: str | None = None, who: str = "kim", kind: str = "HUMAN"
) -> None:
    given = [Annotation(id, "agent", label or TRUTH[id], kind, who, world.now) for id in span_ids]
    world.traces.annotate(Stream("acme", "routing"), given)


def people_answer(world: World) -> list[str]:
    """People label what waits for them, as it is; which spans these were."""
    spans = [item.span_id for item in waiting(world)]
    says(world, spans)
    return spans


def a_day(world: World, config: RoutingConfigUnified, first: int, n: int = 60) -> Run:
    """People answer what was asked, requests come in, and a pass takes both in."""
    world.later(days=1)
    people_answer(world)
    asked(world, n, first)
    return one_pass(world, config)


def until_its_end(world: World, config: RoutingConfigUnified, days: int = 12) -> list[Run]:
    runs = []
    for day in range(days):
        runs.append(a_day(world, config, 1000 + 60 * day))
        if runs[-1].outcome != "undecided":
            return runs
    raise AssertionError(runs[-1].sentence)


def test_evidence_of_several_passes_promotes_by_what_people_were_asked():
    world, config = contested()
    contest = contest_of(world)
    runs = until_its_end(world, config)
    assert [run.outcome for run in runs] == [*["undecided"] * (len(runs) - 1), "promoted"]
    assert len(runs) >= 3
    assert {(run.contest, run.challenger, run.plan) for run in runs} == {(contest.id, contest.challenger, None)}
    labels = [run.verdict.numbers.labels for run in runs]
    assert labels == sorted(labels)
    assert labels[-1] > labels[0]
    assert Registry(world.store, "acme").champion("routing")[0].version == contest.challenger
    ended = book(world).contest(contest.id)
    assert (ended.state, ended.wait, ended.spent) == (ContestState.PROMOTED, (), 0.0)
    assert book(world).open("routing") is None
    (page,) = world.tracker.runs.values()
    assert page.run_id == contest.id, "one page of all its passes, when it has ended"


@pytest.mark.parametrize(
    ("said", "difference"),
    [
        pytest.param({}, (0.0, 1.0), id="by a person who was asked"),
        pytest.param({"label": "correct"}, (-1.0, -1.0), id="that it is right"),
        pytest.param({"name": "thumbs"}, None, id="by a user of the application"),
        pytest.param({"name": "thumbs", "label": "correct"}, None, id="by a user whom it pleased"),
        pytest.param({"kind": "LLM"}, None, id="by an LM"),
        pytest.param({"updated_at": START - timedelta(days=1)}, None, id="before it was drawn"),
        pytest.param(
            {"label": "correct", "updated_at": START - timedelta(days=1)}, None, id="that it is right, before"
        ),
    ],
)
def test_what_people_say_of_a_drawn_answer_when_they_were_asked_judges_and_nothing_else_that_is_said_of_it(
    said, difference
):
    world, config = contested(annotation={**ONLY_CONTEST, "remarks": {"thumbs": {"means": "verdict"}}})
    asked(world, 60)
    one_pass(world, config)
    first = contest_of(world).wait[0]
    world.later(hours=1)
    verdict = replace(Annotation(first, "argotune.verdict", "incorrect", "HUMAN", "kim", world.now), **said)
    world.traces.annotate(Stream("acme", "routing"), [verdict])
    run = one_pass(world, config)
    assert (first in contest_of(world).wait) is (difference is None)
    assert run.counts.get(f"contest: {BOUNDED}", 0) == (difference == (0.0, 1.0))
    assert [(s.difference, s.most) for s in run.comparison.scores if s.drawn == "lot"] == [difference] * bool(
        difference
    )


def test_drawn_questions_that_judged_are_published_too():
    world, config = contested()
    until_its_end(world, config)
    (page,) = world.tracker.runs.values()
    contest = book(world).contest(page.run_id)
    published = {example.id for example in page.examples if example.challenger_answers is not None}
    assert published == set(contest.judged)
    assert not published <= set(contest.sealed_ids)


def test_an_open_contest_is_told_in_totals_until_it_has_ended():
    world, config = contested()
    shown = world.tracker.open["acme", "routing"]
    contest = contest_of(world)
    assert shown.sentence == contest.sentence
    assert shown.facts["answers"] == shown.facts["answers_equal"] + shown.facts["answers_that_differ"] > 0
    assert shown.facts["labels"] == len(contest.judged)
    assert not any(agent in str(shown) for agent in AGENTS), "nothing of what was answered"
    until_its_end(world, config)
    assert world.tracker.open == {}


def test_an_undecided_pass_trains_nothing_and_asks_each_version_once():
    world, config = contested()
    contest = contest_of(world)
    for day in range(2):
        paid, before = world.lms.calls, len(drawn(world, contest.id))
        run = a_day(world, config, 1000 + 60 * day)
        assert (run.outcome, run.plan, run.decision) == ("undecided", None, None)
        assert world.lms.calls - paid == run.lm_calls == 2 * (len(drawn(world, contest.id)) - before)
    assert drawn(world, contest.id)
    paid = world.lms.calls
    assert one_pass(world, config).lm_calls == world.lms.calls - paid == 0, "nothing new, nothing asked"
    assert world.tracker.runs == {}, "who saw the answers of an open contest could tune to them"


def test_a_contest_makes_its_module_due_for_one_label_or_request_and_else_costs_a_round_nothing():
    world, config = contested()
    a_day(world, config, 1000)
    world.later(hours=2)
    assert not world.look(config).is_due
    says(world, [waiting(world)[0].span_id])
    assert world.look(config).is_due
    one_pass(world, config, Request())
    world.later(hours=2)
    assert not world.look(config).is_due
    asked(world, 1, 3000)
    assert world.look(config).is_due


def silent_without_demos(inputs: Mapping[str, str], labels: Sequence[str], demos: Sequence[Mapping[str, Any]]) -> str:
    if not demos:
        raise NoContent("nothing")
    return like_the_nearest_demo(inputs, labels, demos)


@pytest.mark.parametrize(
    ("limits", "requests", "is_champion_silent", "is_due"),
    [
        ({"max_shadow_calls": 5}, 3, False, True),
        ({"max_shadow_calls": 5}, 5, False, False),
        ({"max_shadow_calls": 15}, 10, True, True),
        ({"max_shadow_calls": 15}, 15, True, False),
        ({"shadow_calls_per_pass": 0}, 3, False, False),
    ],
)
def test_a_new_request_makes_a_module_due_as_long_as_the_contest_may_draw_it(
    limits, requests: int, is_champion_silent: bool, is_due: bool
):
    world, config = contested(contest=limits, annotation={"daily_limit": 0})
    assert len(contest_of(world).sealed_ids) > 5, "which are no drawn requests"
    asked(world, requests)
    if is_champion_silent:
        world.lms.answer = silent_without_demos
    one_pass(world, config)
    world.later(hours=2)
    assert not world.look(config).is_due
    asked(world, 1, 3000)
    assert world.look(config).is_due == is_due


def test_the_champions_answer_comes_from_the_trace_where_that_version_gave_it_and_the_challenger_agrees():
    world, config = contested()
    contest = contest_of(world)
    own = {s.span_id for s in asked(world, 20, 1000, program_version=contest.champion, chosen_agent="audio")}
    others = {s.span_id for s in asked(world, 20, 1100, program_version="another", chosen_agent="audio")}
    paid = world.lms.calls
    one_pass(world, config)
    pairs = {pair.span_id: pair for pair in drawn(world, contest.id)}
    said = {span_id: pair.champion.answers["agent"] for span_id, pair in pairs.items()}
    alike = {span_id for span_id in own if pairs[span_id].challenger.answers["agent"] == "audio"}
    assert 0 < len(alike) < 20
    assert {said[span_id] for span_id in alike} == {"audio"}, "as the trace has it"
    assert {said[span_id] for span_id in own - alike} == {"video"}, "asked again: no win by a trace that is out of date"
    assert {said[span_id] for span_id in others} == {"video"}, "as the champion says now"
    measured = {span_id for span_id in alike if is_measured(contest.id, pairs[span_id].question)}
    assert world.lms.calls - paid == 20 + len(own - alike) + len(measured) + 2 * 20


def test_an_explored_answer_is_never_taken_for_the_champions():
    world, config = contested()
    contest = contest_of(world)
    explored = {"chosen_agent": "text", "propensity": 0.02, "greedy_answers": '{"agent": "audio"}'}
    own = {s.span_id for s in asked(world, 20, 1000, program_version=contest.champion, **explored)}
    one_pass(world, config)
    pairs = [pair for pair in drawn(world, contest.id) if pair.span_id in own]
    found = {(pair.champion.answers["agent"], pair.challenger.answers["agent"] == "audio") for pair in pairs}
    assert found == {("audio", True), ("video", False)}, "as it said itself, or as it says when it is asked again"


def test_disagreements_come_first_in_the_queue_in_drawn_order_and_blind():
    world, config = contested(annotation={"daily_limit": 30, "share_beside_contest": 0})
    contest = contest_of(world)
    asked(world, 60)
    run = one_pass(world, config)
    wait = contest_of(world).wait
    assert wait == tuple(sorted(wait, key=lambda span_id: lot_in(contest.id, span_id)))
    differing = {pair.span_id for pair in drawn(world, contest.id) if not pair.is_equal}
    assert set(wait) == differing
    first = AnnotationQueue(world.store, "acme").items("routing")[:30]
    assert [(item.span_id, item.reason) for item in first] == [(span_id, Reason.DIFFER) for span_id in wait[:30]]
    marks = [a for a in annotated(world, "CODE", "argotune.queue") if a.span_id in differing]
    assert len(marks) == 30
    shown = " ".join(f"{mark.label} {mark.explanation}" for mark in marks) + " ".join(
        i.model_dump_json() for i in first
    )
    assert not [word for word in (*AGENTS, run.champion, run.challenger) if word in shown]


@pytest.mark.parametrize(("share", "others"), [(0.0, 0), (0.2, 2), (0.5, 5), (1.0, 10)])
def test_a_part_of_each_day_stays_for_other_questions_while_a_contest_has_disagreements(share: float, others: int):
    rules = {"daily_limit": 10, "share_beside_contest": share}
    world, config = contested(annotation=rules, contest={"min_people_labels": 1000, "overtaken_growth": 100})
    for day in range(3):
        world.later(days=1)
        asked(world, 60, 1000 + 60 * day)
        one_pass(world, config)
        asked_today = waiting(world)
        assert len(contest_of(world).wait) > 10
        assert sum(not item.contest for item in asked_today) == others
        assert len(asked_today) == 10
        assert not {item.span_id for item in asked_today if not item.contest} & set(contest_of(world).wait)
        one_pass(world, config)
        assert waiting(world) == asked_today, "the same pass again asks nothing more"
        people_answer(world)


def test_what_nobody_else_needs_of_a_day_the_contest_has():
    rules = {"daily_limit": 10, "share_beside_contest": 0.5}
    world, config = contested(annotation=rules, contest={"overtaken_growth": 100})
    asked(world, 60)
    one_pass(world, config)
    world.later(days=1)
    people_answer(world)
    says(world, [x.span_id for x in ExperienceLog(world.store, "acme").experiences("routing")
                 if x.span_id not in contest_of(world).wait])  # fmt: skip
    one_pass(world, config)
    assert len(waiting(world)) == 10
    assert all(item.contest for item in waiting(world))


def test_what_waited_for_another_reason_judges_once_the_lot_has_drawn_it():
    world, config = contested(contest={"max_shadow_calls": 0}, annotation={"daily_limit": 30})
    asked(world, 60)
    one_pass(world, config)
    before = {item.span_id for item in waiting(world)}
    drawing = world.tenant(annotation={"daily_limit": 30})
    one_pass(world, drawing)
    differing = [item for item in waiting(world) if item.contest]
    assert before & {item.span_id for item in differing}
    items = [item for item in AnnotationQueue(world.store, "acme").items("routing") if item.is_waiting]
    assert 0 < len(differing) < len(items)
    assert items[: len(differing)] == sorted(differing, key=lambda item: item.place), "before all that waited earlier"


def test_labels_that_were_given_for_other_reasons_never_judge():
    world, config = contested(contest={"shadow_calls_per_pass": 20})
    contest = contest_of(world)
    spans = {s.span_id for s in asked(world, 60)}
    one_pass(world, config)
    pairs = drawn(world, contest.id)
    equal = {pair.span_id for pair in pairs if pair.is_equal}
    never = spans - {pair.span_id for pair in pairs}
    before = contest_of(world)
    says(world, sorted(equal | never))
    still = config.model_copy(update={"contest": config.contest.model_copy(update={"shadow_calls_per_pass": 0})})
    run = one_pass(world, still)
    assert equal
    assert len(never) == 40
    assert run.counts["examples"] == 40 + len(equal | never), "they are examples, to train on"
    assert run.verdict.numbers.n == len(before.judged) == len(contest.sealed_ids)


def test_an_lm_annotator_judges_no_disagreement_alone():
    world, config = contested(contest={"overtaken_growth": 100})
    world.annotator = annotator(Judge())
    asked(world, 60)
    one_pass(world, config)
    world.later(days=1)
    run = one_pass(world, config)
    assert {item.span_id for item in waiting(world) if item.contest} <= {a.span_id for a in annotated(world, "LLM")}
    assert run.verdict.numbers.n == len(contest_of(world).sealed_ids)


def test_repeated_requests_and_near_duplicates_are_asked_as_often_as_they_come_and_judge_once():
    world, config = contested()
    contest = contest_of(world)
    plain = asked(world, 10)
    again = [replace(s, span_id=f"a{s.span_id[1:]}", trace_id="a" * 32) for s in plain]
    near = [
        replace(
            s,
            span_id=f"b{s.span_id[1:]}",
            attributes={**s.attributes, "routing.query": s.attributes["routing.query"] + "7"},
        )
        for s in plain
    ]
    world.traces.record("acme", [*again, *near])
    TRUTH.update({f"{x}{s.span_id[1:]}": TRUTH[s.span_id] for x in "ab" for s in plain})
    assert one_pass(world, config).lm_calls == 2 * 20, "the same words are asked once"
    pairs = drawn(world, contest.id)
    assert len(pairs) == 30
    world.later(days=1)
    says(world, [pair.span_id for pair in pairs])
    run = one_pass(world, config)
    differing = {pair.question for pair in pairs if not pair.is_equal and pair.repeats is None}
    assert 0 < len(differing) <= 10
    judging = {score.example_id for score in run.comparison.scores} - set(contest.sealed_ids)
    assert judging == differing
    assert run.verdict.numbers.answers == len(contest.sealed_ids) + 30, "a question that is asked often weighs more"


def served_by_a_promoted_one(**fields) -> tuple[World, RoutingConfigUnified, str]:
    """A tenant with a promoted champion, and a contest that is open against it."""
    world, config = filled(300, annotation={"daily_limit": 15}, **fields)
    champion = one_pass(world, config).challenger
    world.later(hours=2)
    world.receive(60, first=500)
    run = one_pass(world, config, Request(is_forced=True, is_training_forced=True))
    assert (run.outcome, run.champion) == ("undecided", champion), run.sentence
    return world, config, champion


def test_a_champion_that_is_rolled_back_in_the_middle_ends_the_contest_and_nothing_is_asked():
    world, config, champion = served_by_a_promoted_one()
    contest = contest_of(world)
    Registry(world.store, "acme").roll_back("routing", leaving=champion, who="kim", reason="worse", now=world.now)
    world.later(hours=2)
    asked(world, 60, 3000)
    run = one_pass(world, config)
    assert (run.outcome, run.verdict.rule, run.lm_calls) == ("rejected", "champion_moved", 0)
    assert f"{champion} did when the contest opened" in run.sentence
    assert book(world).contest(contest.id).state is ContestState.CHAMPION_MOVED
    assert set(contest.sealed_ids) <= book(world).opened("routing"), "its evidence is training data"
    world.later(hours=2)
    asked(world, 120, 3100)
    assert one_pass(world, config).decision is not None, "the next run decides anew"


def with_a_label_that_won() -> SimpleNamespace:
    """A contest with labels that count, the first drawn of which was a win."""
    world, config = contested()
    contest = contest_of(world)
    a_day(world, config, 1000)
    run = a_day(world, config, 1060)
    scores = {score.example_id: score for score in run.comparison.scores}
    pair = next(p for p in drawn(world, contest.id) if p.question in scores and scores[p.question].difference == 1.0)
    return SimpleNamespace(world=world, config=config, pair=pair, before=run.verdict.numbers)


def test_a_label_that_another_person_contradicts_counts_as_no_difference():
    it = with_a_label_that_won()
    says(it.world, [it.pair.span_id], it.pair.champion.answers["agent"], who="ann")
    run = one_pass(it.world, it.config)
    after = run.verdict.numbers
    assert run.counts[f"contest: {CONTRADICTED}"] == 1
    assert (after.n, after.wins, after.losses) == (it.before.n, it.before.wins - 1, it.before.losses)
    assert after.log_wealth < it.before.log_wealth


def test_a_label_that_is_corrected_counts_as_it_stands_now():
    it = with_a_label_that_won()
    says(it.world, [it.pair.span_id], it.pair.champion.answers["agent"])
    after = one_pass(it.world, it.config).verdict.numbers
    assert (after.n, after.wins, after.losses) == (it.before.n, it.before.wins - 1, it.before.losses + 1)
    says(it.world, [it.pair.span_id])
    assert one_pass(it.world, it.config).verdict.numbers == it.before, "as if it had never been otherwise"


def test_a_label_that_is_withdrawn_is_asked_for_again_and_holds_back_what_was_drawn_later_until_patience_is_over():
    it = with_a_label_that_won()
    del it.world.traces._annotations["acme"][it.pair.span_id, "agent", "kim"]
    run = one_pass(it.world, it.config)
    assert contest_of(it.world).wait[0] == it.pair.span_id
    assert it.pair.span_id in {item.span_id for item in waiting(it.world)}, "people are asked again"
    assert run.counts[f"contest: {HELD_BACK}"] > 0
    assert run.verdict.numbers.n < it.before.n
    it.world.later(days=it.config.contest.patience_days)
    after = one_pass(it.world, it.config).verdict.numbers
    assert (after.wins, after.losses) == (it.before.wins - 1, it.before.losses + 1), "the worst is assumed"


@pytest.mark.parametrize("days", [40, 400, -400])
def test_a_pass_whose_clock_leaps_ends_no_contest_and_loses_no_evidence(days: int):
    world, config = contested(contest={"max_shadow_calls": 60})
    a_day(world, config, 1000)
    before, leap = a_day(world, config, 1060).verdict.numbers, timedelta(days=days)
    _, *others = [item.span_id for item in waiting(world) if item.contest]
    says(world, others)  # the first one they pass over
    contest, right = contest_of(world), world.now
    pairs = pairs_of(world, contest.id)
    examples = {e.id for e in ExperienceLog(world.store, "acme").examples("routing")}
    world.now += leap
    assert not world.look(config).is_unfinished
    run = one_pass(world, config)
    assert run.outcome == "undecided", run.sentence
    assert run.verdict.numbers == before, "nobody has passed over anything by that clock"
    assert contest_of(world).id == contest.id
    world.now = right
    assert one_pass(world, config).outcome == "undecided"
    assert Registry(world.store, "acme").champion("routing") == (None, None)
    assert pairs_of(world, contest.id)[: len(pairs)] == pairs
    assert {e.id for e in ExperienceLog(world.store, "acme").examples("routing")} >= examples


def with_rounds(world: World, days: int) -> None:
    """Rounds have followed the clock until so many days later."""
    for day in range(days):
        record = RoundRecord(name=f"round-{day}", started_at=world.now + timedelta(days=day))
        world.store.write(EVERYONE, [to_record(Collection.ROUNDS, record.name, record)])


@pytest.mark.parametrize("are_rounds_there", [True, False])
def test_the_days_of_an_idle_tenant_are_over_where_rounds_have_followed_the_clock(are_rounds_there: bool):
    world, config = contested()
    with_rounds(world, 41 if are_rounds_there else 0)
    world.later(days=40)
    assert world.look(config).is_due
    run = one_pass(world, config, Request())
    assert run.outcome == ("rejected" if are_rounds_there else "undecided")
    world.later(hours=23)
    assert not world.look(config).is_due, "at most once a day while the clock is doubted"
    world.later(days=7)
    if not are_rounds_there:
        one_pass(world, config, Request())
        assert one_pass(world, config).verdict.rule == "out_of_days", "passes have said the same for a week"


@pytest.mark.parametrize(("are_rounds_there", "level"), [(True, 0.0125), (False, 0.05 * 3 / 20)])
def test_a_year_is_over_where_rounds_have_followed_the_clock(are_rounds_there: bool, level: float):
    world, config = contested(min_samples_for_optimization=1)
    contest = contest_of(world)
    held = replace_contest(world, log_wealth=-99.0)
    book(world).stop(held.id, who="kim", reason="why not", now=world.now)
    with_rounds(world, 401 if are_rounds_there else 0)
    world.later(days=400)
    one_pass(world, config, Request(is_forced=True, is_training_forced=True))
    assert contest_of(world).id != contest.id
    assert contest_of(world).level == pytest.approx(level)


def replace_contest(world: World, **changes) -> Contest:
    """The open contest, written as if it stood so."""
    contest = contest_of(world).model_copy(update=changes)
    world.store.write("acme", [to_record(Collection.CONTESTS, contest.id, contest)])
    return contest


def test_a_contest_that_opened_with_a_clock_far_ahead_draws_and_ends_as_others():
    world = World(now=START + timedelta(days=400))
    config = world.tenant(annotation={"daily_limit": 15})
    says(world, [span.span_id for span in asked(world, 40, 0)])
    assert one_pass(world, config).outcome == "undecided"
    world.now = START + timedelta(hours=2)
    runs = until_its_end(world, config)
    assert runs[-1].outcome == "promoted"


def test_a_contest_without_verdict_ends_when_its_labels_are_used():
    world, config = contested(contest={"max_labels": 14, "min_people_labels": 1000})
    run = until_its_end(world, config)[-1]
    assert (run.outcome, run.verdict.rule) == ("rejected", "out_of_labels")
    assert "all 14 labels are used (contest.max_labels)" in run.sentence
    assert book(world).contests()[-1].state is ContestState.OUT_OF_LABELS


def test_a_contest_without_verdict_ends_when_its_days_are_over_though_nothing_comes():
    world, config = contested(contest={"max_days": 2})
    a_day(world, config, 1000)
    world.later(hours=23)
    assert not world.look(config).is_due
    world.later(hours=1)
    assert world.look(config).is_due
    run = one_pass(world, config, Request())
    assert (run.outcome, run.verdict.rule) == ("rejected", "out_of_days")
    assert "2 days are over (contest.max_days)" in run.sentence
    assert not [item for item in waiting(world) if item.contest], "nobody is asked for it any more"


def test_a_contest_that_is_not_half_way_is_overtaken_by_what_people_labelled_for_it_and_a_training_follows():
    rules = {"daily_limit": 90, "share_beside_contest": 0}
    decisions = {"detectable_gain": 0.03, "exploration_share": 0}
    gate = {"min_slice_examples": 99}
    world, config = contested(noise=True, annotation=rules, gate=gate, decisions=decisions)
    seen = len(contest_of(world).seen_ids)
    asked(world, 120)
    one_pass(world, config)
    assert len(people_answer(world)) > 1.5 * seen
    run = one_pass(world, config)
    assert (run.outcome, run.verdict.rule) == ("rejected", "overtaken")
    assert "what a new challenger could learn from grew by" in run.sentence
    assert book(world).contests()[-1].state is ContestState.OVERTAKEN
    world.later(days=2)
    run = one_pass(world, config)
    assert run.plan is not None, run.sentence
    assert len(run.plan.train_ids) > seen


def test_evidence_of_an_ended_contest_is_training_data_and_is_never_tested_again():
    world, config = contested(annotation={"daily_limit": 60}, contest={"max_labels": 14, "min_people_labels": 1000})
    first = contest_of(world)
    rejected = until_its_end(world, config)[-1]
    judged = {score.example_id for score in rejected.comparison.scores}
    assert judged > set(first.sealed_ids)
    world.later(hours=2)
    run = one_pass(world, config, Request(is_forced=True, is_training_forced=True))
    second = contest_of(world)
    assert second.id != first.id
    assert judged <= {*run.plan.train_ids, *run.plan.dev_ids} == set(second.seen_ids)
    assert not judged & {*run.plan.test_ids, *second.sealed_ids}
    assert not judged & {pair.question for pair in pairs_of(world, second.id)}


def test_what_the_queue_had_chosen_for_the_test_split_is_not_tested_again_once_it_has_judged():
    world, config = contested(contest={"max_shadow_calls": 0}, annotation={"daily_limit": 60, "random_share": 1.0})
    asked(world, 60)
    one_pass(world, config)
    drawing = world.tenant(annotation={"daily_limit": 60}, contest={"max_labels": 14, "min_people_labels": 1000})
    rejected = until_its_end(world, drawing)[-1]
    judged = {score.example_id for score in rejected.comparison.scores}
    in_test = {e.id for e in ExperienceLog(world.store, "acme").examples("routing") if e.split == "test"}
    assert judged & in_test - set(contest_of_first(world).sealed_ids), "the case that this is about"
    world.later(hours=2)
    run = one_pass(world, drawing, Request(is_forced=True, is_training_forced=True))
    assert not judged & set(run.plan.test_ids)


def contest_of_first(world: World) -> Contest:
    return book(world).contests("routing")[0]


def test_what_attempts_of_the_release_before_have_opened_is_training_data_and_judges_nobody():
    world, config = filled(40, annotation={"daily_limit": 0})
    plan = contest_free_plan(world, config)
    spent, void = plan.test_ids[:4], plan.test_ids[4:6]
    for n, (ids, why) in enumerate([(spent, ""), (void, "measured nothing")]):
        attempt = Opening(program="routing", run_id=f"routing-old-{n}", at=START, example_ids=ids, void=why)
        record = to_record(Collection.OPENINGS, attempt.run_id, attempt)
        assert '"Attempt"' in record.text
        world.store.write("acme", [record])
    run = one_pass(world, config, Request(is_forced=True, is_training_forced=True))
    contest = book(world).contest(run.contest)
    assert set(contest.sealed_ids) == set(plan.test_ids) - set(spent)
    assert set(spent) <= set(contest.seen_ids)


def contest_free_plan(world: World, config: RoutingConfigUnified):
    """What a run would train and judge on, in a world of its own."""
    twin, _ = filled(40, annotation={"daily_limit": 0})
    return one_pass(twin, config).plan


def test_answers_are_limited_by_pass_and_by_contest():
    world, config = contested(contest={"shadow_calls_per_pass": 10, "max_shadow_calls": 25})
    contest = contest_of(world)
    asked(world, 60)
    made, due = [], []
    for _ in range(4):
        before = len(drawn(world, contest.id))
        one_pass(world, config)
        made.append(len(drawn(world, contest.id)) - before)
        world.later(hours=1)
        due.append(world.look(config).is_due)
    assert made == [10, 10, 5, 0]
    assert due == [True, True, False, False], "what is owed is asked after the next period"


@pytest.mark.parametrize(
    ("n", "limits", "told"),
    [
        (60, {"budget": {"max_lm_calls": 1}}, "nothing was answered yet; asking ended early (budget.max_lm_calls: "),
        (60, {"contest": {"max_shadow_calls": 25}}, "(contest.max_shadow_calls: 25 requests may be drawn, 25 were)"),
        (60, {"contest": {"shadow_calls_per_pass": 0}}, "(contest.shadow_calls_per_pass: no pass may draw a request)"),
        (9, {}, ""),
    ],
    ids=["budget", "of the contest", "of a pass", "none"],
)
def test_an_undecided_contest_names_the_limit_that_ended_its_asking(n: int, limits, told: str):
    world, config = contested(**limits)
    asked(world, n)
    one_pass(world, config)
    run = one_pass(world, config)
    assert told in run.sentence
    for sentence in (run.sentence, contest_of(world).sentence):
        assert told.rpartition("; ")[2] in sentence
        assert ("asking ended early" in sentence) == ("raise that limit" in sentence) == bool(told)


def test_a_budget_below_a_batch_pays_for_answers_that_are_kept():
    world, config = contested(budget={"max_lm_calls": 6})
    contest = contest_of(world)
    known = len(pairs_of(world, contest.id))
    one_pass(world, config)
    assert 0 < known < len(pairs_of(world, contest.id))


@pytest.mark.slow
def test_fifty_passes_of_one_tenant_at_once_promote_once():
    world, config = contested(annotation={"daily_limit": 60})
    asked(world, 60)
    one_pass(world, config)
    contest = contest_of(world)
    world.later(days=1)
    people_answer(world)

    def try_it(_n: int) -> str:
        try:
            return one_pass(world, config).outcome
        except Conflict:
            return "conflict"

    with ThreadPoolExecutor(50) as pool:
        found = list(pool.map(try_it, range(50)))
    assert found.count("promoted") == 1, found
    assert set(found) <= {"promoted", "conflict", "skipped", "undecided"}
    (change,) = Registry(world.store, "acme").history("routing")
    assert (change.version, change.how) == (contest.challenger, "promoted")
    assert book(world).contest(contest.id).state is ContestState.PROMOTED
