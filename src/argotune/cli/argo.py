"""`argotune run --on-argo` and `argotune argo`: a tenant's runs on the cluster, from the outside."""

from __future__ import annotations

import argparse
import re
import time
from argparse import Namespace
from collections.abc import Callable
from datetime import datetime, timedelta

from argotune.cli.output import note, say, say_json, table
from argotune.cli.parser import add_json, add_tenant, command, refuse_without, some_text
from argotune.cli.streams import settle_out
from argotune.errors import ConfigInvalid, Conflict, NotFound, Unavailable
from argotune.scheduling.runner import WorkflowRunner
from argotune.scheduling.watching import Event, again, events, exit_code, is_executors
from argotune.scheduling.workflow import OPTIMIZERS, Submission, Workflow, manifest, workflow_name
from argotune.settings import Settings, read_settings
from argotune.tenants.config import MODULES
from argotune.tenants.ids import check_tenant_id

POLL_S = 2.0

NOT_ON_ARGO = (
    "lookback_hours",
    "min_confidence",
    "max_iterations",
    "group",
    "output",
    "outcome_file",
    "links_file",
    "store_url",
    "phoenix_endpoint",
)
"""Flags of `argotune run` that concern this process and not a workflow."""


def add_commands(commands) -> None:
    """Add the commands of this file."""
    argo = commands.add_parser("argo", help="runs of tenants on Argo: list, follow, stop, retry, logs")
    verbs = argo.add_subparsers(dest="verb", required=True, metavar="VERB")
    listed = command(verbs, "list", _list, "runs of a tenant or of all, oldest first")
    add_tenant(listed, required=False)
    add_json(listed)
    followed = command(
        verbs, "follow", _follow, "show the steps of a run as they go on; the exit code says how it ended"
    )
    followed.add_argument("name", nargs="?", type=some_text, help="of a workflow (default: the newest of --tenant)")
    add_tenant(followed, required=False)
    stopped = command(verbs, "stop", _stop, "ask the controller to end a run; what it has stored stays")
    again_ = command(
        verbs,
        "retry",
        _retry,
        "submit a failed run again: a new workflow with the same arguments, for the modules that did not finish. "
        "Runs that were cut short are taken up from the store where they stopped, and no LM answer is paid twice",
    )
    _add_size(again_)
    logs = command(verbs, "logs", _logs, "what the pods of a run have printed, as far as they are still there")
    for parser in (stopped, again_, logs):
        parser.add_argument("name", type=some_text, help="of a workflow")
    for parser in (listed, followed, stopped, again_, logs):
        _add_namespace(parser)


def add_on_argo(run: argparse.ArgumentParser) -> None:
    """The flags of `argotune run` that hand the run to Argo."""
    group = run.add_argument_group("on Kubernetes", "the run is a workflow on the cluster that KUBECONFIG names")
    group.add_argument("--on-argo", action="store_true", help="submit a workflow; print its name and link")
    group.add_argument("--wait", action="store_true", help="show its steps, and end as it ends")
    _add_namespace(group)
    _add_size(group)


def _add_namespace(parser) -> None:
    parser.add_argument("--namespace", help="of the workflows (env: KUBERNETES_NAMESPACE)")


def _add_size(parser) -> None:
    parser.add_argument("--cpu", default="", help="CPU request of a module's pod, e.g. 500m (default: the template's)")
    parser.add_argument("--memory", default="", help="memory of a module's pod, e.g. 4Gi (default: the template's)")


def run_on_argo(arguments: Namespace) -> int:
    """Submit a tenant's run; with --wait the exit code says its outcome."""
    _refuse_local_flags(arguments)
    submission = _submission(arguments)
    settings, runner = _opened(arguments)
    name = _submit(runner, submission)
    _say_submitted(settings, name)
    if not arguments.wait:
        return 0
    return _until_it_is_over(settings, runner, name)


def refuse_argo_flags(arguments: Namespace) -> None:
    """A run in this process ignores no flag of a run on Argo. Raises ConfigInvalid."""
    refuse_without(arguments, "--on-argo", ("wait", "namespace", "cpu", "memory"))


def _refuse_local_flags(arguments: Namespace) -> None:
    for name in NOT_ON_ARGO:
        if getattr(arguments, name) not in (None, ""):
            flag = f"--{name.replace('_', '-')}"
            raise ConfigInvalid(f"{flag}: does not reach a workflow; leave it out, or set it in the tenant's config")
    if arguments.json:
        raise ConfigInvalid("--json: a workflow's report is in its pod; `argotune argo list --json` shows outcomes")


def _submission(arguments: Namespace) -> Submission:
    check_tenant_id(arguments.tenant_id)
    if arguments.module not in ("all", "own", *MODULES):
        raise ConfigInvalid(f"--module: {arguments.module!r} is none of all, own, {', '.join(MODULES)}")
    optimizer = arguments.optimizer or "config"
    if optimizer not in OPTIMIZERS:
        raise ConfigInvalid(f"--optimizer: {optimizer!r} is none of {', '.join(OPTIMIZERS)}")
    return Submission(
        tenant_id=arguments.tenant_id,
        is_forced=arguments.force,
        modules=arguments.module,
        optimizer=optimizer,
        max_lm_calls=_number_of_calls(arguments.max_lm_calls),
        use_synthetic_data=arguments.use_synthetic_data,
        is_training_forced=arguments.force_training,
        cpu=_quantity("--cpu", arguments.cpu),
        memory=_quantity("--memory", arguments.memory),
    )


def _quantity(flag: str, text: str) -> str:
    if text and not re.fullmatch(r"[0-9]+(\.[0-9]+)?(m|k|[KMGT]i?)?", text):
        raise ConfigInvalid(f"{flag}: {text[:40]!r} is not an amount as Kubernetes writes it, e.g. 500m or 4Gi")
    return text


def _number_of_calls(text: str | None) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or not int(text):
        raise ConfigInvalid(f"--max-lm-calls: {text[:40]!r} is not a whole number above 0")
    return int(text)


def _opened(arguments: Namespace) -> tuple[Settings, WorkflowRunner]:
    from argotune.wiring import open_runner

    settings = read_settings(namespace=arguments.namespace)
    return settings, open_runner(settings)


def _submit(runner: WorkflowRunner, submission: Submission) -> str:
    """The name of the new workflow. One that is there already is ours: the answer to the first attempt was lost."""
    from argotune.wiring import new_id

    name = workflow_name(submission.tenant_id, new_id())
    runner.submit(manifest(submission, name))
    return name


def _say_submitted(settings: Settings, name: str) -> None:
    say(f"submitted {name}")
    if link := _link(settings, name):
        say(link)


def _link(settings: Settings, name: str) -> str | None:
    return f"{settings.argo_url.rstrip('/')}/workflows/{settings.namespace}/{name}" if settings.argo_url else None


def _follow(arguments: Namespace) -> int:
    if (arguments.name is None) == (arguments.tenant_id is None):
        raise ConfigInvalid("follow: name a workflow, or --tenant for the newest of a tenant")
    settings, runner = _opened(arguments)
    return _until_it_is_over(settings, runner, arguments.name or _newest(runner, arguments.tenant_id).name)


def _newest(runner: WorkflowRunner, tenant_id: str) -> Workflow:
    found = runner.workflows(tenant_id)
    if not found:
        raise NotFound(f"workflow: there is none of tenant {tenant_id!r}")
    return found[-1]


def _until_it_is_over(settings: Settings, runner: WorkflowRunner, name: str) -> int:
    """Show a run's steps as they change. Whoever stops watching does not stop the run."""
    goes_on = f"{name} goes on; to see it: argotune argo follow {name} --namespace {settings.namespace}"
    try:
        ended = watch(runner, name, _say_event, lambda: time.sleep(POLL_S))
    except KeyboardInterrupt:
        note(goes_on)
        return 130
    except Unavailable:
        note(goes_on)
        raise
    for link in ended.outputs.get("links", "").splitlines():
        say(link)
    return exit_code(ended)


def watch(runner: WorkflowRunner, name: str, tell: Callable[[Event], None], pause: Callable[[], None]) -> Workflow:
    """Tell every event of a workflow once, until it is over. Returns its end."""
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


def _say_event(event: Event) -> None:
    from argotune.wiring import utc_now

    say(f"{event.at or utc_now():%H:%M:%S}  {event.name:<24}  {event.phase:<9}  {event.words}".rstrip())
    settle_out()  # whoever watches through a pipe sees it as it happens


def _list(arguments: Namespace) -> None:
    settings, runner = _opened(arguments)
    found = runner.workflows(arguments.tenant_id)
    if arguments.json:
        return say_json([_workflow_json(workflow, _link(settings, workflow.name)) for workflow in found])
    table(["WORKFLOW", "TENANT", "PHASE", "ASKED", "SUBMITTED", "TOOK", "OUTCOME"], [_row(w) for w in found])


def _row(workflow: Workflow) -> list[str]:
    asked = workflow.submission
    return [
        workflow.name,
        workflow.tenant_id,
        workflow.phase or "Pending",
        f"{asked.modules}{', forced' if asked.is_forced else ''}",
        f"{workflow.created_at:%Y-%m-%d %H:%M}",
        _took(workflow.created_at, workflow.finished_at),
        _outcome(workflow),
    ]


def _took(begun: datetime, ended: datetime | None) -> str:
    return "-" if ended is None else str(timedelta(seconds=round((ended - begun).total_seconds())))


def _outcome(workflow: Workflow) -> str:
    """What its last step says of the whole; before that, or without it, the latest that was said."""
    said = [event.words for event in events(workflow) if event.words]
    return workflow.outputs.get("outcome") or (said[-1] if said else "")


def _workflow_json(workflow: Workflow, link: str | None) -> dict[str, object]:
    asked = workflow.submission
    return {
        "name": workflow.name,
        "tenant_id": workflow.tenant_id,
        "phase": workflow.phase or "Pending",
        "message": workflow.message,
        "outcome": _outcome(workflow),
        "created_at": workflow.created_at.isoformat(),
        "finished_at": workflow.finished_at.isoformat() if workflow.finished_at else None,
        "forced": asked.is_forced,
        "modules": asked.modules,
        "optimizer": asked.optimizer,
        "max_lm_calls": asked.max_lm_calls,
        "use_synthetic_data": asked.use_synthetic_data,
        "is_training_forced": asked.is_training_forced,
        "comparisons": workflow.outputs.get("links", "").splitlines(),
        "link": link,
    }


def _stop(arguments: Namespace) -> None:
    _, runner = _opened(arguments)
    workflow = runner.workflow(arguments.name)
    if workflow.is_over:
        raise Conflict(f"workflow: {workflow.name!r} is over already: {workflow.phase}")
    runner.stop(workflow.name)
    say(f"asked the controller to stop {workflow.name}")


def _retry(arguments: Namespace) -> None:
    cpu, memory = _quantity("--cpu", arguments.cpu), _quantity("--memory", arguments.memory)
    settings, runner = _opened(arguments)
    for submission in again(runner.workflow(arguments.name), cpu, memory):
        _say_submitted(settings, _submit(runner, submission))


def _logs(arguments: Namespace) -> None:
    _, runner = _opened(arguments)
    for pod, line in runner.logs(arguments.name):
        if not is_executors(line):
            say(f"{pod}: {line}")
