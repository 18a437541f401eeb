"""Commands about deciding: why a run was decided so, what the ledger holds, and who decides from now on."""

from __future__ import annotations

from argparse import Namespace

from argotune.cli.open import store_of
from argotune.cli.output import say, say_json, table
from argotune.cli.parser import add_json, add_store, add_tenant, command
from argotune.configs import Configs
from argotune.decisions import ModelingContext, TrainingDecision
from argotune.errors import NotFound
from argotune.ledger import LedgerRow, ledger_of
from argotune.runs import Run, RunBook


def add_commands(commands) -> None:
    """Add the commands of this file."""
    explained = command(commands, "explain-decision", _explain, "which rule or which features decided on a run")
    add_tenant(explained)
    explained.add_argument("run", metavar="RUN", help="a run's id (argotune runs)")
    ledger = command(commands, "ledger", _ledger, "what was known, decided, spent and gained, run by run")
    add_tenant(ledger, required=False)
    learned = command(commands, "learn", _learn, "fit the meta-models on all tenants' ledgers; say who decides now")
    learned.add_argument("--history", action="store_true", help="only show who decided since when, and why")
    for parser in (explained, ledger, learned):
        add_store(parser)
        add_json(parser)


def _explain(arguments: Namespace) -> None:
    store = store_of(arguments)
    Configs(store).get(arguments.tenant_id)
    run = RunBook(store, arguments.tenant_id).run(arguments.run)
    if run.decision is None or run.context is None:
        raise NotFound(f"run: {run.id!r} ended before anything was decided: {run.sentence}")
    if arguments.json:
        return say_json(
            {
                "run": run.id,
                "decision": run.decision.model_dump(mode="json"),
                "context": run.context.model_dump(mode="json"),
                "outcome": run.outcome,
            }
        )
    for line in explanation(run, run.decision, run.context):
        say(line)


_BY = {
    "floor": "nothing could be chosen",
    "forced": "a person forced the training",
    "rules": "the cold-start rules",
    "model": "the meta-model {model}",
    "chance": "chance: a share of all decisions is drawn, to learn what the other choice would have brought",
}


def explanation(run: Run, decision: TrainingDecision, context: ModelingContext) -> list[str]:
    """The story of a decision in lines of text."""
    lines = [
        f"run        {run.id}",
        f"decided    {decision.action.name}",
        f"by         {_BY[decision.by].format(model=decision.model)}",
        f"because    {decision.reason}",
        f"came to    {run.sentence}",
    ]
    if decision.possible:
        lines.append(f"possible   {', '.join(action.name for action in decision.possible)}")
        lines.append(f"drawn with probability {decision.probability:.3g}; the rules alone: {decision.by_rules.name}")
    if decision.expected_gain is not None:
        asked = "expected" if decision.model else "to be shown"
        lines.append(f"gain {asked}: {100 * decision.expected_gain:+.1f} points")
    for c in decision.contributions:
        lines.append(f"  {c.feature} = {'unknown' if c.value is None else f'{c.value:g}'}: {100 * c.gain:+.2f} points")
    known = {name: value for name, value in context.model_dump().items() if value not in (None, "")}
    return [*lines, "known at the time:", *(f"  {name} = {_shown(value)}" for name, value in known.items())]


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _ledger(arguments: Namespace) -> None:
    store = store_of(arguments)
    configs = Configs(store)
    tenants = [configs.get(arguments.tenant_id).tenant_id] if arguments.tenant_id else configs.tenant_ids()
    rows = sorted((row for tenant_id in tenants for row in ledger_of(store, tenant_id)), key=lambda row: row.at)
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
    from argotune.in_charge import InCharge
    from argotune.stages.learn import learn
    from argotune.wiring import utc_now

    store = store_of(arguments)
    found = InCharge(store).history() if arguments.history else [learn(store, utc_now())]
    if arguments.json:
        return say_json([appointment.model_dump(mode="json") for appointment in found])
    for appointment in found:
        say(f"{appointment.at:%Y-%m-%d %H:%M}  {appointment.rows} rows: {appointment.reason}")
