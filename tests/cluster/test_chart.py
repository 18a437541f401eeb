"""The Helm chart on a cluster: installed, tested, upgraded and uninstalled by the commands of its notes."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from cluster.installed import LM_KEY, RUN_LIMIT_S, image_under_test, run_command
from cluster.manifests import DISPATCH, TEMPLATE
from deploy.binaries import CHART, program
from nearest_demo_lm import NearestDemoLM

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3 * RUN_LIMIT_S)]
KINDS = "workflowtemplates,cronworkflows,configmaps,serviceaccounts,roles,rolebindings,deployments,services"
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"


class Release:
    """A namespace for one installation of the chart, and the helm that installs it."""

    def __init__(self, helm: str, namespace: str) -> None:
        self._helm, self.namespace = helm, namespace

    def helm(self, *arguments: str) -> str:
        return run_command([self._helm, *arguments, "--namespace", self.namespace])

    def kubectl(self, *arguments: str) -> str:
        return run_command(["kubectl", "--namespace", self.namespace, *arguments])

    def objects(self) -> dict[str, Any]:
        """What the chart has put there, by kind and name."""
        found = json.loads(self.kubectl("get", KINDS, "-l", "app.kubernetes.io/part-of=argotune", "-o", "json"))
        return {f"{item['kind']} {item['metadata']['name']}": item for item in found["items"]}


@pytest.fixture(params=["3", "4"], ids=["helm-3", "helm-4"])
def release(request: pytest.FixtureRequest) -> Iterator[Release]:
    found = Release(str(program("helm", request.param)), f"argotune-chart-{secrets.token_hex(3)}")
    run_command(["kubectl", "create", "namespace", found.namespace])
    try:
        found.kubectl("label", "namespace", found.namespace, RESTRICTED)
        store_url = f"redis://redis.{found.namespace}.svc.cluster.local:6379/0"
        values = (f"--from-literal=store-url={store_url}", f"--from-literal=task-api-key={LM_KEY}")
        found.kubectl("create", "secret", "generic", "cogniverse-config", *values)
        yield found
    finally:
        run_command(["kubectl", "delete", "namespace", found.namespace, "--wait=false"])


def test_the_chart_is_installed_checked_upgraded_and_leaves_nothing_but_the_secret(
    release: Release, lm: NearestDemoLM
) -> None:
    repository, _, tag = image_under_test().rpartition(":")
    given = (f"image.repository={repository}", "redis.enabled=true", "phoenix.enabled=true")
    given += (f"image.tag={tag}", "extraEnv[0].name=OPENAI_BASE_URL", f"extraEnv[0].value={lm.url}")
    chosen = [part for value in given for part in ("--set", value)]
    notes = release.helm("install", "argotune", str(CHART), *chosen, "--wait", "--timeout=4m")
    assert f"helm test argotune --namespace {release.namespace}" in notes
    tested = release.helm("test", "argotune", "--logs")
    assert "Succeeded" in tested
    before = release.objects()
    assert {f"WorkflowTemplate {TEMPLATE}", f"CronWorkflow {DISPATCH}"} <= set(before)

    release.helm("upgrade", "argotune", str(CHART), "--reset-then-reuse-values", "--set=suspend=true,size=medium")
    after = release.objects()
    assert set(after) == set(before)
    assert after[f"CronWorkflow {DISPATCH}"]["spec"]["suspend"] is True
    assert _parameter(before, "memory") != _parameter(after, "memory")

    release.helm("uninstall", "argotune", "--wait", "--timeout=3m")
    assert release.objects() == {}
    assert "cogniverse-config" in release.kubectl("get", "secrets")


def _parameter(objects: dict[str, Any], name: str) -> str:
    parameters = objects[f"WorkflowTemplate {TEMPLATE}"]["spec"]["arguments"]["parameters"]
    return next(parameter["value"] for parameter in parameters if parameter["name"] == name)
