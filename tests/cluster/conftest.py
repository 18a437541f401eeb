"""An installation on the cluster that KUBECONFIG names: its own namespace, with Redis, Phoenix and a scripted LM.

ARGOTUNE_TEST_IMAGE is the image of all pods, ARGOTUNE_TEST_HOST an address of this machine that pods reach, and
ARGOTUNE_TEST_NAMESPACE one that is kept after the tests and used again by the next.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from cluster.installed import COMMAND_LIMIT_S, LM_KEY, Installed, Promoted, described, image_under_test, run_command
from cluster.manifests import Object, for_tests, objects
from nearest_demo_lm import NearestDemoLM
from openai_server import running

STARTED = ("deployment/redis", "deployment/phoenix")


def _needs_cluster() -> None:
    if "KUBECONFIG" not in os.environ:
        reason = "KUBECONFIG names no cluster"
        (pytest.fail if os.environ.get("ARGOTUNE_REQUIRE_CLUSTER") == "1" else pytest.skip)(reason)


@pytest.fixture(scope="session")
def lm() -> Iterator[NearestDemoLM]:
    _needs_cluster()
    script = NearestDemoLM()
    with running(script, _host()):
        yield script


def _host() -> str:
    """By default the node's address: right where the cluster runs on this machine."""
    where = "jsonpath={.items[0].status.addresses[?(@.type=='InternalIP')].address}"
    return os.environ.get("ARGOTUNE_TEST_HOST") or run_command(["kubectl", "get", "nodes", "-o", where])


@pytest.fixture(scope="session")
def site(lm: NearestDemoLM) -> Iterator[Installed]:
    """Ready for runs; nobody has used it, unless ARGOTUNE_TEST_NAMESPACE names an older one."""
    kept = os.environ.get("ARGOTUNE_TEST_NAMESPACE")
    namespace = kept or f"argotune-test-{secrets.token_hex(3)}"
    with ExitStack() as stack:
        if not kept:
            stack.callback(run_command, ["kubectl", "delete", "namespace", namespace, "--wait=false"])
        found = Installed(namespace, image_under_test(), lm.url, stack)
        _install(found)
        yield found


def _install(site: Installed) -> None:
    places = ("workflows", "overlays/development/redis.yaml", "overlays/development/phoenix.yaml")
    site.apply(for_tests(found) for place in places for found in objects(place, site.namespace, site.image))
    site.apply([secret(site)])
    for workload in STARTED:
        site.kubectl("rollout", "status", workload, f"--timeout={COMMAND_LIMIT_S - 20}s")


def secret(site: Installed) -> dict[str, object]:
    """The Secret that everybody makes for himself."""
    values = {"store-url": f"redis://redis.{site.namespace}.svc.cluster.local:6379/0", "task-api-key": LM_KEY}
    metadata = {"name": "cogniverse-config", "namespace": site.namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values}


@pytest.fixture(scope="session")
def promoted(site: Installed, lm: NearestDemoLM) -> Promoted:
    tenant_id = f"acme_corp_{secrets.token_hex(3)}"
    site.tenant(tenant_id)
    before = lm.calls
    run = site.ended(site.submit(tenant_id, force="true"))
    assert run.phase == "Succeeded", described(run)
    return Promoted(tenant_id, run, before, lm.calls)


@pytest.fixture(autouse=True)
def _quick_lm(lm: NearestDemoLM) -> None:
    lm.delay_s = 0.0


@pytest.fixture
def new_id() -> str:
    """Tells this test's tenants from those of earlier ones."""
    return secrets.token_hex(3)


@pytest.fixture
def templates_only(site: Installed) -> Iterator[Callable[[Object], str]]:
    """The optional policy is in force; what comes of creating an object, which is not kept."""
    policy = objects("workflows/optional/admission-policy.yaml", site.namespace, site.image)
    name = f"argotune-templates-only-{site.namespace}"
    for found in policy:
        found["metadata"]["name"] = name
    policy[1]["spec"]["policyName"] = name

    def create(found: Object) -> str:
        return site.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(found), may_fail=True)

    site.apply(policy)
    try:
        _until_it_refuses(create)
        yield create
    finally:
        for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
            site.kubectl("delete", kind, name)


def _until_it_refuses(create: Callable[[Object], str]) -> None:
    foreign = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"generateName": "foreign-"}}
    for _ in range(60):
        if "denied request" in create({**foreign, "spec": {"workflowTemplateRef": {"name": "foreign"}}}):
            return
        time.sleep(0.5)
    raise AssertionError("the API server does not apply the policy")
