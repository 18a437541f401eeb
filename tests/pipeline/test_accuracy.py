"""Accuracy over time, decisions and the queue of a tenant: page and command line tell what the records hold."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from watched_store import FailsOnce, WatchedStore, nothing
from world import START, World, filled, run_once, traffic

from argotune import wiring
from argotune.cli import main
from argotune.data.live_quality import LiveQuality, live_quality
from argotune.errors import ConfigInvalid, NotFound, Unavailable
from argotune.labels.queue import AnnotationQueue
from argotune.pipeline.module_pass import Request
from argotune.pipeline.operations.accuracy import accuracy_over_time
from argotune.pipeline.operations.contests import list_contests
from argotune.pipeline.operations.decisions import decisions_of
from argotune.pipeline.operations.queue import queue_standing
from argotune.pipeline.passes import run_module
from argotune.promotion.contest_book import ContestBook
from argotune.runs.book import RunBook
from argotune.store.collections import Collection
from argotune.store.records import from_text
from argotune.store.sealing import seal


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs a command against a world; (exit code, stdout, stderr)."""

    def tell(world: World, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(wiring, "open_store", lambda _settings: world.store)
        monkeypatch.setattr(wiring, "utc_now", lambda: world.now)
        monkeypatch.setenv("CONFIG_STORE_URL", "sqlite:///never-opened.db")
        code = main(list(arguments))
        return code, *capsys.readouterr()

    return tell


def of_a_day(world: World, n: int, first: int) -> None:
    """New decisions, half an hour ago, of which the outcomes are known and no label."""
    at = world.now - timedelta(minutes=30)
    spans, _ = traffic("acme", n, first=first)
    world.traces.record("acme", [replace(span, started_at=at, ended_at=at) for span in spans])


def gone_on() -> World:
    """A tenant whose contest three passes gathered evidence for, on three days."""
    world, config = filled(100, noise=True)
    run_once(world, config)
    for day in (1, 2):
        world.later(days=1)
        of_a_day(world, 60, 1000 * day)
        run_module(world.ports, config, "routing", Request(is_forced=True))
    return world


def test_days_of_live_answers_are_told_by_whom_they_were_scored_and_counted_once(told):
    world = gone_on()
    (found,) = accuracy_over_time(world.store, "acme")
    outcomes = [day for day in found.live if day.scored_by == "outcomes"]
    assert [(day.day - START.date()).days for day in outcomes] == [0, 1, 2]
    assert [day.count for day in outcomes[1:]] == [60, 60]
    stored = live_quality(world.store, "acme", "routing")
    assert sum(day.count for day in stored.days) == sum(s.detector.count for s in stored.streams.values())
    run_module(world.ports, world.tenant(), "routing", Request(is_forced=True))
    assert accuracy_over_time(world.store, "acme")[0].live == found.live
    assert json.loads(told(world, "accuracy", "--tenant", "acme", "--json")[1]) == [found.as_json()]
    assert f"  {outcomes[1].day}  " in told(world, "accuracy", "--tenant", "acme", "--program", "routing")[1]


def test_an_open_contest_is_held_out_with_its_last_pass_and_its_curve_has_a_point_a_pass():
    world = gone_on()
    runs = RunBook(world.store, "acme").runs()
    (listed,) = list_contests(world.store, world.now, "acme").contests
    curve = listed.contest.curve
    assert [point.run_id for point in curve] == [run.id for run in runs if run.contest == listed.contest.id]
    assert [point.at for point in curve] == [START + timedelta(days=day) for day in range(3)]
    assert curve[-1].log_wealth == listed.contest.log_wealth
    assert listed.contest.as_json()["curve"][-1]["wait"] == len(listed.contest.wait)
    (score,) = accuracy_over_time(world.store, "acme")[0].held_out
    numbers = runs[-1].verdict.numbers
    assert (score.contest, score.state, score.at) == (listed.contest.id, "open", world.now)
    assert (score.effect, score.low, score.high) == (numbers.effect, numbers.interval.low, numbers.interval.high)
    assert score.labels == numbers.labels


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_pass_that_is_cut_off_at_any_write_of_its_contest_leaves_one_point(when: str):
    world = World(store=(store := WatchedStore()))
    config = world.tenant()
    world.receive(100, noise=True)
    run_once(world, config)
    cuts = 0
    for day in range(1, 20):
        world.later(days=1)
        of_a_day(world, 40, 1000 * day)
        cut = FailsOnce(
            Unavailable("store: away"), lambda c: c.verb == "write" and Collection.CONTESTS in c.places, day
        )
        setattr(store, when, cut)
        with suppress(Unavailable):
            run_module(world.ports, config, "routing", Request(is_forced=True))
        if cut.seen < day:
            break
        cuts += 1
        setattr(store, when, nothing)
        run_module(world.ports, config, "routing", Request(is_forced=True))
        (contest,) = ContestBook(store, "acme").contests("routing")
        assert contest.is_open
        judged = [run.id for run in RunBook(store, "acme").runs() if run.contest == contest.id and run.verdict]
        assert [point.run_id for point in contest.curve] == judged
        assert len(judged) >= day + 1
    assert cuts >= 1


def test_a_promotion_is_a_mark_and_its_contest_is_told_as_it_ended():
    world, config = filled()
    run = run_once(world, config)
    (found,) = accuracy_over_time(world.store, "acme")
    (change,), (score,) = found.changes, found.held_out
    assert (found.champion, change.version, change.how) == (run.challenger, run.challenger, "promoted")
    assert (score.state, score.challenger, score.at) == ("promoted", run.challenger, world.now)
    assert score.challenger_mean > score.champion_mean


def test_another_champion_goes_on_with_the_days_and_old_days_go():
    world, config = filled(retention={"live_days_kept": 2})
    run = run_once(world, config)
    before = accuracy_over_time(world.store, "acme")[0].live
    assert {day.version for day in before} != {run.challenger}
    spans, _ = traffic("acme", 30, first=5000)
    for later, kept in ((1, len(before)), (5, 0)):
        world.now = START + timedelta(days=later)
        at = world.now - timedelta(minutes=30)
        named = [
            replace(
                span,
                span_id=f"{later}{span.span_id[1:]}",
                started_at=at,
                ended_at=at,
                attributes={**span.attributes, "routing.program_version": run.challenger},
            )
            for span in spans
        ]
        world.traces.record("acme", named)
        run_module(world.ports, config, "routing", Request(is_forced=True))
        live = accuracy_over_time(world.store, "acme")[0].live
        assert sum(day.version != run.challenger for day in live) == kept
        assert [(day.version, day.count) for day in live][-1] == (run.challenger, 30)


def test_live_quality_of_an_earlier_release_has_no_days_yet():
    world, config = filled()
    run_once(world, config)
    known = live_quality(world.store, "acme", "routing").model_dump(mode="json")
    del known["days"]
    assert from_text(LiveQuality, seal("LiveQuality", known)).days == ()


def test_each_run_tells_why_it_trained_or_did_not_the_newest_first(told):
    world = World()
    config = world.tenant()
    spans, _ = traffic("acme", 3)
    world.traces.record(
        "acme", [replace(s, attributes={**s.attributes, "routing.agent_success": False}) for s in spans]
    )
    (skipped,) = run_module(world.ports, config, "routing", Request(is_forced=True)).runs
    world.later(hours=2)
    world.receive(300, first=3)
    trained = run_once(world, config)
    newest, first = decisions_of(world.store, "acme")
    assert (first.run_id, first.outcome, first.trains) == (skipped.id, "skipped", False)
    assert first.reason.strip()
    assert (newest.run_id, newest.outcome, newest.trains) == (trained.id, "promoted", True)
    assert (newest.decided, newest.by, newest.reason) == ("pure_real nearest", "rules", trained.decision.reason)
    assert (newest.challenger, newest.effect) == (trained.challenger, trained.verdict.numbers.effect)
    assert (newest.spent.lm_calls, newest.spent.usd) == (trained.lm_calls, None)
    assert decisions_of(world.store, "acme", limit=1) == (newest,)
    assert decisions_of(world.store, "acme", program="modality.video") == ()
    out = told(world, "decisions", "--tenant", "acme", "--json")[1]
    assert json.loads(out) == [newest.as_json(), first.as_json()]
    assert newest.reason in told(world, "decisions", "--tenant", "acme")[1]


def test_the_queue_is_counted_by_program_and_contest_as_the_command_line_counts_it(told, monkeypatch):
    world = gone_on()
    found = queue_standing(world.store, "acme", world.now.date())
    (contest,) = ContestBook(world.store, "acme").all_open()
    items = [item for item in AnnotationQueue(world.store, "acme").items() if item.is_waiting]
    assert found.waiting == len(items) == sum(found.by_program.values())
    assert found.by_contest.get(contest.id, 0) == sum(item.contest == contest.id for item in items)
    monkeypatch.setattr(wiring, "open_ports", lambda *_: world.ports)
    shown = json.loads(told(world, "annotate", "--tenant", "acme", "--status", "--json")[1])
    assert {name: shown[name] for name in found.as_json()} == found.as_json()


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (lambda store: accuracy_over_time(store, "nobody"), NotFound),
        (lambda store: decisions_of(store, "nobody"), NotFound),
        (lambda store: queue_standing(store, "nobody", START.date()), NotFound),
        (lambda store: accuracy_over_time(store, "acme", "none"), ConfigInvalid),
        (lambda store: decisions_of(store, "acme", limit=0), ConfigInvalid),
    ],
)
def test_what_is_not_there_is_an_error_of_one_sentence(ask, error):
    world = World()
    world.tenant()
    with pytest.raises(error) as raised:
        ask(world.store)
    assert "\n" not in str(raised.value)


def test_held_out_scores_ask_for_the_runs_of_contests_alone():
    world = World(store=(store := WatchedStore()))
    config = world.tenant()
    world.receive(300)
    run_once(world, config)
    store.calls.clear()
    accuracy_over_time(store, "acme")
    assert [str(call) for call in store.calls if Collection.RUNS in call.places] == ["read runs"]
