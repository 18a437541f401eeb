"""Commands about deciding: why runs were decided so, what the ledger holds, and who decides from now on."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from argotune.cli.flags import Commands, add_json, add_store, add_tenant_flag, command, some_text
from argotune.cli.open import store_of
from argotune.cli.output import say, say_json, table
from argotune.stats.wording import counted

if TYPE_CHECKING:  # meta-models would cost every command their import
    from argotune.decisions.ledger import LedgerRow
    from argotune.pipeline.operations.decisions import RunDecision


def add_commands(commands: Commands) -> None:
    """Add the commands of this file."""
    explained = command(commands, "explain-decision", _explain, "which rule or which features decided on a run")
    add_tenant_flag(explained)
    explained.add_argument("run", metavar="RUN", type=some_text, help="a run's id (argotune runs)")
    decided = command(commands, "decisions", _decisions, "why a tenant's runs trained or did not, the newest first")
    add_tenant_flag(decided)
    decided.add_argument("--program", type=some_text, help="only this program, e.g. routing or modality.video")
    decided.add_argument("--limit", type=int, default=100, help="at most so many runs (default: 100)")
    listed = command(commands, "ledger", _ledger, "what was known, decided, spent and gained, run by run")
    add_tenant_flag(listed, required=False)
    learned = command(commands, "learn", _learn, "fit the meta-models on all tenants' ledgers; say who decides now")
    learned.add_argument("--history", action="store_true", help="only show who decided since when, and why")
    for parser in (explained, decided, listed, learned):
        add_store(parser)
        add_json(parser)


def _explain(arguments: Namespace) -> None:
    from argotune.pipeline.operations.decisions import explain_run

    found = explain_run(store_of(arguments), arguments.tenant_id, arguments.run)
    if arguments.json:
        return say_json(
            {
                "run": found.run.id,
                "decision": found.decision.model_dump(mode="json"),
                "context": found.context.model_dump(mode="json"),
                "outcome": found.run.outcome,
            }
        )
    for line in found.story:
        say(line)


def _decisions(arguments: Namespace) -> None:
    from argotune.pipeline.operations.decisions import decisions_of

    found = decisions_of(store_of(arguments), arguments.tenant_id, arguments.program, arguments.limit)
    if arguments.json:
        return say_json([each.as_json() for each in found])
    table(["AT", "RUN", "DECIDED", "BY", "WHY", "OUTCOME"], [_decided_line(each) for each in found])


def _decided_line(found: RunDecision) -> list[str]:
    decided, by = found.decided or "-", found.by or "-"
    return [f"{found.at:%Y-%m-%d %H:%M}", found.run_id, decided, by, found.reason, found.outcome]


def _ledger(arguments: Namespace) -> None:
    from argotune.pipeline.operations.decisions import ledger

    rows = ledger(store_of(arguments), arguments.tenant_id)
    if arguments.json:
        return say_json([row.model_dump(mode="json") for row in rows])
    head = ["AT", "TENANT", "OF", "DECIDED", "BY", "PROBABILITY", "LM CALLS", "OUTCOME", "EFFECT"]
    table(head, [_ledger_line(row) for row in rows])


def _ledger_line(row: LedgerRow) -> list[str]:
    return [
        f"{row.at:%Y-%m-%d %H:%M}",
        row.tenant,
        row.context.modality,
        row.decision.action.name,
        row.decision.by,
        f"{row.decision.probability:.3g}",
        str(row.lm_calls),
        row.outcome,
        "-" if row.effect is None else f"{100 * row.effect:+.1f}",
    ]


def _learn(arguments: Namespace) -> None:
    from argotune.pipeline.operations.decisions import activations, learn_now
    from argotune.wiring import utc_now

    store = store_of(arguments)
    found = activations(store) if arguments.history else [learn_now(store, utc_now())]
    if arguments.json:
        return say_json([activation.model_dump(mode="json") for activation in found])
    for activation in found:
        say(f"{activation.at:%Y-%m-%d %H:%M}  {counted(activation.rows, 'row')}: {activation.reason}")
