"""Rounds over all tenants on a cluster: started by a person, gone through again, and started by the clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic, sleep

import pytest
from cluster.installed import RUN_LIMIT_S, Installed, described, pods
from cluster.manifests import DISPATCH
from nearest_demo_lm import NearestDemoLM

from argotune import wiring
from argotune.pipeline.stages.dispatch import dispatch
from argotune.scheduling.rounds import RoundRequest
from argotune.scheduling.workflow import Submission, Workflow, manifest, workflow_name
from argotune.store.collections import EVERYONE, Collection
from argotune.store.port import Record
from argotune.store.sealing import seal
from argotune.tenants.agenda import Agenda, keep_agenda, seen_agenda

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3 * RUN_LIMIT_S)]
HOUR = timedelta(hours=1)
EVERY_MINUTE = '{"spec":{"suspend":false,"schedules":["* * * * *"],"timezone":"Europe/Berlin"}}'
AS_SHIPPED = '{"spec":{"suspend":true,"schedules":["7 * * * *"],"timezone":"Etc/UTC"}}'


@pytest.fixture(autouse=True)
def _no_other_tenants(site: Installed) -> None:
    site.store.remove(EVERYONE, Collection.TENANTS)
    site.store.remove(EVERYONE, Collection.AGENDA)


class Crowd:
    """Thirty tenants in all states; `reasons` says why a tenant is skipped, None where it is submitted."""

    def __init__(self, site: Installed, tag: str) -> None:
        self._site, self._tag, self._now = site, tag, wiring.utc_now()
        self.reasons: dict[str, str | None] = {}
        self.due = [self._add(f"due-{n}", spans=200) for n in range(2)]
        self.evil = self._add("evil $(reboot) {{workflow.uid}} '\";../x")
        self.malformed = self._malformed(self._add("malformed"))
        self._add("silent")
        self._look(self._add("overdue"), due_at=self._now - HOUR)
        self.busy = self._busy(self._add("busy", reason="its last run is not over"))
        for number in range(8):
            self._add(f"off-{number}", reason="its optimization is off", enable_auto_optimization=False)
        for number in range(3):
            early = self._add(f"early-{number}", spans=3, reason="its period is not over")
            self._look(early, open_at=self._now + HOUR)
        for number in range(12):
            self._look(self._add(f"quiet-{number}", reason="no traces since the last look"), open_at=self._now - HOUR)

    @property
    def submitted(self) -> list[str]:
        return [tenant_id for tenant_id, reason in self.reasons.items() if reason is None]

    def _add(self, name: str, spans: int = 0, reason: str | None = None, **fields: bool) -> str:
        tenant_id = f"{name} {self._tag}"
        self._site.tenant(tenant_id, spans=spans, **fields)
        self.reasons[tenant_id] = reason
        return tenant_id

    def _look(self, tenant_id: str, due_at=None, open_at=None) -> None:
        agenda = Agenda(tenant_id=tenant_id, looked_at=self._now - HOUR, due_at=due_at, open_at=open_at)
        keep_agenda(self._site.store, agenda, seen_agenda(self._site.store, tenant_id))

    def _malformed(self, tenant_id: str) -> str:
        body = {"tenant_id": tenant_id, "optimization_interval_seconds": "hourly"}
        self._site.store.write(tenant_id, [Record(Collection.CONFIG, "routing", seal("RoutingConfigUnified", body))])
        return tenant_id

    def _busy(self, tenant_id: str) -> str:
        """The name of a run that a person has suspended."""
        name = workflow_name(tenant_id, self._tag)
        body = manifest(Submission(tenant_id), name)
        self._site.runner.submit({**body, "spec": {**body["spec"], "suspend": True}})
        return name


@pytest.fixture
def crowd(site: Installed, new_id: str) -> Iterator[Crowd]:
    found = Crowd(site, new_id)
    yield found
    site.kubectl("delete", "workflow", found.busy)


def test_a_round_of_thirty_tenants_and_what_doing_it_again_leaves_alone(
    site: Installed, lm: NearestDemoLM, crowd: Crowd
) -> None:
    assert len(crowd.reasons) == 30
    before, name = lm.calls, site.start_round()
    round_ = site.ended(name)
    assert round_.phase == "Succeeded", described(round_)
    assert round_.outputs["outcome"] == "30 tenants: 6 submitted, 24 skipped, 0 failed"
    log = site.kubectl("logs", "-l", f"workflows.argoproj.io/workflow={name}", "-c", "main", "--tail=-1")
    assert "Spawning workflows for 6 tenants..." in log
    for reason in filter(None, crowd.reasons.values()):
        assert reason in log

    runs = {tenant_id: site.ended(_only_run(site, tenant_id).name) for tenant_id in crowd.submitted}
    for run in runs.values():
        _belongs_to(site, run, name)
    assert {tenant_id for tenant_id, run in runs.items() if run.phase != "Succeeded"} == {crowd.malformed}
    assert all(runs[tenant_id].outputs["outcome"].startswith("routing: promoted") for tenant_id in crowd.due)
    assert all(len(pods(run)) == 1 for tenant_id, run in runs.items() if tenant_id not in crowd.due)
    assert runs[crowd.evil].tenant_id == crowd.evil
    assert lm.asked_again(before) == 0

    _same_round_again(site, name, crowd)
    later = site.ended(site.start_round(dry_run="true"))
    log = site.kubectl("logs", "-l", f"workflows.argoproj.io/workflow={later.name}", "-c", "main", "--tail=-1")
    print(log)
    assert all(site.champion_of(tenant_id) for tenant_id in crowd.due)


def _only_run(site: Installed, tenant_id: str) -> Workflow:
    (run,) = site.runs_of(tenant_id)
    return run


def _belongs_to(site: Installed, run: Workflow, round_name: str) -> None:
    metadata = site.get("workflow", run.name)["metadata"]
    assert metadata["labels"]["argotune/round"] == round_name
    assert "ownerReferences" not in metadata
    assert metadata["name"].startswith("auto-opt-")


def _same_round_again(site: Installed, name: str, crowd: Crowd) -> None:
    """As a dispatcher's pod does it that was lost after its work."""
    uid = site.get("workflow", name)["metadata"]["uid"]
    asked = RoundRequest(name, uid, "tenant-auto-optimization", tuple(crowd.submitted), is_forced=True)
    again = dispatch(
        site.store, wiring.open_traces(site.settings), site.runner, asked, wiring.utc_now(), lambda _seconds: None
    )
    assert {line.reason for line in again.of("submitted")} == {"submitted before, in this round"}
    assert all(len(site.runs_of(tenant_id)) == 1 for tenant_id in crowd.submitted)


@contextmanager
def every_minute(site: Installed) -> Iterator[None]:
    site.kubectl("patch", "cronworkflow", DISPATCH, "--type=merge", "-p", EVERY_MINUTE)
    try:
        yield
    finally:
        site.kubectl("patch", "cronworkflow", DISPATCH, "--type=merge", "-p", AS_SHIPPED)


def _of_the_clock(site: Installed) -> list[str]:
    found = site.get("workflows", "-l", f"workflows.argoproj.io/cron-workflow={DISPATCH}")["items"]
    return [item["metadata"]["name"] for item in found]


def test_the_clock_starts_rounds_whose_runs_outlive_them(
    site: Installed, templates_only: Callable[[], None], new_id: str
) -> None:
    tenant_id, before = f"hourly_{new_id}", _of_the_clock(site)
    site.tenant(tenant_id)
    deadline_s = monotonic() + 150
    with every_minute(site):
        while not (new := [name for name in _of_the_clock(site) if name not in before]):
            assert monotonic() < deadline_s, site.kubectl("get", "cronworkflow", DISPATCH, "-o", "yaml")
            sleep(1)
    round_ = site.ended(new[0])
    assert round_.phase == "Succeeded", described(round_)
    assert round_.outputs["outcome"] == "1 tenant: 1 submitted, 0 skipped, 0 failed"
    run = site.ended(_only_run(site, tenant_id).name)
    _belongs_to(site, run, round_.name)
    assert run.outputs["outcome"].startswith("routing: promoted"), described(run)
    site.kubectl("delete", "workflow", round_.name)
    assert site.runner.workflow(run.name).phase == "Succeeded"
    assert json.loads(site.kubectl("get", "cronworkflow", DISPATCH, "-o", "json"))["spec"]["suspend"]
