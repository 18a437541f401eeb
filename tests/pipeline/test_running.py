"""Operations that look and run, asked without a command line: forced runs, what fails, what steps are left to do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from world import World, filled

from argotune.errors import ConfigInvalid, NotFound, Unavailable
from argotune.pipeline.operations import running
from argotune.pipeline.operations.asked import Overrides
from argotune.pipeline.operations.running import RunRequest, run_due, run_modules
from argotune.pipeline.operations.summing_up import SumRequest, sum_up
from argotune.pipeline.operations.triggering import LookRequest, find_due, look_at
from argotune.runs.tallies import read_tally
from argotune.tenants.agenda import agendas
from argotune.tenants.catalog import Configs

MODULES = ["modality", "routing", "cross_modal"]
ALL = RunRequest("acme")


@pytest.fixture
def world() -> World:
    return filled(modules=MODULES)[0]


def ran(report) -> list[str]:
    return [run.module for run in report.runs]


def test_a_forced_run_passes_over_the_period_and_a_group_is_run_once(world: World):
    assert ran(run_modules(world.ports, ALL)) == ["routing"]
    assert ran(run_modules(world.ports, ALL)) == []
    forced = replace(ALL, module="routing", is_forced=True, group="g1")
    first, again = run_modules(world.ports, forced), run_modules(world.ports, forced)
    assert [run.id for run in again.runs] == [run.id for run in first.runs] != []


def test_overrides_hold_for_one_run_and_are_checked_as_the_config_is(world: World):
    before = Configs(world.store).get("acme")
    asked = Overrides(lookback_hours=72, optimizer="labeled", use_synthetic_data=False, max_lm_calls="7")
    changed = asked.over(before)
    assert (changed.phoenix_lookback_hours, changed.preferred_optimizer) == (72, "labeled")
    assert (changed.use_synthetic_data, changed.budget.max_lm_calls) == (False, 7)
    with pytest.raises(ConfigInvalid, match="preferred_optimizer"):
        run_modules(world.ports, replace(ALL, overrides=Overrides(optimizer="magic")))
    assert Configs(world.store).get("acme") == before


@pytest.mark.parametrize(
    ("asked", "error", "argument"),
    [(replace(ALL, tenant_id="nobody"), NotFound, ""), (replace(ALL, module="urgency"), ConfigInvalid, "module")],
)
def test_what_is_asked_wrongly_is_told_before_anything_is_run(world: World, asked: RunRequest, error, argument):
    with pytest.raises(error) as told:
        run_modules(world.ports, asked)
    assert told.value.argument == argument


@pytest.mark.parametrize(("error", "begun"), [(Unavailable("away"), ["modality"]), (ConfigInvalid("x"), MODULES)])
def test_a_module_that_fails_stops_no_other_unless_a_server_is_away(world: World, monkeypatch, error, begun):
    seen = []

    def run_module(_ports, _config, module, _request):
        seen.append(module)
        raise error

    monkeypatch.setattr(running, "run_module", run_module)
    report = run_modules(world.ports, ALL)
    assert (seen, list(report.failures), report.asked) == (begun, begun, tuple(MODULES))
    assert report.gravest == "modality"


def test_what_was_not_due_is_in_the_report_and_not_run(world: World):
    looks = look_at(world.store, world.traces, LookRequest("acme"), world.now)
    report = run_due(world.ports, ALL, looks)
    assert (ran(report), report.asked) == (["routing"], ("modality", "cross_modal", "routing"))
    assert [module["due"] for module in report.as_json()["modules"]] == [False, False, True]


def test_the_steps_that_are_due_are_named_and_the_next_round_knows_when_to_look(world: World):
    found = find_due(world.store, world.traces, LookRequest("acme"), world.now)
    assert found.steps == {"routing"}
    assert agendas(world.store)["acme"].looked_at == world.now
    one = find_due(world.store, world.traces, LookRequest("acme", "modality"), world.now)
    assert (one.steps, one.report.asked) == (frozenset(), ("modality",))


def test_a_removed_tenant_is_nothing_to_do_but_a_forced_run_names_one_that_exists(world: World):
    gone = find_due(world.store, world.traces, LookRequest("gone"), world.now)
    assert (gone.steps, gone.outcome) == (frozenset(), "tenant 'gone' has no routing config any more")
    with pytest.raises(NotFound):
        find_due(world.store, world.traces, LookRequest("gone", is_forced=True), world.now)


def test_a_sum_of_runs_is_kept_over_all_tenants_and_a_failed_step_is_its_end(world: World):
    run_modules(world.ports, replace(ALL, group="g1"))
    world.store.remove("acme", "tallies")
    well = sum_up(world.store, SumRequest("acme", "g1", steps={"routing": "Succeeded"}), world.now)
    assert (len(well.runs), well.failure, well.as_json()["summary"]["runs"]) == (1, None, 1)
    assert read_tally(world.store, "acme").modules["routing"].runs
    assert sum_up(world.store, SumRequest("acme", "g2"), world.now).runs == ()
    ill = sum_up(world.store, SumRequest("acme", steps={"modality": "Failed"}), world.now)
    assert "modality failed" in str(ill.failure)
