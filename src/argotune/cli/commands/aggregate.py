"""The documented script that sums up a tenant's run records, whoever ran them and however they ended."""

from __future__ import annotations

import argparse
from argparse import Namespace
from datetime import timedelta

from argotune.cli.flags import Parser, add_outcome_files, add_store, add_tenant, hours
from argotune.cli.open import store_of
from argotune.cli.output import say
from argotune.cli.showing import deliver_outcome, say_runs
from argotune.errors import ConfigInvalid, ModuleFailed
from argotune.runs.book import RunBook
from argotune.runs.reports import run_json, summary_json
from argotune.runs.run import Run
from argotune.runs.step_outcomes import STATUSES, failed_modules, outcome_of_steps
from argotune.tenants.catalog import Configs


def aggregate_parser() -> argparse.ArgumentParser:
    """scripts/aggregate_results.py."""
    parser = Parser(prog="aggregate_results.py", description="Sum up a tenant's run records.")
    add_tenant(parser, in_pods=True)
    add_store(parser)
    parser.add_argument("--group", help="only runs of this group, e.g. a workflow's name")
    parser.add_argument("--since-hours", type=hours, help="only runs that started within these hours")
    parser.add_argument(
        "--status",
        action="append",
        default=[],
        metavar="MODULE=STATUS",
        help="how a step of the workflow ended, in Argo's words; with Failed or Error this ends with 1",
    )
    add_outcome_files(parser)
    parser.add_argument("--output", help="write the JSON summary to this file")
    parser.set_defaults(call=aggregate_results)
    return parser


def aggregate_results(arguments: Namespace) -> None:
    """Sum up run records, whoever ran them and however they ended. Raises ModuleFailed when a step failed."""
    from argotune.runs.totals import keep_tally
    from argotune.wiring import utc_now

    statuses = _statuses(arguments.status)
    store = store_of(arguments)
    Configs(store).get(arguments.tenant_id)
    since = utc_now() - timedelta(hours=arguments.since_hours) if arguments.since_hours is not None else None
    runs = RunBook(store, arguments.tenant_id).runs(group=arguments.group, since=since)
    outcome = outcome_of_steps(statuses, runs)
    lost = deliver_outcome(arguments, _summary(arguments.tenant_id, statuses, outcome, runs), outcome, runs)
    say_runs(runs)
    keep_tally(store, arguments.tenant_id, utc_now())  # a pass that was killed did not get there
    if failed_modules(statuses):
        raise ModuleFailed(f"{outcome}. Read the failed step's message; what is finished is kept")
    say(outcome)
    if lost:
        raise lost


def _summary(tenant_id: str, statuses: dict[str, str], outcome: str, runs: list[Run]) -> dict[str, object]:
    return {
        "tenant_id": tenant_id,
        "outcome": outcome,
        "steps": statuses,
        "summary": summary_json(runs),
        "runs": [run_json(run) for run in runs],
    }


def _statuses(given: list[str]) -> dict[str, str]:
    """Module -> status. Raises ConfigInvalid."""
    statuses = {}
    for text in given:
        module, _, status = text.partition("=")
        if not module or status not in STATUSES:
            raise ConfigInvalid(f"--status: {text[:80]!r} is not MODULE=STATUS with one of {', '.join(STATUSES)}")
        if module in statuses:
            raise ConfigInvalid(f"--status: {module[:80]!r} is given twice")
        statuses[module] = status
    return statuses
