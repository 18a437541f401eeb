"""`argotune run` and the documented script like it: the whole loop for one tenant, here or on Argo."""

from __future__ import annotations

import argparse
from argparse import Namespace
from typing import TYPE_CHECKING

from argotune.cli.flags import (
    Commands,
    Parser,
    add_force,
    add_json,
    add_outcome_files,
    add_pass,
    add_truth,
    command,
    refuse_without,
)
from argotune.cli.open import ports_of
from argotune.cli.showing import show_report
from argotune.cli.workflows import add_namespace, add_size, opened, say_submitted, until_it_is_over
from argotune.errors import ConfigInvalid
from argotune.scheduling.workflow import Submission

if TYPE_CHECKING:
    from argotune.pipeline.operations.running import RunRequest

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


def add_commands(commands: Commands) -> None:
    """Add the command of this file."""
    run = command(commands, "run", _run, "the whole loop for one tenant, here or on Argo")
    add_pass(run)
    add_json(run)
    add_force(run)
    _add_run_flags(run)
    _add_on_argo(run)


def optimization_parser() -> argparse.ArgumentParser:
    """scripts/run_module_optimization.py."""
    parser = Parser(
        prog="run_module_optimization.py",
        description="Optimize modules of one tenant now, due or not; with --force=false only what is due.",
    )
    add_pass(parser, in_pods=True)
    add_force(parser, default=True)
    _add_run_flags(parser)
    parser.set_defaults(call=run_here, json=False)
    return parser


def _add_run_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--lookback-hours", type=float, help="read traces that started within these hours, known ones again"
    )
    parser.add_argument("--min-confidence", type=float, help="min_trace_confidence for this run")
    parser.add_argument("--optimizer", help="preferred_optimizer for this run (config: the tenant's own)")
    parser.add_argument("--max-iterations", type=int, help="max_training_iterations for this run")
    add_truth(parser, "--use-synthetic-data", "use_synthetic_data for this run (config: the tenant's own)")
    add_force(parser, "--force-training", help="train even where it would not be worth its price")
    parser.add_argument("--max-lm-calls", help="budget.max_lm_calls for this run (empty: the tenant's own)")
    parser.add_argument(
        "--group", default="", help="name of the occasion, e.g. a workflow; a finished module is not run again for it"
    )
    add_outcome_files(parser)
    parser.add_argument("--output", help="write the JSON report to this file")


def _add_on_argo(run: argparse.ArgumentParser) -> None:
    """The flags of `argotune run` that hand the run to Argo."""
    group = run.add_argument_group("on Kubernetes", "the run is a workflow on the cluster that KUBECONFIG names")
    group.add_argument("--on-argo", action="store_true", help="submit a workflow; print its name and link")
    group.add_argument("--wait", action="store_true", help="show its steps, and end as it ends")
    add_namespace(group)
    add_size(group)


def _run(arguments: Namespace) -> int | None:
    if arguments.on_argo:
        return _run_on_argo(arguments)
    _refuse_argo_flags(arguments)
    run_here(arguments)
    return None


def run_here(arguments: Namespace) -> None:
    """Run the pipeline for the asked modules and show what came of it."""
    from argotune.pipeline.operations.running import run_modules

    with ports_of(arguments) as ports:
        report = run_modules(ports, _request(arguments))
    show_report(report, report.modules, arguments)


def _request(arguments: Namespace) -> RunRequest:
    from argotune.pipeline.operations.asked import Overrides
    from argotune.pipeline.operations.running import RunRequest

    overrides = Overrides(
        lookback_hours=arguments.lookback_hours,
        min_confidence=arguments.min_confidence,
        optimizer=None if arguments.optimizer == "config" else arguments.optimizer,
        max_iterations=arguments.max_iterations,
        use_synthetic_data=arguments.use_synthetic_data,
        max_lm_calls=arguments.max_lm_calls or None,
    )
    return RunRequest(
        tenant_id=arguments.tenant_id,
        module=arguments.module,
        is_forced=arguments.force,
        is_training_forced=arguments.force_training,
        group=arguments.group,
        overrides=overrides,
    )


def _run_on_argo(arguments: Namespace) -> int:
    """Submit a tenant's run; with --wait the exit code says its outcome."""
    from argotune.pipeline.operations.on_argo import submit_run
    from argotune.wiring import new_id

    _refuse_local_flags(arguments)
    submission = _submission(arguments)
    settings, runner = opened(arguments)
    name = submit_run(runner, submission, new_id)
    say_submitted(settings, name)
    return until_it_is_over(settings, runner, name) if arguments.wait else 0


def _refuse_argo_flags(arguments: Namespace) -> None:
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
    return Submission(
        tenant_id=arguments.tenant_id,
        is_forced=arguments.force,
        modules=arguments.module,
        optimizer=arguments.optimizer or "config",
        max_lm_calls=_number_of_calls(arguments.max_lm_calls),
        use_synthetic_data=arguments.use_synthetic_data,
        is_training_forced=arguments.force_training,
        cpu=arguments.cpu,
        memory=arguments.memory,
    )


def _number_of_calls(text: str | None) -> int | None:
    if not text:
        return None
    if not text.isdecimal():
        raise ConfigInvalid(f"{text[:40]!r} is not a whole number above 0", argument="max_lm_calls")
    return int(text)
