"""Commands that concern all tenants at once: who wants optimization, and submitting a round of runs."""

from __future__ import annotations

import argparse
import time
from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING

from argotune.cli.files import deliver, json_text
from argotune.cli.flags import (
    Parser,
    add_force,
    add_outcome_file,
    add_phoenix,
    add_store,
    refuse_without,
    tenant_list,
)
from argotune.cli.open import settings_of, store_of
from argotune.cli.output import note, say, say_json, table
from argotune.errors import ConfigInvalid
from argotune.scheduling.rounds import Line, Round, RoundRequest
from argotune.scheduling.workflow import TEMPLATE
from argotune.stats.wording import counted

if TYPE_CHECKING:
    from argotune.pipeline.operations.rounds import AfterRound, SubmittedRound

SHOWN = 50
"""Tenants shown one by one; of more, the skipped ones are counted by reason."""


def discover_parser() -> argparse.ArgumentParser:
    """scripts/discover_tenants.py."""
    parser = Parser(
        prog="discover_tenants.py",
        description="Tenants that want optimization, as JSON; with --submit also an Argo Workflow for each.",
    )
    add_store(parser)
    parser.add_argument("--output", help="also write the JSON to this file")
    parser.add_argument(
        "--submit", action="store_true", help="submit a workflow for each for whom something may be due"
    )
    _add_round(parser.add_argument_group("with --submit"))
    parser.set_defaults(call=discover_tenants)
    return parser


SUBMIT_ONLY: Mapping[str, object] = {
    "phoenix_endpoint": None,
    "namespace": None,
    "template": TEMPLATE,
    "round": "",
    "round_uid": "",
    "tenants": "",
    "max_submissions": 2000,
    "rate": 10.0,
    "dry_run": False,
    "outcome_file": None,
    "force": False,
}
"""Flags of a round, with what they are when they are not given."""


def _add_round(group: argparse._ActionsContainer) -> None:
    add_phoenix(group)
    group.add_argument("--namespace", help="of the workflows (env: KUBERNETES_NAMESPACE)")
    group.add_argument("--template", help=f"WorkflowTemplate of the runs (default: {TEMPLATE})")
    group.add_argument("--round", help="name of the round: a label of its runs")
    group.add_argument("--round-uid", help="decides the runs' names: the same uid submits nothing twice")
    group.add_argument("--tenants", help="ids between commas, or a JSON list where an id holds one (default: all)")
    group.add_argument("--max-submissions", type=int, help="most runs to submit, the neediest first (default: 2000)")
    group.add_argument("--rate", type=float, help="runs to submit per second (default: 10)")
    add_force(group, "--dry-run", default=None, help="only show what would be done")
    add_outcome_file(group)
    add_force(group, default=None)


def discover_tenants(arguments: Namespace) -> int | None:
    """JSON array of tenant ids on stdout, words on stderr; with --submit a round."""
    from argotune.pipeline.operations.rounds import wanting_optimization

    if arguments.submit:
        missing = {name: value for name, value in SUBMIT_ONLY.items() if getattr(arguments, name) is None}
        return _submit_round(Namespace(**{**vars(arguments), **missing}))
    refuse_without(arguments, "--submit", SUBMIT_ONLY)
    found = wanting_optimization(store_of(arguments))
    note(f"Discovered tenants: {found}")
    lost = deliver([(arguments.output, json_text(found))], is_printed=True)
    say_json(found)
    if lost:
        raise lost
    return None


def _submit_round(arguments: Namespace) -> int:
    from argotune.pipeline.operations.rounds import learn_and_forget, submit_round
    from argotune.wiring import new_id, open_runner, open_traces, utc_now

    store, settings = store_of(arguments), settings_of(arguments)
    request = _request(arguments, arguments.round_uid or new_id())
    runner = open_runner(settings, template=arguments.template)
    done = submit_round(store, open_traces(settings), runner, request, utc_now, time.sleep)
    lost = deliver([(arguments.outcome_file, done.outcome), (arguments.output, json_text(_round_json(done.round)))])
    _say_round(done)
    if not request.is_dry_run:
        _say_after(learn_and_forget(store, utc_now()))
    if lost:
        raise lost
    return ConfigInvalid.exit_code if done.round.of("failed") else 0


def _say_after(found: AfterRound) -> None:
    if found.learned is not None:
        say(f"Deciding on training: {found.learned}")
    for collection, number in sorted(found.forgotten.items()):
        say(f"Forgotten: {counted(number, 'record')} of {collection}")


def _request(arguments: Namespace, uid: str) -> RoundRequest:
    return RoundRequest(
        name=arguments.round,
        uid=uid,
        template=arguments.template,
        tenants=tenant_list(arguments.tenants),
        is_forced=arguments.force,
        is_dry_run=arguments.dry_run,
        max_submissions=arguments.max_submissions,
        rate_per_s=arguments.rate,
    )


def _round_json(done: Round) -> dict[str, object]:
    return {
        "schema": "argotune.round/1",
        "round": done.request.name,
        "started_at": done.started_at.isoformat(),
        "submitted": [_line_json(line) for line in done.of("submitted")],
        "skipped": dict(done.skipped_by_reason),
        "failed": [_line_json(line) for line in done.of("failed")],
    }


def _line_json(line: Line) -> dict[str, str]:
    return {"tenant_id": line.tenant_id, "workflow": line.workflow, "reason": line.reason}


def _say_round(submitted: SubmittedRound) -> None:
    done = submitted.round
    tenant_ids = sorted(line.tenant_id for line in done.lines)
    more = f" and {len(tenant_ids) - SHOWN} more" if len(tenant_ids) > SHOWN else ""
    say(f"Discovered tenants: {tenant_ids[:SHOWN]}{more}")
    say(f"Spawning workflows for {counted(len(done.of('submitted')), 'tenant')}...")
    is_long = len(done.lines) > SHOWN
    shown = [line for line in done.lines if not is_long or line.outcome != "skipped"]
    table(["TENANT", "OUTCOME", "WORKFLOW", "WHY"], [[x.tenant_id, x.outcome, x.workflow, x.reason] for x in shown])
    for reason, count in done.skipped_by_reason.items() if is_long else ():
        say(f"skipped {count}: {reason}")
    say(submitted.outcome)
