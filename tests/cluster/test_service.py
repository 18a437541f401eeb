"""The continuous service on the cluster: two replicas share the tenants, one is killed, one is asked to end."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from cluster.installed import RUN_LIMIT_S, Installed
from cluster.manifests import Object, for_tests, objects
from cluster.test_outages import until, without
from nearest_demo_lm import NearestDemoLM

from argotune.runs.book import RunBook

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3 * RUN_LIMIT_S)]
WHERE = "deployment/argotune-service"


@pytest.fixture
def service(site: Installed) -> Iterator[Installed]:
    """Two replicas that look at tenants every few seconds."""
    found = objects("workflows/optional/service.yaml", site.namespace, site.image)
    site.apply(for_tests(each) for each in map(_hurried, found))
    site.kubectl("rollout", "status", WHERE, "--timeout=240s")
    yield site
    site.kubectl("delete", "--wait=true", WHERE, "service/argotune-service")


def _hurried(found: Object) -> Object:
    """Leases are short, so that a killed replica's tenants are not waited for."""
    if found["kind"] == "Deployment":
        names = ("SPANS_MINUTES", "FEEDBACK_MINUTES", "ANNOTATION_MINUTES", "METRICS_MINUTES")
        given = {f"ARGOTUNE_SERVICE_{name}": "0.2" for name in names} | {"ARGOTUNE_LEASE_SECONDS": "10"}
        (container,) = found["spec"]["template"]["spec"]["containers"]
        container["env"] += [{"name": name, "value": value} for name, value in given.items()]
        container["resources"] = {"requests": {"cpu": "50m", "memory": "256Mi"}}
    return found


def outcomes(site: Installed, tenant_id: str) -> list[str]:
    return [run.outcome for run in RunBook(site.store, tenant_id).runs()]


def replicas(site: Installed) -> list[str]:
    pods = site.get("pods", "-l", "app.kubernetes.io/component=service")["items"]
    return [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def busy(site: Installed) -> list[str]:
    """Replicas that have told of a training."""
    return [name for name in replicas(site) if "training by" in site.kubectl("logs", name)]


def at_work(site: Installed, tenant_id: str) -> bool:
    return "unfinished" in outcomes(site, tenant_id)


def test_two_replicas_do_each_tenants_run_once_and_a_killed_one_loses_nothing(
    service: Installed, lm: NearestDemoLM, new_id: str
):
    lm.delay_s = 0.2
    tenants = [f"served_{new_id}_{number}" for number in range(4)]
    for tenant_id in tenants:
        service.tenant(tenant_id)
    until(lambda: busy(service), "a replica tells what it works on")
    assert any(at_work(service, tenant_id) for tenant_id in tenants)
    service.kubectl("delete", "pod", busy(service)[0], "--grace-period=0", "--force")
    lm.delay_s = 0.0
    until(lambda: all(outcomes(service, id) == ["promoted"] for id in tenants), "every tenant has its one promotion")
    assert all(service.champion_of(tenant_id) for tenant_id in tenants)


def test_a_replica_that_is_asked_to_end_does_so_in_time_and_another_goes_on(
    service: Installed, lm: NearestDemoLM, new_id: str
):
    lm.delay_s = 0.5
    tenant_id = f"given_up_{new_id}"
    service.tenant(tenant_id)
    until(lambda: at_work(service, tenant_id), "its visit is at work")
    began_s = time.monotonic()
    service.kubectl("delete", "pod", *replicas(service), "--wait=true")
    assert time.monotonic() - began_s < 60  # 30 s of grace, and what the kubelet takes
    lm.delay_s = 0.0
    until(lambda: outcomes(service, tenant_id) == ["promoted"], "it has its one promotion")
    assert service.champion_of(tenant_id)


def test_a_store_that_is_away_is_told_once_and_no_pod_is_started_again(service: Installed):
    before = {name: len(told_of_store(service, name)) for name in replicas(service)}
    with without(service, "redis"):
        time.sleep(90)
        pods = service.get("pods", "-l", "app.kubernetes.io/component=service")["items"]
        assert [status["restartCount"] for pod in pods for status in pod["status"]["containerStatuses"]] == [0, 0]
    until(lambda: all("well again" in told_of_store(service, name)[-1] for name in before), "it is back")
    told = [told_of_store(service, name)[number:] for name, number in before.items()]
    assert [[line.split(":")[1] for line in lines] for lines in told] == [[" Unavailable", " well again"]] * 2, told


def told_of_store(site: Installed, pod: str) -> list[str]:
    lines = [json.loads(line) for line in site.kubectl("logs", pod).splitlines() if line.startswith("{")]
    return [line["message"] for line in lines if line["message"].startswith("store: ")]
