"""`argotune argo`: a tenant's runs on the cluster, from the outside."""

from __future__ import annotations

from argparse import Namespace
from datetime import datetime, timedelta

from argotune.cli.flags import Commands, add_json, add_tenant_flag, command, some_text
from argotune.cli.output import say, say_json, table
from argotune.cli.workflows import add_namespace, add_size, opened, say_submitted, until_it_is_over
from argotune.errors import ConfigInvalid
from argotune.pipeline.operations.on_argo import link_of, list_runs, logs_of, newest_run, retry_run, stop_run
from argotune.scheduling.watching import outcome_of
from argotune.scheduling.workflow import Workflow


def add_commands(commands: Commands) -> None:
    """Add the commands of this file."""
    argo = commands.add_parser("argo", help="runs of tenants on Argo: list, follow, stop, retry, logs")
    verbs = argo.add_subparsers(dest="verb", required=True, metavar="VERB")
    listed = command(verbs, "list", _list, "runs of a tenant or of all, oldest first")
    add_tenant_flag(listed, required=False)
    add_json(listed)
    followed = command(
        verbs, "follow", _follow, "show the steps of a run as they go on; the exit code says how it ended"
    )
    followed.add_argument("name", nargs="?", type=some_text, help="of a workflow (default: the newest of --tenant)")
    add_tenant_flag(followed, required=False)
    stopped = command(verbs, "stop", _stop, "ask the controller to end a run; what it has stored stays")
    again_ = command(
        verbs,
        "retry",
        _retry,
        "submit a failed run again: a new workflow with the same arguments, for the modules that did not finish. "
        "Runs that were cut short are taken up from the store where they stopped, and no LM answer is paid twice",
    )
    add_size(again_)
    logs = command(verbs, "logs", _logs, "what the pods of a run have printed, as far as they are still there")
    for parser in (stopped, again_, logs):
        parser.add_argument("name", type=some_text, help="of a workflow")
    for parser in (listed, followed, stopped, again_, logs):
        add_namespace(parser)


def _follow(arguments: Namespace) -> int:
    if (arguments.name is None) == (arguments.tenant_id is None):
        raise ConfigInvalid("follow: name a workflow, or --tenant for the newest of a tenant")
    settings, runner = opened(arguments)
    return until_it_is_over(settings, runner, arguments.name or newest_run(runner, arguments.tenant_id).name)


def _list(arguments: Namespace) -> None:
    settings, runner = opened(arguments)
    found = list_runs(runner, arguments.tenant_id)
    if arguments.json:
        return say_json([_workflow_json(workflow, link_of(settings, workflow.name)) for workflow in found])
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
        outcome_of(workflow),
    ]


def _took(begun: datetime, ended: datetime | None) -> str:
    return "-" if ended is None else str(timedelta(seconds=round((ended - begun).total_seconds())))


def _workflow_json(workflow: Workflow, link: str | None) -> dict[str, object]:
    asked = workflow.submission
    return {
        "name": workflow.name,
        "tenant_id": workflow.tenant_id,
        "phase": workflow.phase or "Pending",
        "message": workflow.message,
        "outcome": outcome_of(workflow),
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
    _, runner = opened(arguments)
    stop_run(runner, arguments.name)
    say(f"asked the controller to stop {arguments.name}")


def _retry(arguments: Namespace) -> None:
    from argotune.wiring import new_id

    settings, runner = opened(arguments)
    for name in retry_run(runner, arguments.name, new_id, cpu=arguments.cpu, memory=arguments.memory):
        say_submitted(settings, name)


def _logs(arguments: Namespace) -> None:
    _, runner = opened(arguments)
    for pod, line in logs_of(runner, arguments.name):
        say(f"{pod}: {line}")
