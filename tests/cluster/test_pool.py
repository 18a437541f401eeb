"""The optional template that trains pooled programs, as the files have it."""

from __future__ import annotations

import pytest
from cluster.installed import RUN_LIMIT_S, Installed, described, step
from cluster.manifests import for_tests, objects

from argotune.pipeline.operations.pooling import pooled_versions

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3 * RUN_LIMIT_S)]


def test_tenants_that_share_are_pooled_by_the_template(site: Installed, new_id: str) -> None:
    site.apply(map(for_tests, map(small, objects("workflows/optional/pool.yaml", site.namespace, site.image))))
    tenants = [f"sharing_{new_id}_{number}" for number in range(2)]
    for tenant_id in tenants:
        site.tenant(tenant_id, shared=True)
    for run in [site.submit(tenant_id, force="true") for tenant_id in tenants]:  # takes their examples in
        assert site.ended(run).phase == "Succeeded"
    run = site.ended(site.argo("submit", "--from", "workflowtemplate/argotune-pool", "-o", "name").strip())
    assert run.phase == "Succeeded", described(run)
    (pooled,) = pooled_versions(site.store)
    assert (pooled.tenants, pooled.version.program) == (2, "routing")
    assert pooled.version.state["kind"] == "student"
    assert step(run, run.name).outcome == "1 program pooled; 0 of before went"


def small(found: dict) -> dict:
    if found["kind"] == "WorkflowTemplate":
        (template,) = found["spec"]["templates"]
        template["container"]["resources"]["requests"] = {"cpu": "100m", "memory": "256Mi"}
    return found
