"""Workflow: a tenant's run as Kubernetes sees it: its name, label and manifest, and what the API says of its state.

Values and pure functions; who talks to Kubernetes is a WorkflowRunner (runner.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from argotune.errors import BadAnswer
from argotune.errors.lines import told
from argotune.tenants.config import OptimizerName
from argotune.tenants.ids import label_value, slug

TEMPLATE = "tenant-auto-optimization"
TEMPLATE_LABEL = "workflows.argoproj.io/workflow-template"
TENANT_LABEL = "tenant-id"
TYPE_LABEL = "optimization-type"
ROUND_LABEL = "argotune/round"
TENANT_ANNOTATION = "argotune/tenant-id"
OPTIMIZERS = ("config", *get_args(OptimizerName))
FORCED_PRIORITY = 10
"""Runs that a person asked for go before those of a round where both wait for the same limit."""

Manifest = Mapping[str, Any]
"""A Kubernetes object as JSON."""

_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"
"""What generateName draws from: no vowels, so that no words come out."""


def workflow_name(tenant_id: str, occasion: str) -> str:
    """`auto-opt-<slug>-<5 characters>`: the same for the same occasion (a round's uid), so that submitting again finds
    it there. At most 55 characters, of the 63 that Argo allows."""
    number = int.from_bytes(hashlib.sha256(f"{occasion}\0{tenant_id}".encode()).digest()[:8], "big")
    suffix = "".join(_SUFFIX[number // len(_SUFFIX) ** place % len(_SUFFIX)] for place in range(5))
    return f"auto-opt-{slug(tenant_id)}-{suffix}"


@dataclass(frozen=True)
class Submission:
    """What is asked of a tenant's workflow. `optimizer` config, and None: as the tenant's config says; an
    empty `cpu` or `memory` (of a module's pod, e.g. 500m and 4Gi): as the template says."""

    tenant_id: str
    is_forced: bool = False
    modules: str = "all"
    optimizer: str = "config"
    max_lm_calls: int | None = None
    use_synthetic_data: bool | None = None
    is_training_forced: bool = False
    cpu: str = ""
    memory: str = ""


def manifest(submission: Submission, name: str, round_name: str = "", template: str = TEMPLATE) -> Manifest:
    """The Workflow to create: metadata, arguments, priority and the template's name, and nothing else.

    It has no owner: a CronWorkflow's history limit would delete it together with the round that submitted it.
    """
    labels = {
        TENANT_LABEL: label_value(submission.tenant_id),
        TYPE_LABEL: "auto",
        TEMPLATE_LABEL: template,
        **({ROUND_LABEL: round_name} if round_name else {}),
    }
    spec: dict[str, Any] = {
        "workflowTemplateRef": {"name": template},
        "arguments": {"parameters": [{"name": n, "value": v} for n, v in _parameters(submission).items()]},
        **({"priority": FORCED_PRIORITY} if submission.is_forced else {}),
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": name, "labels": labels, "annotations": {TENANT_ANNOTATION: submission.tenant_id}},
        "spec": spec,
    }


def _parameters(submission: Submission) -> dict[str, str]:
    return {
        "tenant-id": submission.tenant_id,
        "force": "true" if submission.is_forced else "false",
        "modules": submission.modules,
        "optimizer": submission.optimizer,
        "max-lm-calls": "" if submission.max_lm_calls is None else str(submission.max_lm_calls),
        **(
            {}
            if submission.use_synthetic_data is None
            else {"use-synthetic-data": _truth(submission.use_synthetic_data)}
        ),
        **({"force-training": "true"} if submission.is_training_forced else {}),
        **({"cpu": submission.cpu} if submission.cpu else {}),
        **({"memory": submission.memory} if submission.memory else {}),
    }


def _truth(value: bool) -> str:
    return "true" if value else "false"


@dataclass(frozen=True)
class Node:
    """One step of a workflow. `outcome` is what the step says of itself, `message` what Argo says of a failure."""

    id: str
    name: str
    type: str
    phase: str
    message: str
    outcome: str
    exit_code: int | None
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def is_pod(self) -> bool:
        return self.type == "Pod"


@dataclass(frozen=True)
class Workflow:
    """What the API says of a workflow. `phase` is empty until the controller has seen it; `unread` names the arguments

    that no submission of ours has, so that they are in none of `submission`'s fields.
    """

    name: str
    tenant_id: str
    phase: str
    message: str
    created_at: datetime
    finished_at: datetime | None
    submission: Submission
    outputs: Mapping[str, str]
    nodes: tuple[Node, ...]
    unread: tuple[str, ...] = ()

    @property
    def is_over(self) -> bool:
        return self.phase in ("Succeeded", "Failed", "Error")


def workflow_of(body: Manifest) -> Workflow:
    """The workflow in an API object. Raises BadAnswer."""
    try:
        return _workflow(body)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadAnswer(told(f"Kubernetes: a Workflow is not as documented: {error!r}")) from error


def _workflow(body: Manifest) -> Workflow:
    metadata, status = body["metadata"], body.get("status") or {}
    given = _values((body["spec"].get("arguments") or {}).get("parameters"))
    nodes = [_node(node) for node in (status.get("nodes") or {}).values()]
    return Workflow(
        name=metadata["name"],
        tenant_id=given.get("tenant-id", ""),
        phase=status.get("phase") or "",
        message=status.get("message") or "",
        created_at=datetime.fromisoformat(metadata["creationTimestamp"]),
        finished_at=_time(status.get("finishedAt")),
        submission=_submission(given),
        outputs=_values((status.get("outputs") or {}).get("parameters")),
        nodes=tuple(sorted(nodes, key=lambda node: (node.started_at is None, str(node.started_at), node.name))),
        unread=_unread(given),
    )


def _submission(given: Mapping[str, str]) -> Submission:
    calls, synthetic = given.get("max-lm-calls", ""), given.get("use-synthetic-data", "config")
    return Submission(
        tenant_id=given.get("tenant-id", ""),
        is_forced=given.get("force") == "true",
        modules=given.get("modules", "all"),
        optimizer=given.get("optimizer", "config"),
        max_lm_calls=int(calls) if _is_number(calls) else None,
        use_synthetic_data=None if synthetic == "config" else synthetic == "true",
        is_training_forced=given.get("force-training") == "true",
        cpu=given.get("cpu", ""),
        memory=given.get("memory", ""),
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _unread(given: Mapping[str, str]) -> tuple[str, ...]:
    """People may submit any text for a number of calls; such a run fails, and is listed as any other."""
    calls = given.get("max-lm-calls", "")
    return () if not calls or _is_number(calls) else (f"max-lm-calls={calls[:80]}",)


def _node(body: Mapping[str, Any]) -> Node:
    outputs = body.get("outputs") or {}
    code = outputs.get("exitCode")
    return Node(
        id=body["id"],
        name=body["displayName"],
        type=body["type"],
        phase=body.get("phase") or "Pending",
        message=body.get("message") or "",
        outcome=_values(outputs.get("parameters")).get("outcome", ""),
        exit_code=None if code is None else int(code),
        started_at=_time(body.get("startedAt")),
        finished_at=_time(body.get("finishedAt")),
    )


def _values(parameters: list[Mapping[str, Any]] | None) -> dict[str, str]:
    return {parameter["name"]: str(parameter.get("value") or "") for parameter in parameters or ()}


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
