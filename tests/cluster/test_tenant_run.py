"""One tenant's run on a cluster: forced, not due, two at once, and with a module that fails."""

from __future__ import annotations

import re

import httpx
import pytest
from cluster.installed import LM_KEY, RUN_LIMIT_S, Installed, Promoted, described, pods, step
from nearest_demo_lm import NearestDemoLM

from argotune.promotion.contest_book import ContestBook
from argotune.runs.book import RunBook

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3 * RUN_LIMIT_S)]


def test_a_forced_run_ends_in_a_promoted_program(site: Installed, promoted: Promoted) -> None:
    (run,) = RunBook(site.store, promoted.tenant_id).runs(group=promoted.run.name)
    assert run.outcome == "promoted"
    assert run.forced
    assert site.champion_of(promoted.tenant_id) == run.challenger
    assert len(ContestBook(site.store, promoted.tenant_id).contests("routing")) == 1


def test_its_outcome_and_links_are_in_the_argo_api(site: Installed, promoted: Promoted) -> None:
    said = r"routing: promoted v[0-9a-f]{6}, \d+\.\d % -> \d+\.\d %, p = \d\.\d+(e-\d+)?"
    for name in ("routing", "aggregate"):
        assert re.fullmatch(said, step(promoted.run, name).outcome), described(promoted.run)
    assert step(promoted.run, "trigger-check").outcome == "routing due (forced, 200 traces)"
    assert promoted.run.outputs["outcome"] == step(promoted.run, "aggregate").outcome
    assert "/compare?experimentId=" in promoted.run.outputs["links"]
    assert len(pods(promoted.run)) == 3


def test_it_is_labelled_and_titled_with_its_tenant(site: Installed, promoted: Promoted) -> None:
    metadata = site.get("workflow", promoted.run.name)["metadata"]
    assert metadata["labels"]["tenant-id"] == promoted.tenant_id
    assert metadata["labels"]["optimization-type"] == "auto"
    assert metadata["annotations"]["argotune/tenant-id"] == promoted.tenant_id
    title = metadata["annotations"]["workflows.argoproj.io/title"]
    assert promoted.tenant_id in title
    assert promoted.run.name in title


def test_both_programs_are_in_phoenix_side_by_side(site: Installed, promoted: Promoted) -> None:
    found = re.search(r"/datasets/([^/]+)/compare\?", promoted.run.outputs["links"])
    assert found is not None
    answer = httpx.get(f"{site.settings.phoenix_endpoint}/v1/datasets/{found[1]}/experiments", timeout=60)
    experiments = answer.raise_for_status().json()["data"]
    assert len(experiments) == 2
    assert all(experiment["id"] in promoted.run.outputs["links"] for experiment in experiments)


def test_no_lm_call_is_made_twice_and_each_has_the_key_of_the_secret(lm: NearestDemoLM, promoted: Promoted) -> None:
    assert promoted.until - promoted.since > 50
    assert lm.asked_again(promoted.since, promoted.until) == 0
    assert set(lm.keys) == {LM_KEY}


def test_when_nothing_is_due_only_the_trigger_check_runs(site: Installed, promoted: Promoted) -> None:
    run = site.ended(site.submit(promoted.tenant_id))
    assert run.phase == "Succeeded"
    assert [pod.name for pod in pods(run)] == ["trigger-check(0)"]
    assert "not due: next run is due in" in step(run, "trigger-check").outcome


def test_of_two_forced_runs_at_once_the_second_waits_for_the_first(site: Installed, new_id: str) -> None:
    tenant_id = f"initech_{new_id}"
    site.tenant(tenant_id)
    first, second = (site.submit(tenant_id, force="true") for _ in range(2))
    waiting = site.when(second, lambda run: "lock" in run.message, "waits for the mutex", 60)
    assert not pods(waiting)
    first_run, second_run = site.ended(first), site.ended(second)
    assert (first_run.phase, second_run.phase) == ("Succeeded", "Succeeded")
    assert first_run.finished_at is not None
    starts = [pod.started_at for pod in pods(second_run) if pod.started_at]
    assert starts
    assert min(starts) >= first_run.finished_at
    runs = {run.group: run for run in RunBook(site.store, tenant_id).runs()}
    assert runs[first].outcome == "promoted"
    assert runs[second].outcome in ("rejected", "skipped", "undecided")
    assert site.champion_of(tenant_id) == runs[first].challenger


def test_one_failed_module_stops_no_other_and_turns_the_run_red(site: Installed, new_id: str) -> None:
    tenant_id = f"umbrella_{new_id}"
    site.tenant(tenant_id, modules=["routing", "mine"], programs={"mine": "no_such_package:program"})
    run = site.ended(site.submit(tenant_id, force="true"))
    assert run.phase == "Failed", described(run)
    assert step(run, "routing").outcome.startswith("routing: promoted"), described(run)
    (failed,) = pods(run, "own-programs")
    assert failed.exit_code == 2
    assert "no_such_package" in failed.message
    assert step(run, "aggregate").outcome.startswith("own failed; routing: promoted"), described(run)
    assert site.champion_of(tenant_id)
