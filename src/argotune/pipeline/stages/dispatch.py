"""dispatch: one round over all tenants: a workflow for each for whom something may be due, the neediest first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from argotune.data.source import TraceSource
from argotune.errors import AccessDenied, ConfigInvalid, NotFound
from argotune.scheduling.next_check import Need, need_of
from argotune.scheduling.rounds import OVER_LIMIT, Line, Round, RoundRequest
from argotune.scheduling.runner import WorkflowRunner
from argotune.scheduling.workflow import Submission, manifest, workflow_name
from argotune.store.port import Store
from argotune.tenants.agenda import Agenda, agendas
from argotune.tenants.binding import TraceProject
from argotune.tenants.catalog import Configs, TenantEntry
from argotune.tenants.ids import label_value


def dispatch(
    store: Store,
    traces: TraceSource,
    runner: WorkflowRunner,
    request: RoundRequest,
    now: datetime,
    pause: Callable[[float], None],
) -> Round:
    """Submit a round. Its calls grow with the pages of tenants and with what is submitted, not with all tenants.

    Doing it again submits nothing twice: a workflow's name is made from the round's uid and the tenant. Raises
    Unavailable when store, traces or cluster are away, NotFound for a tenant that is asked for and unknown, and
    AccessDenied when workflows may not be created; a single tenant's refusal is a line of the round.
    """
    entries = _asked(store, Configs(store).entries(), request)
    lines = [
        Line.skipped(entry.tenant_id, "its optimization is off") for entry in entries if not _wants(entry, request)
    ]
    wanted = {entry.tenant_id: entry.traces for entry in entries if _wants(entry, request)}
    busy = runner.unfinished() if wanted else frozenset()
    needs = _needs(store, traces, wanted, request, now)
    chosen: list[tuple[Need, str]] = []
    for tenant_id in wanted:
        need = "its last run is not over" if label_value(tenant_id) in busy else needs[tenant_id]
        if isinstance(need, Need):
            chosen.append((need, tenant_id))
        else:
            lines.append(Line.skipped(tenant_id, need))
    chosen.sort(key=lambda pair: (pair[0].rank, pair[0].since, pair[1]))
    lines += [Line.skipped(tenant_id, OVER_LIMIT) for _, tenant_id in chosen[request.max_submissions :]]
    lines += _submitted(runner, chosen[: request.max_submissions], request, pause)
    return Round(request, now, tuple(lines))


def _asked(store: Store, entries: Sequence[TenantEntry], request: RoundRequest) -> Sequence[TenantEntry]:
    """A tenant that is named is one by its config, whatever became of its line in the list."""
    if not request.tenants:
        return entries
    known = {entry.tenant_id: entry for entry in entries}
    return [known.get(id) or _unlisted(store, id) for id in dict.fromkeys(request.tenants)]


def _unlisted(store: Store, tenant_id: str) -> TenantEntry:
    try:
        return Configs(store).entry(tenant_id)
    except NotFound:
        raise NotFound(f"no tenant {tenant_id!r} has a routing config", argument="tenants") from None


def _wants(entry: TenantEntry, request: RoundRequest) -> bool:
    return entry.is_enabled or request.is_forced


def _needs(
    store: Store,
    traces: TraceSource,
    wanted: Mapping[str, TraceProject | None],
    request: RoundRequest,
    now: datetime,
) -> Mapping[str, Need | str]:
    if request.is_forced:
        return dict.fromkeys(wanted, Need(0, now, "forced"))
    found: Mapping[str, Agenda] = agendas(store)
    bound = {tenant_id: place for tenant_id, place in wanted.items() if place and tenant_id in found}
    newest = traces.newest(bound) if any(tenant_id in found for tenant_id in wanted) else {}
    return {tenant_id: need_of(found.get(tenant_id), newest.get(tenant_id), now) for tenant_id in wanted}


def _submitted(
    runner: WorkflowRunner, chosen: Sequence[tuple[Need, str]], request: RoundRequest, pause: Callable[[float], None]
) -> list[Line]:
    lines = []
    for number, (need, tenant_id) in enumerate(chosen):
        if number and not request.is_dry_run:
            pause(1 / request.rate_per_s)
        lines.append(_submit(runner, tenant_id, need, request))
    return lines


def _submit(runner: WorkflowRunner, tenant_id: str, need: Need, request: RoundRequest) -> Line:
    name = workflow_name(tenant_id, request.uid)
    if request.is_dry_run:
        return Line.submitted(tenant_id, name, f"would be submitted: {need.reason}")
    submission = Submission(tenant_id, is_forced=request.is_forced)
    try:
        is_new = runner.submit(manifest(submission, name, request.name, request.template))
    except AccessDenied:
        raise
    except ConfigInvalid as error:
        return Line.failed(tenant_id, str(error))
    return Line.submitted(tenant_id, name, need.reason if is_new else "submitted before, in this round")
