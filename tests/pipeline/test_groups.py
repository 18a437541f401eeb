"""Groups: a workflow's pods are started again when they are lost, and a finished module is not run a second time."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from world import World, filled, traffic

from argotune.errors import Unavailable
from argotune.pipeline.module_pass import Request
from argotune.pipeline.passes import run_module
from argotune.runs.book import RunBook
from argotune.runs.reports import ModuleReport
from argotune.runs.step_outcomes import links, outcome_of_reports, outcome_of_run, outcome_of_steps

FORCED = Request(is_forced=True, group="auto-opt-acme-1")


def run_for(world: World, config, request: Request = FORCED) -> ModuleReport:
    return run_module(world.ports, config, "routing", request)


def runs_of(world: World, group: str | None = None):
    return RunBook(world.store, "acme").runs(group=group)


def broken_at_work() -> tuple:
    """A world in which the LM went away in the first run of the group."""
    world, config = filled()

    def the_lm_goes_down():
        if world.lms.calls == 20:
            raise Unavailable("lm: down")

    world.lms.on_call = the_lm_goes_down
    with pytest.raises(Unavailable):
        run_for(world, config)
    world.lms.on_call = lambda: None
    return world, config


@pytest.mark.parametrize("is_forced", [True, False])
def test_a_pod_that_was_lost_after_its_work_reports_it_and_runs_nothing(is_forced: bool):
    world, config = filled()
    request = replace(FORCED, is_forced=is_forced)
    first = run_for(world, config, request)
    paid = world.lms.calls
    again = run_for(world, config, request)
    assert again.runs == first.runs
    assert first.runs[0].outcome == "promoted"
    assert (world.lms.calls, len(runs_of(world))) == (paid, 1)


def test_a_pod_that_was_lost_in_its_work_goes_on_and_pays_nothing_twice():
    world, config = broken_at_work()
    (run,) = run_for(world, config).runs
    undisturbed, _ = filled()
    run_for(undisturbed, config)
    assert run.outcome == "promoted"
    assert len(runs_of(world)) == 1
    assert world.lms.calls == undisturbed.lms.calls + 1  # the call that broke


def test_another_group_is_another_occasion():
    world, config = filled()
    run_for(world, config)
    run_for(world, config, replace(FORCED, group="auto-opt-acme-2"))
    assert [run.group for run in runs_of(world)] == ["auto-opt-acme-1", "auto-opt-acme-2"]


def test_without_a_group_force_runs_every_time():
    world, config = filled()
    for _ in range(2):
        run_for(world, config, Request(is_forced=True))
    assert len(runs_of(world)) == 2


def test_an_unfinished_run_belongs_to_the_group_that_ends_it_and_is_not_run_again_for_it():
    world, config = broken_at_work()
    later = replace(FORCED, group="auto-opt-acme-2")
    (run,) = run_for(world, config, later).runs
    assert (run.group, run.outcome) == ("auto-opt-acme-2", "promoted")
    assert runs_of(world, "auto-opt-acme-1") == []
    assert run_for(world, config, later).runs == (run,)


def test_an_unfinished_run_that_a_person_ends_stays_in_its_group():
    world, config = broken_at_work()
    run_for(world, config, Request())
    assert [run.outcome for run in runs_of(world, FORCED.group)] == ["promoted"]


def test_a_group_that_found_nothing_due_looks_again():
    world, config = filled(42)
    unforced = replace(FORCED, is_forced=False)
    assert run_for(world, config, unforced).runs == ()
    world.receive(300, first=1000)
    assert len(run_for(world, config, unforced).runs) == 1


def test_a_promotion_is_one_short_line_with_version_accuracies_and_p():
    world, config = filled()
    report = run_for(world, config)
    (run,) = report.runs
    line = outcome_of_reports([report], {})
    assert re.fullmatch(r"routing: promoted v[0-9a-f]{6}, \d+\.\d % -> \d+\.\d %, p = (0\.\d+|\d(\.\d)?e-\d+)", line)
    assert run.challenger.startswith(line.split()[2].rstrip(","))
    assert links(report.runs) == [run.comparison_link]


def test_a_rejection_says_the_numbers_and_the_reason():
    world, config = filled(noise=True)
    line = outcome_of_reports([run_for(world, config)], {})
    assert re.match(
        r"routing: rejected v[0-9a-f]{6}, \d+\.\d % -> \d+\.\d %: worse where label is video: "
        r"\d+ won and \d+ lost of \d+ questions, p = 0\.\d+, at most 0\.\d+ rejects",
        line,
    )


def test_a_contest_without_measurements_shows_no_accuracies():
    world, config = filled(budget={"max_lm_calls": 1})
    line = outcome_of_reports([run_for(world, config)], {})
    assert re.fullmatch(r"routing: undecided v[0-9a-f]{6}: nothing was answered yet; asking ended early \(.*", line)


def test_a_contest_that_goes_on_says_what_it_stands_on():
    world, config = filled(42)
    line = outcome_of_reports([run_for(world, config)], {})
    assert re.match(r"routing: undecided v[0-9a-f]{6}, \d+\.\d % -> \d+\.\d %: .* labels of people, \d+ won and", line)
    assert re.search(r"p = 0\.\d+, 0\.\d+ is asked; about [\d,]+ labels and [\d,]+ shadow answers", line)


def test_a_skip_and_a_module_that_is_not_due_say_why():
    world = World()
    config = world.tenant()
    world.traces.record("acme", traffic("acme", 42)[0])
    assert "skipped: no label of a person or a trusted annotator yet" in outcome_of_reports(
        [run_for(world, config)], {}
    )
    assert outcome_of_reports([run_for(world, config, Request())], {}).startswith("routing: skipped: ")


def test_a_failed_module_comes_first_and_hides_no_other():
    world, config = filled()
    report = run_for(world, config)
    line = outcome_of_reports([report], {"cross_modal": Unavailable("lm: down")})
    assert line.startswith("cross_modal: failed: lm: down; routing: promoted")


def test_the_last_step_names_what_failed_what_ran_and_what_was_left_unfinished():
    world, _ = broken_at_work()
    steps = {"modality": "Skipped", "routing": "Failed", "cross_modal": "Succeeded", "own": "Skipped"}
    line = outcome_of_steps(steps, runs_of(world, FORCED.group))
    assert line == "routing failed; routing: unfinished, opened; cross_modal: nothing was due any more"


def test_a_promotion_that_was_not_published_yet_says_so():
    world, config = filled()
    (run,) = run_for(world, config).runs
    assert outcome_of_run(run.model_copy(update={"state": "judged"})).endswith(", not published")
