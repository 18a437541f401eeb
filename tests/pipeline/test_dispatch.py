"""Rounds on memory adapters: who is submitted, who is passed over and why, and that nothing is submitted twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from factories import make_config, make_span

from argotune.adapters.memory.runner import MemoryRunner
from argotune.adapters.memory.store import MemoryStore
from argotune.adapters.memory.traces import MemoryTraces
from argotune.errors import AccessDenied, ConfigInvalid, NotFound, Unavailable
from argotune.pipeline.stages.dispatch import dispatch
from argotune.scheduling.rounds import OVER_LIMIT, RoundRequest
from argotune.scheduling.workflow import TEMPLATE
from argotune.store.collections import EVERYONE, Collection
from argotune.store.port import Record
from argotune.store.records import unreadable
from argotune.store.sealing import digest
from argotune.tenants.agenda import Agenda, keep_agenda, seen_agenda
from argotune.tenants.binding import TraceProject
from argotune.tenants.catalog import Configs

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
EVIL = ["$(reboot)", "{{workflow.uid}}", "../../etc", "a'b\"c", "Größe/ä"]


class Cluster:
    """Memory adapters, and the pauses that a round made."""

    def __init__(self, *tenant_ids: str) -> None:
        self.store, self.traces, self.runner = MemoryStore(), MemoryTraces(), MemoryRunner(lambda: NOON)
        self.pauses_s: list[float] = []
        for tenant_id in tenant_ids:
            Configs(self.store).save(make_config(tenant_id=tenant_id))

    def round(self, uid: str = "uid-1", **asked):
        request = RoundRequest("round-1", uid, TEMPLATE, **asked)
        return dispatch(self.store, self.traces, self.runner, request, NOON, self.pauses_s.append)

    def looked_at(self, tenant_id: str, due_at=None, open_at=NOON, ago=timedelta(hours=1)) -> None:
        agenda = Agenda(tenant_id=tenant_id, looked_at=NOON - ago, due_at=due_at, open_at=open_at)
        keep_agenda(self.store, agenda, seen_agenda(self.store, tenant_id))


def reasons(done) -> dict[str, str]:
    return {line.tenant_id: f"{line.outcome}: {line.reason}" for line in done.lines}


def test_new_traces_in_the_project_that_a_tenant_is_bound_to_submit_it() -> None:
    cluster, programs = Cluster("other"), {"routing": {"span": "Route"}}
    for tenant_id, project in (("bound", "shop"), ("idle", "empty")):
        config = make_config(tenant_id=tenant_id, traces={"project": project, "programs": programs})
        Configs(cluster.store).save(config)
    for tenant_id in ("bound", "idle", "other"):
        cluster.looked_at(tenant_id)
    cluster.traces.record("", [make_span(started_at=NOON, ended_at=NOON)], TraceProject(project="shop"))
    assert reasons(cluster.round()) == {
        "bound": "submitted: new traces",
        "idle": "skipped: no traces since the last look",
        "other": "skipped: no traces since the last look",
    }


def test_every_tenant_gets_what_its_state_asks_for() -> None:
    cluster = Cluster("never", "quiet", "busy", "traffic", "waiting", "due", "off")
    Configs(cluster.store).save(make_config(tenant_id="off", enable_auto_optimization=False))
    for tenant_id in ("quiet", "traffic"):
        cluster.looked_at(tenant_id)
    cluster.looked_at("waiting", due_at=NOON + timedelta(minutes=5), open_at=None)
    cluster.looked_at("due", due_at=NOON - timedelta(minutes=5), open_at=None)
    cluster.traces.record("quiet", [make_span(started_at=NOON - timedelta(days=1), ended_at=NOON - timedelta(days=1))])
    cluster.traces.record("traffic", [make_span(started_at=NOON, ended_at=NOON)])
    assert cluster.round("uid-0", tenants=("busy",)).sentence == "1 tenant: 1 submitted, 0 skipped, 0 failed"
    done = cluster.round()
    assert reasons(done) == {
        "never": "submitted: never looked at",
        "quiet": "skipped: no traces since the last look",
        "busy": "skipped: its last run is not over",
        "traffic": "submitted: new traces",
        "waiting": "skipped: no traces since the last look",
        "due": "submitted: its period is over",
        "off": "skipped: its optimization is off",
    }
    assert [line.tenant_id for line in done.of("submitted")] == ["due", "never", "traffic"]


@pytest.mark.parametrize("tenant_id", EVIL)
def test_an_evil_tenant_id_is_submitted_as_a_value(tenant_id: str) -> None:
    cluster = Cluster(tenant_id)
    (line,) = cluster.round().of("submitted")
    parameters = cluster.runner.manifests[line.workflow]["spec"]["arguments"]["parameters"]
    assert {"name": "tenant-id", "value": tenant_id} in parameters


def test_the_same_round_submits_nothing_twice_and_another_waits_for_the_runs() -> None:
    cluster = Cluster("a", "b")
    first = cluster.round()
    cluster.runner.states.clear()  # as if the first attempt had been killed before it could list what it submitted
    assert {line.workflow for line in cluster.round().of("submitted")} == {line.workflow for line in first.lines}
    assert len(cluster.runner.manifests) == 2


def test_a_round_is_capped_and_paced_and_forced_runs_go_first() -> None:
    cluster = Cluster(*"abcde")
    cluster.looked_at("e", due_at=NOON)
    done = cluster.round(max_submissions=3, rate_per_s=4)
    assert [line.tenant_id for line in done.of("submitted")] == ["e", "a", "b"]
    assert done.skipped_by_reason == {OVER_LIMIT: 2}
    assert not done.is_complete
    assert cluster.pauses_s == [0.25, 0.25]
    forced = Cluster("quiet")
    forced.looked_at("quiet")
    (line,) = forced.round(is_forced=True).of("submitted")
    assert forced.runner.manifests[line.workflow]["spec"]["priority"] == 10


def test_a_dry_run_submits_nothing() -> None:
    cluster = Cluster("a")
    assert reasons(cluster.round(is_dry_run=True)) == {"a": "submitted: would be submitted: never looked at"}
    assert cluster.runner.manifests == {}


def test_one_refused_tenant_does_not_disturb_the_others() -> None:
    cluster = Cluster("a", "b", "c")

    def refuse(manifest) -> None:
        if manifest["metadata"]["annotations"]["argotune/tenant-id"] == "b":
            raise ConfigInvalid("Kubernetes: 422 no such parameter")

    cluster.runner.refuse = refuse
    done = cluster.round()
    assert [line.tenant_id for line in done.of("failed")] == ["b"]
    assert len(cluster.runner.manifests) == 2


@pytest.mark.parametrize("where", ["traces", "runner"])
def test_an_outage_ends_the_round_as_an_outage(where: str) -> None:
    cluster = Cluster("a")
    cluster.looked_at("a")
    getattr(cluster, where).fail_with = Unavailable("away")
    with pytest.raises(Unavailable):
        cluster.round()
    assert cluster.runner.manifests == {}


def test_missing_rights_end_the_round_at_once() -> None:
    cluster = Cluster("a", "b")

    def refuse(_manifest) -> None:
        raise AccessDenied("403")

    cluster.runner.refuse = refuse
    with pytest.raises(AccessDenied):
        cluster.round()


def test_an_unknown_tenant_that_was_asked_for_is_not_found() -> None:
    with pytest.raises(NotFound, match="nobody"):
        Cluster("a").round(tenants=("nobody",))


def test_a_damaged_config_of_one_tenant_stops_nobody() -> None:
    cluster = Cluster("a", "broken")
    cluster.store.write("broken", [Record("config", "routing", "{")])
    assert len(cluster.round().of("submitted")) == 2


def test_a_round_over_many_tenants_makes_few_calls() -> None:
    cluster = Cluster(*(f"tenant-{number}" for number in range(500)))
    for number in range(490):
        cluster.looked_at(f"tenant-{number}")
    before = cluster.runner.calls
    assert cluster.round().sentence == "500 tenants: 10 submitted, 490 skipped, 0 failed"
    assert cluster.runner.calls - before == 11


@pytest.mark.parametrize("is_readable", [True, False])
def test_a_tenant_that_is_named_is_taken_by_its_config_where_its_line_is_damaged(is_readable: bool) -> None:
    cluster = Cluster("acme", "off")
    Configs(cluster.store).save(make_config(tenant_id="off", enable_auto_optimization=False))
    for tenant_id in ("acme", "off"):
        cluster.store.write(EVERYONE, [Record(Collection.TENANTS, digest(tenant_id), f"damaged {is_readable}")])
    if not is_readable:
        cluster.store.write("acme", [Record(Collection.CONFIG, "routing", "{}")])
    done = cluster.round(tenants=("acme", "off"))
    assert reasons(done)["off"] == "skipped: its optimization is off"
    assert reasons(done)["acme"] == "submitted: never looked at"
    assert digest("acme") in {found.id for found in unreadable(EVERYONE)}
    with pytest.raises(NotFound, match="'nobody'"):
        cluster.round(tenants=("nobody",))
