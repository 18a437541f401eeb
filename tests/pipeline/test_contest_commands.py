"""Contests from the command line: what is told of an open one, and how a person ends it or sets a year back."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from labelling import annotated, waiting
from world import World, filled, run_once, traffic

from argotune import wiring
from argotune.cli import main
from argotune.data.annotations import Annotation
from argotune.data.stream import Stream
from argotune.decisions.lessons import Lessons
from argotune.labels.queue import AnnotationQueue
from argotune.pipeline.module_pass import Request
from argotune.pipeline.passes import run_module
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.contests import Contest
from argotune.runs.module_book import ModuleBook
from argotune.runs.tallies import read_tally
from argotune.tenants.config import RoutingConfigUnified

Told = Callable[..., tuple[int, str, str]]


@pytest.fixture
def open_contest(monkeypatch: pytest.MonkeyPatch) -> tuple[World, RoutingConfigUnified, Contest]:
    """A tenant whose contest has answers of both and spans that wait for their labels, behind the command line."""
    world, config = filled(100, noise=True)
    monkeypatch.setattr(wiring, "open_store", lambda _settings: world.store)
    monkeypatch.setattr(wiring, "utc_now", lambda: world.now)
    monkeypatch.setattr("getpass.getuser", lambda: "kim")
    monkeypatch.setenv("CONFIG_STORE_URL", "sqlite:///never-opened.db")
    run_once(world, config)
    spans, _ = traffic("acme", 100, first=1000)
    world.later(hours=2)
    at = world.now - timedelta(minutes=5)
    run_once(world, config, seen=[replace(span, started_at=at, ended_at=world.now) for span in spans])
    contest = ContestBook(world.store, "acme").open("routing")
    assert contest is not None
    assert contest.wait
    return world, config, contest


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(list(arguments))
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def as_json(told: Told, *arguments: str) -> Any:
    return json.loads(told(*arguments, "--json")[1])


def test_open_contests_are_listed_with_what_they_still_take(open_contest, told: Told):
    _, _, contest = open_contest
    for flags in ([], ["--tenant", "acme"]):
        code, out, _ = told("contests", *flags)
        assert code == 0
        assert contest.id in out
        assert "shadow answers until a verdict on +2 points" in out
        assert "acme: of a year's significance of 0.050 contests hold or have spent 0.013, the next may spend" in out
    found = as_json(told, "contests")
    (row,), (year,) = found["contests"], found["significance"]
    assert (row["id"], row["state"], row["wait"]) == (contest.id, "open", list(contest.wait))
    assert row["outlook"]["labels"] > 0
    assert (row["seen"], row["sealed"]) == (len(contest.seen_ids), len(contest.sealed_ids))
    assert year["used"] == contest.level


def test_a_contest_is_shown_with_its_numbers_and_what_did_not_count(open_contest, told: Told):
    _, _, contest = open_contest
    code, out, _ = told("contest", "show", contest.id)
    assert code == 0
    for line in (
        f"contest   {contest.id} of acme routing",
        f"answers   {contest.answers} of both, {contest.differ} differ",
        f"waits     for labels of {len(contest.wait)} spans: {contest.wait[0]}",
        "points, ",
        "at any time",
        "level 0.013",
        "effort    answers take 1 times as long (limit 3, less than 1 s counts as that): 0 s in place of 0 s over ",
        "effort    answers cost 1 times as much (limit 10): 10 tokens in place of 10 tokens over ",
        "takes     about ",
    ):
        assert line in out, out
    found = as_json(told, "contest", "show", contest.id, "--tenant", "acme")
    assert found["numbers"]["answers"] == contest.answers
    assert found["numbers"]["interval"]["low"] < found["numbers"]["effect"] < found["numbers"]["interval"]["high"]
    assert isinstance(found["left_out"], dict)


def test_status_and_explain_tell_the_contest(open_contest, told: Told):
    _, _, contest = open_contest
    assert f"contest of acme routing: {contest.sentence}" in told("status")[1]
    (row,) = as_json(told, "status", "--tenant", "acme")
    assert row["contest"] == contest.sentence
    assert "until a verdict on +2 points" in row["sentence"]
    story = told("explain", "--tenant", "acme", contest.challenger)[1]
    assert f"contest   {contest.sentence}" in story
    assert f"answers = {contest.answers}" in story
    assert "effort    answers take 1 times as long (limit 3, less than 1 s counts as that)" in story
    explained = as_json(told, "explain", "--tenant", "acme", contest.challenger)
    assert explained["contest"]["sentence"] == contest.sentence
    assert explained["judged"]["id"] == contest.judged_by != contest.id


def test_a_person_stops_a_contest_and_the_next_pass_trains_again(open_contest, told: Told):
    world, config, contest = open_contest
    assert read_tally(world.store, "acme").open_contests == {"routing": 1}
    code, out, _ = told("contest", "stop", contest.id, "--reason", "the labels are wrong", "--who", "bo")
    assert read_tally(world.store, "acme").open_contests == {}
    assert (code, out.startswith("acme routing: stopped by a person: the labels are wrong")) == (0, True)
    assert ModuleBook(world.store, "acme", "routing").read(Lessons).waiting == {}
    assert world.look(config).contests == ()
    assert "contest of acme" not in told("status")[1]
    assert "by bo, spent " in told("contest", "show", contest.id)[1]
    world.later(hours=2)
    (run,) = run_module(world.ports, config, "routing", Request(is_forced=True, is_training_forced=True)).runs
    assert run.contest == run.id != contest.id


@pytest.mark.parametrize("is_crashed", [False, True], ids=["whole", "the pod dies before the queue is written"])
def test_nobody_is_asked_for_a_contest_that_was_stopped(open_contest, told: Told, is_crashed: bool):
    world, config, contest = open_contest
    of_it = {item.span_id for item in waiting(world) if item.contest == contest.id}
    other = next(item.span_id for item in waiting(world) if not item.contest)
    answered = min(of_it)
    world.traces.annotate(
        Stream("acme", "routing"), [Annotation(answered, "agent", "video", "HUMAN", "ann", world.now)]
    )
    AnnotationQueue(world.store, "acme").close(answered, world.now)
    if is_crashed:
        ContestBook(world.store, "acme").stop(contest.id, who="bo", reason="enough", now=world.now)
    else:
        assert told("contest", "stop", contest.id, "--reason", "enough")[0] == 0
        assert told("contest", "stop", contest.id, "--reason", "enough")[0] == 9
        assert of_it.isdisjoint(item.span_id for item in waiting(world))
    assert other in {item.span_id for item in waiting(world)}
    world.later(hours=2)
    run_module(world.ports, config, "routing", Request(is_forced=True))
    kept = {item.span_id for item in AnnotationQueue(world.store, "acme").items() if item.contest == contest.id}
    assert kept == {answered}, "it keeps its place; the others may be asked about again"
    marks = {mark.span_id: mark.label for mark in annotated(world, "CODE", "argotune.queue")}
    again = {item.span_id for item in waiting(world)}
    assert {marks[span_id] for span_id in of_it - again} == {"done"}


def test_a_stop_reaches_a_pass_that_is_at_work_on_the_contest(open_contest, told: Told):
    world, config, contest = open_contest
    done: list[int] = []

    def stop() -> None:
        world.lms.on_call = lambda: None
        done.append(told("contest", "stop", contest.id, "--reason", "enough")[0])

    spans, _ = traffic("acme", 60, first=3000)
    world.later(hours=2)
    at = world.now - timedelta(minutes=5)
    world.traces.record("acme", [replace(span, started_at=at, ended_at=world.now) for span in spans])
    world.lms.on_call = stop
    with pytest.raises(Exception, match=r"changed|ended|wrote") as met:
        run_module(world.ports, config, "routing", Request(is_forced=True))
    assert met.value.exit_code == 9
    assert done == [0]
    (run,) = run_module(world.ports, config, "routing", Request(is_forced=True)).runs
    assert run.outcome in ("skipped", "rejected")
    assert "stopped by a person: enough" in run.sentence
    assert ContestBook(world.store, "acme").open("routing") is None


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["show", "routing-none"], 4, "no tenant has a contest 'routing-none'"),
        (["show", "routing-none", "--tenant", "acme"], 4, "tenant 'acme' has no contest 'routing-none'"),
        (["show", "ID", "--tenant", "globex"], 4, "globex"),
        (["stop", "routing-none", "--reason", "x"], 4, "no tenant has a contest"),
        (["stop", "ID", "--reason", " "], 2, "--reason: must say why"),
        (["stop", "ID", "--reason", "x", "--who", "argotune"], 2, "--who"),
        (["reset", "--tenant", "acme", "--reason", ""], 2, "--reason: must say why"),
        (["reset", "--tenant", "globex", "--reason", "x"], 4, "globex"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_changed(
    open_contest, told: Told, arguments: Sequence[str], code: int, said: str
):
    world, _, contest = open_contest
    before = ContestBook(world.store, "acme").shares()
    found, _, err = told("contest", *(contest.id if a == "ID" else a for a in arguments))
    assert (found, said in err, len(err.splitlines())) == (code, True, 1), err
    assert ContestBook(world.store, "acme").open("routing") == contest
    assert ContestBook(world.store, "acme").shares() == before


def test_an_ended_contest_is_stopped_by_nobody_and_listed_for_thirty_days(open_contest, told: Told):
    world, _, contest = open_contest
    assert told("contest", "stop", contest.id, "--reason", "x")[0] == 0
    code, _, err = told("contest", "stop", contest.id, "--reason", "again")
    assert (code, "has ended: stopped by a person: x" in err) == (9, True)
    world.later(days=29)
    assert contest.id in told("contests")[1]
    world.later(days=2)
    assert contest.id not in told("contests")[1]
    assert told("contest", "show", contest.id)[0] == 0


def test_a_year_is_set_back_by_a_person_and_what_open_contests_hold_stays(open_contest, told: Told):
    world, config, contest = open_contest
    told("contest", "stop", contest.id, "--reason", "x")
    run_module(world.ports, config, "routing", Request(is_forced=True, is_training_forced=True))
    held = ContestBook(world.store, "acme").open("routing")
    code, out, _ = told("contest", "reset", "--tenant", "acme", "--reason", "a new product", "--who", "bo")
    assert code == 0
    assert "set back 2026-11-21 14:00 by bo: a new product" in out
    shares = ContestBook(world.store, "acme").shares()
    assert [share.contest for share in shares.shares] == ([held.id] if held else [])
    assert as_json(told, "contests")["significance"][0]["why"] == "a new product"
