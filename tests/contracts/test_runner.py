"""The contract of WorkflowRunner: the in-memory twin, Argo behind a scripted API server and on KUBECONFIG's cluster."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from kubernetes.client import ApiClient, Configuration
from kubernetes_server import KubernetesServer, serving

from argotune.adapters.argo import ArgoRunner
from argotune.adapters.memory.runner import MemoryRunner
from argotune.adapters.retrying import Patience
from argotune.errors import NotFound
from argotune.scheduling.runner import WorkflowRunner
from argotune.scheduling.workflow import TEMPLATE, TEMPLATE_LABEL, Submission, manifest, workflow_name
from argotune.tenants.ids import label_value

TENANTS = ["acme_corp", "Größe/ä", "{{workflow.uid}}", "$(reboot)", "a" * 80]


@pytest.fixture(params=["memory", "argo", pytest.param("argo on a cluster", marks=pytest.mark.cluster)])
def runner(request: pytest.FixtureRequest) -> Iterator[WorkflowRunner]:
    if request.param == "memory":
        yield MemoryRunner(lambda: datetime.now(UTC))
    elif request.param == "argo":
        with serving(KubernetesServer()) as server:
            yield runner_at(server.url)
    else:
        yield request.getfixturevalue("argo_runner")


def runner_at(url: str) -> ArgoRunner:
    settings = Configuration(host=url)
    settings.retries = False
    return ArgoRunner(ApiClient(settings), "cogniverse", patience=Patience(sleep=lambda _s: None))


@pytest.fixture
def occasion() -> str:
    return uuid.uuid4().hex


def test_at_first_there_is_nothing(runner: WorkflowRunner) -> None:
    assert runner.unfinished() == frozenset()
    assert runner.workflows() == []


@pytest.mark.parametrize("tenant_id", TENANTS)
def test_a_workflow_is_submitted_once_and_keeps_the_exact_tenant(
    runner: WorkflowRunner, occasion: str, tenant_id: str
) -> None:
    name = workflow_name(tenant_id, occasion)
    asked = manifest(Submission(tenant_id, is_forced=True, max_lm_calls=7), name, "round-1")
    assert runner.submit(asked)
    assert not runner.submit(asked)
    found = runner.workflow(name)
    assert found.tenant_id == tenant_id
    assert found.submission == Submission(tenant_id, is_forced=True, max_lm_calls=7)
    assert name in [workflow.name for workflow in runner.workflows(tenant_id)]
    assert name in [workflow.name for workflow in runner.workflows()]


def test_a_tenant_with_an_unfinished_run_is_known_by_its_label_until_the_run_is_stopped(
    runner: WorkflowRunner, occasion: str
) -> None:
    tenant_id = f"busy/{occasion}"
    name = workflow_name(tenant_id, occasion)
    assert label_value(tenant_id) not in runner.unfinished()
    runner.submit(manifest(Submission(tenant_id), name))
    assert label_value(tenant_id) in runner.unfinished()
    runner.stop(name)


def test_a_run_whose_labels_were_forgotten_is_known_by_its_parameter(runner: WorkflowRunner, occasion: str) -> None:
    tenant_id = f"unlabelled {occasion}"
    asked = manifest(Submission(tenant_id), workflow_name(tenant_id, occasion))
    labels = {TEMPLATE_LABEL: TEMPLATE}
    runner.submit({**asked, "metadata": {**asked["metadata"], "labels": labels}})
    assert label_value(tenant_id) in runner.unfinished()
    (found,) = runner.workflows(tenant_id)
    runner.stop(found.name)


def test_an_unknown_workflow_is_not_found(runner: WorkflowRunner) -> None:
    for call in (runner.workflow, runner.stop, lambda name: list(runner.logs(name))):
        with pytest.raises(NotFound, match="auto-opt-nobody"):
            call("auto-opt-nobody-12345")


def test_a_run_without_pods_has_no_logs(runner: WorkflowRunner, occasion: str) -> None:
    name = workflow_name("silent", occasion)
    runner.submit(manifest(Submission("silent"), name))
    assert list(runner.logs(name)) == []


def test_more_runs_than_fit_on_a_page_are_all_found(runner: WorkflowRunner, occasion: str) -> None:
    names = {workflow_name("paged", f"{occasion} {number}") for number in range(5)}
    for name in names:
        runner.submit(manifest(Submission("paged"), name))
    assert names <= {workflow.name for workflow in runner.workflows("paged")}
    assert label_value("paged") in runner.unfinished()
