"""Commands on how tenants stand over all and over time: fleet, accuracy."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from argotune.cli.flags import Commands, add_json, add_store, add_tenant_flag, command, some_text
from argotune.cli.open import store_of
from argotune.cli.output import note, say, say_json, table
from argotune.runs.reports import unreadable_words
from argotune.stats.wording import counted, percent, points

if TYPE_CHECKING:
    from argotune.pipeline.operations.accuracy import ProgramAccuracy
    from argotune.pipeline.operations.fleet import FleetTenant, FleetTotals


def add_commands(commands: Commands) -> None:
    """Add the commands of this file."""
    fleet = command(commands, "fleet", _fleet, "all tenants at once: verdicts, what runs, what waits, what it cost")
    accuracy = command(commands, "accuracy", _accuracy, "how a tenant's champions did, by day and by contest")
    add_tenant_flag(accuracy)
    accuracy.add_argument("--program", type=some_text, help="only this program, e.g. routing or modality.video")
    for parser in (fleet, accuracy):
        add_store(parser)
        add_json(parser)


def _fleet(arguments: Namespace) -> None:
    from argotune.pipeline.operations.fleet import fleet_standing
    from argotune.wiring import utc_now

    now = utc_now()
    found = fleet_standing(store_of(arguments), now)
    if words := unreadable_words(found.left_out):
        note(words)
    if arguments.json:
        return say_json(found.as_json())
    head = ["TENANT", "AUTO", "LAST VERDICT", "AT", "CONTESTS", "WAITING", "DEGRADED", "SPENT"]
    table(head, [_row(tenant) for tenant in found.tenants])
    for each in found.at_work:
        say(f"at work: {each.told(now)}")
    say(_sum(found.totals))


def _row(tenant: FleetTenant) -> list[str]:
    last = next(iter(tenant.last_verdicts), None)
    return [
        tenant.tenant_id,
        "on" if tenant.is_enabled else "off",
        f"{last.program}: {last.outcome}" if last else "-",
        _minute(last.at) if last else "-",
        str(tenant.open_contests),
        str(tenant.waiting),
        str(tenant.degraded),
        tenant.spent.sentence,
    ]


def _sum(totals: FleetTotals) -> str:
    tenants = f"{counted(totals.enabled + totals.disabled, 'tenant')}, {totals.disabled} of them off"
    runs = ", ".join(f"{n:,} {outcome}" for outcome, n in sorted(totals.runs.items())) or "none"
    people = f"{counted(totals.waiting, 'span waits', 'spans wait')} for people"
    worse = f"{counted(totals.degraded, 'champion')} degraded"
    return f"{tenants}; runs: {runs}; {totals.at_work} at work; {people}; {worse}; {totals.spent.sentence}"


def _accuracy(arguments: Namespace) -> None:
    from argotune.pipeline.operations.accuracy import accuracy_over_time

    found = accuracy_over_time(store_of(arguments), arguments.tenant_id, arguments.program)
    if arguments.json:
        return say_json([each.as_json() for each in found])
    for each in found:
        for line in _lines(each):
            say(line)


def _lines(found: ProgramAccuracy) -> Iterator[str]:
    yield f"{found.program}: {found.champion or 'as written'} serves"
    for day in found.live:
        yield f"  {day.day}  {percent(day.mean)} of {counted(day.count, 'answer')} by {day.scored_by}, {day.version}"
    for score in found.held_out:
        gain = f"{points(score.effect)} points, {points(score.low)} to {points(score.high)} at any time"
        yield f"  {_minute(score.at)}  contest {score.contest} {score.state}: {gain}, {counted(score.labels, 'label')}"
    for change in found.changes:
        yield f"  {_minute(change.at)}  {change.version} {change.how} by {change.who}: {change.reason}"


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
