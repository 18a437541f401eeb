"""The documented script that sums up a tenant's run records, whoever ran them and however they ended."""

from __future__ import annotations

import argparse
from argparse import Namespace

from argotune.cli.flags import Parser, add_outcome_files, add_store, add_tenant_flag, hours
from argotune.cli.open import store_of
from argotune.cli.output import say
from argotune.cli.showing import deliver_outcome, say_runs
from argotune.errors import ConfigInvalid
from argotune.pipeline.operations.summing_up import SumRequest, sum_up
from argotune.runs.step_outcomes import STATUSES


def aggregate_parser() -> argparse.ArgumentParser:
    """scripts/aggregate_results.py."""
    parser = Parser(prog="aggregate_results.py", description="Sum up a tenant's run records.")
    add_tenant_flag(parser, in_pods=True)
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
    """Sum up run records. Raises ModuleFailed when a step of the workflow failed."""
    from argotune.wiring import utc_now

    asked = SumRequest(arguments.tenant_id, arguments.group, arguments.since_hours, _statuses(arguments.status))
    found = sum_up(store_of(arguments), asked, utc_now())
    lost = deliver_outcome(arguments, found.as_json(), found.outcome, found.runs)
    say_runs(found.runs)
    if failure := found.failure:
        raise failure
    say(found.outcome)
    if lost:
        raise lost


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
