"""The story on Kubernetes: install the chart with Redis and Phoenix, serve traffic, force a round, show the outcome.

Needs helm and kubectl on PATH, and Argo Workflows in the cluster that KUBECONFIG names.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from argotune import wiring
from argotune.cli.demo import sample
from argotune.cli.demo.story import COLUMNS, add_tenants, row, serve_once
from argotune.cli.output import say, table
from argotune.errors import ConfigInvalid, Unavailable
from argotune.pipeline.operations.inspecting import runs_of
from argotune.pipeline.ports import Ports, Progress
from argotune.scheduling.runner import WorkflowRunner
from argotune.scheduling.workflow import Manifest, Workflow
from argotune.settings import read_settings

RELEASE = "argotune"
ROUND_TEMPLATE = "auto-optimization-multi-tenant"
POLL_S = 3.0
COMMAND_LIMIT_S = 1200


@dataclass(frozen=True)
class ClusterPlace:
    """Where the demo installs, from which chart, with which image (with the embedded LM), and its own folder."""

    namespace: str
    chart: Path
    image: str
    folder: Path


def tell_on_cluster(place: ClusterPlace, progress: Progress) -> int:
    """Run the demo; everything stays installed. Returns the exit code."""
    place.folder.mkdir(parents=True, exist_ok=True)
    _install(place)
    with _forwarded(place.namespace, "redis", 6379) as redis, _forwarded(place.namespace, "phoenix", 6006) as phoenix:
        settings = read_settings(
            store_url=f"redis://127.0.0.1:{redis}/0",
            phoenix_endpoint=f"http://127.0.0.1:{phoenix}",
            namespace=place.namespace,
        )
        settings = sample.without_keys(settings)
        ports, runner = wiring.open_ports(settings, progress), wiring.open_runner(settings)
        add_tenants(ports)
        for tenant_id in sample.TENANTS:
            serve_once(ports, settings, tenant_id, place.folder / f"served-{place.namespace}-{tenant_id}")
        runs = _round(runner, f"demo-{wiring.new_id().lower()}", progress)
        _show(ports, runs)
    _show_commands(place.namespace, runs)
    return 0 if all(run.phase == "Succeeded" for run in runs) else 1


def _install(place: ClusterPlace) -> None:
    """Namespace, Secret and chart; each is made or brought up to date."""
    namespace = place.namespace
    _apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": _RESTRICTED}})
    store_url = f"redis://redis.{namespace}.svc.cluster.local:6379/0"
    secret = ("create", "secret", "generic", "cogniverse-config", f"--from-literal=store-url={store_url}")
    made = _said("kubectl", "-n", namespace, *secret, "--dry-run=client", "-o", "yaml")
    _said("kubectl", "apply", "-f", "-", stdin=made)
    repository, _, tag = place.image.rpartition(":")
    values = {
        "image.repository": repository,
        "image.tag": tag,
        "redis.enabled": "true",
        "phoenix.enabled": "true",
        "settings.ARGOTUNE_TASK_MODEL": "local/smollm2",
        "limits.concurrentOptimizations": "1",
        "resources.requests.cpu": "500m",
        "resources.requests.memory": "1Gi",
    }
    chosen = [part for name, value in values.items() for part in ("--set", f"{name}={value}")]
    say(f"installing {place.chart} into the namespace {namespace}")
    _said(
        "helm", "upgrade", "--install", RELEASE, str(place.chart), "-n", namespace, *chosen, "--wait", "--timeout=15m"
    )


_RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


def _apply(manifest: Manifest) -> None:
    _said("kubectl", "apply", "-f", "-", stdin=json.dumps(manifest))


def _said(*command: str, stdin: str | None = None) -> str:
    """What a command prints. Raises ConfigInvalid when it is missing, Unavailable with its last line when it fails."""
    try:
        done = subprocess.run(  # noqa: S603
            command, input=stdin, capture_output=True, text=True, timeout=COMMAND_LIMIT_S, check=False
        )
    except FileNotFoundError as error:
        raise ConfigInvalid(f"PATH: there is no {command[0]}") from error
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"{command[0]} {command[1]}: no end within {COMMAND_LIMIT_S} s") from error
    if done.returncode:
        told = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        raise Unavailable(f"{command[0]} {command[1]}: {told[-1][:300]}")
    return done.stdout


@contextmanager
def _forwarded(namespace: str, service: str, port: int) -> Iterator[int]:
    """A loopback port that leads to a service in the cluster."""
    command = ["kubectl", "-n", namespace, "port-forward", f"service/{service}", f":{port}"]
    process = subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        found = re.search(r"127\.0\.0\.1:(\d+)", said)
        if found is None:
            raise Unavailable(f"kubectl port-forward service/{service}: {said.strip() or 'it ended'}")
        yield int(found[1])
    finally:
        process.kill()
        process.communicate()


def _round(runner: WorkflowRunner, name: str, progress: Progress) -> list[Workflow]:
    """The tenants' runs of a forced round, when all are over."""
    given = {"tenants": ",".join(sample.TENANTS), "force": "true"}
    runner.submit(_round_manifest(name, given))
    round_ = _over(runner, name, progress)
    if round_.phase != "Succeeded":
        raise Unavailable(f"{name}: {round_.message}")
    say(f"{name}: {round_.outputs['outcome']}")
    return [_over(runner, runner.workflows(tenant_id)[-1].name, progress) for tenant_id in sample.TENANTS]


def _round_manifest(name: str, given: dict[str, str]) -> Manifest:
    parameters = [{"name": name, "value": value} for name, value in given.items()]
    spec = {"workflowTemplateRef": {"name": ROUND_TEMPLATE}, "arguments": {"parameters": parameters}}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": name}, "spec": spec}


def _over(runner: WorkflowRunner, name: str, progress: Progress) -> Workflow:
    """A workflow when it is over; an API server that is busy is asked again."""
    while True:
        try:
            found = runner.workflow(name)
        except Unavailable:
            time.sleep(POLL_S)
            continue
        pods = [node for node in found.nodes if node.is_pod]
        done = sum(node.phase not in ("Pending", "Running") for node in pods)
        progress(f"{name}: {next((node.name for node in pods if node.phase == 'Running'), 'waits')}", done, len(pods))
        if found.is_over:
            return found
        time.sleep(POLL_S)


def _show(ports: Ports, runs: Sequence[Workflow]) -> None:
    rows = []
    for run in runs:
        records = runs_of(ports.store, run.tenant_id, run.name)
        rows += [row(run.tenant_id, record) for record in records]
        if not records:
            rows.append([run.tenant_id, "", run.phase, "", "", run.message])
    say()
    table(COLUMNS, rows)


def _show_commands(namespace: str, runs: Sequence[Workflow]) -> None:
    say()
    say("Look further:")
    say(f"  kubectl get workflows -n {namespace} --sort-by=.metadata.creationTimestamp")
    for run in runs:
        say(f"  argotune argo follow {run.name} --namespace {namespace}")
    say(f"  argotune run --on-argo --tenant {sample.TENANTS[0]} --force --wait --namespace {namespace}")
    say(f"  kubectl port-forward -n {namespace} service/phoenix 6006   # then http://localhost:6006")
    say(f"  helm uninstall {RELEASE} -n {namespace} && kubectl delete namespace {namespace}")
