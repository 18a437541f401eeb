"""Argotune as tests find it on the cluster: its namespace, the commands people use there, its store and Phoenix."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from cluster.manifests import DISPATCH, SHIPPED_IMAGE, TEMPLATE, Object
from world import AGENTS, START, traffic

from argotune import wiring
from argotune.adapters.argo import ArgoRunner
from argotune.data.spans import Span
from argotune.data.stream import Stream
from argotune.errors import Unavailable
from argotune.promotion.registry import Registry
from argotune.scheduling.workflow import Node, Workflow
from argotune.settings import Settings, read_settings
from argotune.store.port import Store
from argotune.store.sealing import digest
from argotune.tenants.catalog import Configs
from argotune.tenants.config import RoutingConfigUnified

LM_KEY = "sk-of-the-cluster-tests"
COMMAND_LIMIT_S = 300
RUN_LIMIT_S = float(os.environ.get("ARGOTUNE_TEST_LIMIT_SECONDS", "600"))


class Installed:
    """One installation. Everything it starts ends with its `stack`."""

    def __init__(self, namespace: str, image: str, lm_url: str, stack: ExitStack) -> None:
        self.namespace, self.image, self.lm_url, self._stack = namespace, image, lm_url, stack
        self.runner = ArgoRunner.from_environment(namespace)
        self._settings: Settings | None = None
        self._store: Store | None = None

    def kubectl(self, *arguments: str, stdin: str | None = None, may_fail: bool = False) -> str:
        """What a kubectl command prints; with `may_fail`, its errors too."""
        return run_command(["kubectl", f"--namespace={self.namespace}", *arguments], stdin, may_fail=may_fail)

    def argo(self, *arguments: str) -> str:
        """What an argo command prints."""
        return run_command(["argo", f"--namespace={self.namespace}", *arguments])

    def apply(self, objects: Iterable[Object]) -> None:
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=_as_list(objects))

    def get(self, *arguments: str) -> Any:
        """`kubectl get ... -o json`."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    @property
    def settings(self) -> Settings:
        """Of a process on this side of two port-forwards."""
        if self._settings is None:
            store, phoenix = self._forward("service/redis", 6379), self._forward("service/phoenix", 6006)
            self._settings = read_settings(
                store_url=f"redis://127.0.0.1:{store}/0",
                phoenix_endpoint=f"http://127.0.0.1:{phoenix}",
                namespace=self.namespace,
            )
        return self._settings

    @property
    def store(self) -> Store:
        if self._store is None:
            self._store = wiring.open_store(self.settings)
            self._stack.callback(self._store.close)
        return self._store

    def tenant(self, tenant_id: str, spans: int = 200, **fields: Any) -> RoutingConfigUnified:
        """A tenant with labelled traffic of the last hour, all of it answered by a program that always says `video`.

        No slice is judged: the LM of the tests says `audio` when it has no demonstrations, and is right there. No
        decision is left to chance.
        """
        chosen = {"agents": AGENTS, "modules": ["routing"], "preferred_optimizer": "nearest"}
        chosen["gate"] = {"min_slice_examples": 1000}
        chosen["decisions"] = {"exploration_share": 0.0, **fields.pop("decisions", {})}
        lm = {"task_model": "openai/gpt-4o-mini", "api_base": self.lm_url, "timeout_s": 20}
        config = RoutingConfigUnified(tenant_id=tenant_id, **{**chosen, "lm": lm, **fields})
        Configs(self.store).save(config)
        self.serve(tenant_id, spans)
        return config

    def serve(self, tenant_id: str, spans: int, first: int = 0) -> None:
        """Traces of so many decisions of `routing`, with a person's label each."""
        if not spans:
            return
        decisions, labels = traffic(tenant_id, spans, first=first)
        later, sink = wiring.utc_now() - START, wiring.open_sink(self.settings)
        sink.record(tenant_id, [_moved(span, tenant_id, later) for span in decisions])
        sink.annotate(
            Stream(tenant_id, "routing"),
            [replace(label, span_id=_own_id(tenant_id, label.span_id)) for label in labels],
        )

    def submit(self, tenant_id: str, *more: str, template: str = TEMPLATE, **parameters: str) -> str:
        """The name of a run that a person started with the documented command."""
        given = {"tenant-id": tenant_id, **{name.replace("_", "-"): value for name, value in parameters.items()}}
        return self._submit(template, given, *more)

    def start_round(self, template: str = DISPATCH, **parameters: str) -> str:
        """The name of a round that a person started with the documented command."""
        return self._submit(template, {name.replace("_", "-"): value for name, value in parameters.items()})

    def _submit(self, template: str, parameters: dict[str, str], *more: str) -> str:
        given = [part for name, value in parameters.items() for part in ("-p", f"{name}={value}")]
        return self.argo("submit", "--from", f"workflowtemplate/{template}", *given, *more, "-o", "name").strip()

    def ended(self, name: str, limit_s: float = RUN_LIMIT_S) -> Workflow:
        """The run when it is over."""
        return self.when(name, lambda run: run.is_over, "is over", limit_s)

    def when(self, name: str, is_so: Callable[[Workflow], bool], what: str, limit_s: float = RUN_LIMIT_S) -> Workflow:
        """The run as soon as something is so."""
        deadline_s, found = time.monotonic() + limit_s, None
        while found is None or not is_so(found):
            seen = described(found) if found else ""
            assert time.monotonic() < deadline_s, f"not within {limit_s} s: {name} {what}\n{seen}"
            time.sleep(0.5)
            with suppress(Unavailable):  # a busy API server is asked again
                found = self.runner.workflow(name)
        return found

    def runs_of(self, tenant_id: str) -> list[Workflow]:
        return self.runner.workflows(tenant_id)

    def events(self, name: str) -> str:
        """What Kubernetes says happened to a pod."""
        return self.kubectl("get", "events", f"--field-selector=involvedObject.name={name}", may_fail=True)

    def champion_of(self, tenant_id: str) -> str | None:
        """The version of `routing` that serves, and proof that the pointer was moved at most once."""
        registry = Registry(self.store, tenant_id)
        changes, (champion, _) = registry.history("routing"), registry.champion("routing")
        assert len(changes) <= 1, changes
        return champion.version if champion else None

    def _forward(self, target: str, port: int) -> int:
        """A loopback port that leads to a port in the cluster."""
        command = ["kubectl", f"--namespace={self.namespace}", "port-forward", target, f":{port}"]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._stack.callback(_end, process)
        assert process.stdout is not None
        said = process.stdout.readline()
        found = re.search(r"127\.0\.0\.1:(\d+)", said)
        assert found, f"kubectl port-forward {target}: {said or 'it ended'}"
        return int(found[1])


@dataclass(frozen=True)
class Promoted:
    """A tenant's first run, forced as documented, when it was over; its LM calls are `since` up to `until`."""

    tenant_id: str
    run: Workflow
    since: int
    until: int


def run_command(command: list[str], stdin: str | None = None, *, may_fail: bool = False) -> str:
    """What a command prints, its errors too with `may_fail`. An API server that cannot be reached is asked again."""
    for pause_s in (2, 5, 10, 20, 0):
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=COMMAND_LIMIT_S, check=False
        )
        if done.returncode == 0 or "Unable to connect to the server" not in done.stderr:
            break
        time.sleep(pause_s)
    assert may_fail or done.returncode == 0, f"{' '.join(command[:8])}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + (done.stderr if may_fail else "")


def described(run: Workflow) -> str:
    """A run and its steps, for people who look at a failed test."""
    lines = [f"{run.name} of {run.tenant_id!r}: {run.phase} {run.message}"]
    lines += [f"  {node.type:10} {node.phase:10} {node.name}: {node.outcome or node.message}" for node in run.nodes]
    return "\n".join(lines)


def pods(run: Workflow, step: str = "") -> list[Node]:
    """The pods of a run, or of one of its steps: several where a step was tried again."""
    return [node for node in run.nodes if node.is_pod and node.name.partition("(")[0].startswith(step)]


def step(run: Workflow, name: str) -> Node:
    """A step of the run by its name: the first that is called so, which sums up its attempts."""
    return next(node for node in run.nodes if node.name == name)


def is_running(name: str) -> Callable[[Workflow], bool]:
    """Whether a pod of a step is at work."""
    return lambda run: any(node.phase == "Running" for node in pods(run, name))


def _moved(span: Span, tenant_id: str, later: timedelta) -> Span:
    """The span in our time. Phoenix knows a span id only once, whatever its project."""
    id = _own_id(tenant_id, span.span_id)
    times = {"started_at": span.started_at + later, "ended_at": span.ended_at + later}
    return replace(span, span_id=id, trace_id=id * 2, **times)


def _own_id(tenant_id: str, span_id: str) -> str:
    return digest([tenant_id, span_id])[:16]


def _as_list(objects: Iterable[Object]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def image_under_test() -> str:
    return os.environ.get("ARGOTUNE_TEST_IMAGE", SHIPPED_IMAGE)
