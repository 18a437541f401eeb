"""On Argo: runs of tenants as workflows on a cluster: submitted, listed, watched, stopped and tried again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from argotune.errors import ConfigInvalid, Conflict, NotFound
from argotune.scheduling.runner import WorkflowRunner
from argotune.scheduling.watching import Event, again, events, is_executors
from argotune.scheduling.workflow import OPTIMIZERS, Submission, Workflow, manifest, workflow_name
from argotune.settings import Settings
from argotune.tenants.config import MODULES
from argotune.tenants.ids import check_tenant_id

_QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|k|[KMGT]i?)?")


def submit_run(runner: WorkflowRunner, asked: Submission, new_id: Callable[[], str]) -> str:
    """Submit a tenant's run; the name of its workflow. Raises ConfigInvalid, AccessDenied and Unavailable."""
    _check(asked)
    return _submit(runner, asked, new_id)


def _submit(runner: WorkflowRunner, asked: Submission, new_id: Callable[[], str]) -> str:
    """A workflow that is there already is ours: the answer to the first attempt was lost."""
    name = workflow_name(asked.tenant_id, new_id())
    runner.submit(manifest(asked, name))
    return name


def _check(asked: Submission) -> None:
    check_tenant_id(asked.tenant_id)
    if asked.modules not in ("all", "own", *MODULES):
        raise ConfigInvalid(f"{asked.modules!r} is none of all, own, {', '.join(MODULES)}", argument="module")
    if asked.optimizer not in OPTIMIZERS:
        raise ConfigInvalid(f"{asked.optimizer!r} is none of {', '.join(OPTIMIZERS)}", argument="optimizer")
    if asked.max_lm_calls is not None and asked.max_lm_calls < 1:
        raise ConfigInvalid(f"'{asked.max_lm_calls}' is not a whole number above 0", argument="max_lm_calls")
    _check_size(asked.cpu, asked.memory)


def _check_size(cpu: str, memory: str) -> None:
    for argument, text in (("cpu", cpu), ("memory", memory)):
        if text and not _QUANTITY.fullmatch(text):
            told = f"{text[:40]!r} is not an amount as Kubernetes writes it, e.g. 500m or 4Gi"
            raise ConfigInvalid(told, argument=argument)


def retry_run(
    runner: WorkflowRunner, name: str, new_id: Callable[[], str], *, cpu: str = "", memory: str = ""
) -> Iterator[str]:
    """Submit a failed run again, for the modules that did not finish: the names of the new workflows, each when it is
    submitted. Raises NotFound, ConfigInvalid, and Conflict for a run that goes on or has succeeded."""
    _check_size(cpu, memory)
    for submission in again(runner.workflow(name), cpu, memory):
        yield _submit(runner, submission, new_id)


def list_runs(runner: WorkflowRunner, tenant_id: str | None = None) -> list[Workflow]:
    """Runs of a tenant or of all, oldest first."""
    return runner.workflows(tenant_id)


def newest_run(runner: WorkflowRunner, tenant_id: str) -> Workflow:
    """The tenant's run that was submitted last. Raises NotFound."""
    found = runner.workflows(tenant_id)
    if not found:
        raise NotFound(f"workflow: there is none of tenant {tenant_id!r}")
    return found[-1]


def watch_run(runner: WorkflowRunner, name: str, tell: Callable[[Event], None], pause: Callable[[], None]) -> Workflow:
    """Tell every event of a workflow once, until it is over; its end. Raises NotFound and Unavailable."""
    told: dict[str, Event] = {}
    while True:
        workflow = runner.workflow(name)
        for event in events(workflow):
            if told.get(event.name) != event:
                told[event.name] = event
                tell(event)
        if workflow.is_over:
            return workflow
        pause()


def stop_run(runner: WorkflowRunner, name: str) -> None:
    """Ask the controller to end a run. Raises NotFound, and Conflict for one that is over."""
    workflow = runner.workflow(name)
    if workflow.is_over:
        raise Conflict(f"workflow: {workflow.name!r} is over already: {workflow.phase}")
    runner.stop(workflow.name)


def logs_of(runner: WorkflowRunner, name: str) -> Iterator[tuple[str, str]]:
    """Pod and line of what a run's pods have printed, without what Argo's executor says there. Raises NotFound."""
    return ((pod, line) for pod, line in runner.logs(name) if not is_executors(line))


def link_of(settings: Settings, name: str) -> str | None:
    """The URL of a workflow in Argo's user interface, None where the installation names none."""
    return f"{settings.argo_url.rstrip('/')}/workflows/{settings.namespace}/{name}" if settings.argo_url else None
