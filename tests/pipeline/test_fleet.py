"""Fleet: all tenants at once, from records that they share; what the page shows is what the command line prints."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from factories import make_config, make_run, make_verdict
from watched_store import Fails, WatchedStore
from world import START, World, filled, run_once, traffic

from argotune import wiring
from argotune.cli import main
from argotune.errors import Unavailable
from argotune.labels.queue import AnnotationQueue
from argotune.pipeline.module_pass import Request
from argotune.pipeline.operations.fleet import FleetStanding, fleet_standing
from argotune.pipeline.operations.removal import remove_tenant
from argotune.pipeline.operations.summing_up import SumRequest, sum_up
from argotune.pipeline.passes import run_module
from argotune.runs.book import RunBook
from argotune.runs.run import RunState
from argotune.store.port import Store
from argotune.tenants.catalog import Configs


@pytest.fixture
def open_contest() -> World:
    """A tenant with an open contest and spans that wait, and one that never ran."""
    world, config = filled(100, noise=True)
    run_once(world, config)
    spans, _ = traffic("acme", 100, first=1000)
    world.later(hours=2)
    at = world.now - timedelta(minutes=5)
    run_once(world, config, seen=[replace(span, started_at=at, ended_at=world.now) for span in spans])
    world.tenant("globex", enable_auto_optimization=False)
    return world


def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], world: World, *arguments: str) -> str:
    monkeypatch.setattr(wiring, "open_store", lambda _settings: world.store)
    monkeypatch.setattr(wiring, "utc_now", lambda: world.now)
    monkeypatch.setenv("CONFIG_STORE_URL", "sqlite:///never-opened.db")
    code = main(list(arguments))
    said = capsys.readouterr()
    assert code == 0, said.err
    return said.out


def test_a_tenant_is_shown_with_its_verdict_its_contest_what_waits_and_what_it_cost(open_contest: World):
    found = fleet_standing(open_contest.store, open_contest.now)
    acme, globex = found.tenants
    runs = RunBook(open_contest.store, "acme").runs()
    calls, tokens = sum(run.lm_calls for run in runs), sum(run.lm_tokens for run in runs)
    waiting = [item for item in AnnotationQueue(open_contest.store, "acme").items() if item.is_waiting]
    (said,) = acme.last_verdicts
    assert (said.program, said.outcome, said.run_id, said.sentence) == (
        "routing",
        "undecided",
        runs[-1].id,
        runs[-1].sentence,
    )
    assert (acme.runs, acme.open_contests, acme.degraded) == ({"undecided": 2}, 1, 0)
    assert acme.waiting == len(waiting) > 0
    assert acme.waiting_since == min(item.queued_at for item in waiting)
    assert (acme.spent.lm_calls, acme.spent.lm_tokens) == (calls, tokens) != (0, 0)
    assert (acme.spent.usd, acme.spent.unpriced_calls) == (None, calls)
    assert (globex.is_enabled, globex.runs, globex.last_verdicts, globex.waiting) == (False, {}, (), 0)
    assert (found.totals.enabled, found.totals.disabled, found.totals.waiting) == (1, 1, len(waiting))
    assert found.totals.spent == acme.spent


def test_the_command_line_prints_what_the_page_shows(open_contest: World, monkeypatch, capsys):
    out = told(monkeypatch, capsys, open_contest, "fleet", "--json")
    assert json.loads(out) == fleet_standing(open_contest.store, open_contest.now).as_json()
    table = told(monkeypatch, capsys, open_contest, "fleet")
    assert "routing: undecided" in table
    assert "2 tenants, 1 of them off; runs: 2 undecided; 0 at work; " in table


def test_a_pass_is_at_work_while_it_runs_and_shows_its_step():
    world, config = filled(100, noise=True)
    seen = list[FleetStanding]()
    world.lms.on_call = lambda: seen.append(fleet_standing(world.store, world.now))
    run_once(world, config)
    (at_work,) = seen[-1].at_work
    assert (at_work.tenant_id, at_work.module, at_work.since) == ("acme", "routing", START)
    assert at_work.what.startswith("routing")
    assert seen[-1].totals.at_work == 1
    assert seen[-1].as_json()["at_work"][0]["what"] == at_work.what
    assert fleet_standing(world.store, world.now).at_work == ()


def test_a_label_of_a_person_is_seen_at_once(open_contest: World):
    from argotune.pipeline.operations.annotating import Labelling, label_span

    before = fleet_standing(open_contest.store, open_contest.now).totals.waiting
    item = next(item for item in AnnotationQueue(open_contest.store, "acme").items() if item.is_waiting)
    label_span(open_contest.ports, Labelling("acme", item.span_id, [("agent", "video")], "ann"))
    assert fleet_standing(open_contest.store, open_contest.now).totals.waiting == before - 1


def test_a_tenant_that_is_removed_leaves_what_it_spent(open_contest: World):
    spent = fleet_standing(open_contest.store, open_contest.now).totals.spent
    remove_tenant(open_contest.store, "acme", open_contest.now)
    totals = fleet_standing(open_contest.store, open_contest.now).totals
    assert (totals.spent_by_removed, totals.spent.lm_calls, totals.waiting, totals.runs) == (spent, 0, 0, {})


def test_a_skipped_run_does_not_hide_the_last_verdict(open_contest: World):
    book = RunBook(open_contest.store, "acme")
    skipped = make_run(id="routing-later", tenant_id="acme", state=RunState.SKIPPED, started_at=START)
    book.keep(skipped.model_copy(update={"ended_at": START + timedelta(hours=1)}))
    sum_up(open_contest.store, SumRequest("acme"), open_contest.now)
    (acme, _) = fleet_standing(open_contest.store, open_contest.now).tenants
    assert acme.runs == {"undecided": 2, "skipped": 1}
    assert [said.outcome for said in acme.last_verdicts] == ["undecided"]


def fill(store: Store, tenants: int, runs: int) -> None:
    """Tenants with so many judged runs each."""
    for number in range(tenants):
        tenant_id = f"t{number:04}"
        Configs(store).save(make_config(tenant_id=tenant_id))
        book = RunBook(store, tenant_id)
        for run in range(runs):
            judged = {"state": RunState.REPORTED, "verdict": make_verdict("rejected"), "ended_at": START}
            book.keep(make_run(id=f"routing-{run}", tenant_id=tenant_id, **judged))
        sum_up(store, SumRequest(tenant_id), START)


@pytest.mark.parametrize("tenants", [10, pytest.param(1_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("runs", [1, 5])
def test_the_calls_of_the_fleet_are_scans_of_five_shared_collections_however_many_runs(tenants: int, runs: int):
    store = WatchedStore()
    fill(store, tenants, runs)
    store.calls.clear()
    found = fleet_standing(store, START)
    assert (len(found.tenants), found.totals.runs) == (tenants, {"rejected": tenants * runs})
    asked = Counter(str(call) for call in store.calls)
    assert asked == Counter(["scan tenants", "scan tallies", "scan waiting", "scan at_work", "scan rounds"])


def test_a_store_that_is_away_is_an_error_of_one_sentence():
    store = WatchedStore()
    store.before = Fails(("scan",), Unavailable("store: away"))
    with pytest.raises(Unavailable, match="store: away"):
        fleet_standing(store, START)


def test_records_of_the_last_release_are_shown_without_what_they_did_not_keep(open_contest: World):
    """A tally without verdicts, and no count of what waits: the next pass keeps both."""
    from argotune.runs.tallies import Tally
    from argotune.store.collections import EVERYONE, Collection
    from argotune.store.records import find, to_record
    from argotune.tenants.ids import record_id

    store, id = open_contest.store, record_id("acme")
    tally, _ = find(store, EVERYONE, Collection.TALLIES, id, Tally)
    record = to_record(Collection.TALLIES, id, tally.model_copy(update={"verdicts": ()}))
    store.write(EVERYONE, [record])
    store.remove(EVERYONE, Collection.WAITING)
    (acme, _) = fleet_standing(store, open_contest.now).tenants
    assert (acme.last_verdicts, acme.waiting, acme.open_contests) == ((), 0, 1)
    run_module(open_contest.ports, Configs(store).get("acme"), "routing", Request(is_forced=True))
    (acme, _) = fleet_standing(store, open_contest.now).tenants
    assert acme.last_verdicts[0].outcome == "undecided"
    assert acme.waiting
