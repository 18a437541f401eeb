"""Mending: what is wrong in a store, record by record, and what can be made right again from what is there.

A champion's pointer is made again from its history, a line of the list of tenants from the config. Nothing else is
guessed: other damaged records are named, for whoever has a backup.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from argotune.errors import ArgotuneError, ConfigInvalid, Conflict, Corrupt
from argotune.promotion.registry import Registry
from argotune.runs.tallies import Tally
from argotune.store.collections import EVERYONE, OF_TENANTS, Collection
from argotune.store.port import Store
from argotune.store.records import Unreadable, find_all
from argotune.store.sealing import unseal
from argotune.tenants.agenda import Agenda
from argotune.tenants.catalog import Configs
from argotune.tenants.ids import record_id

SHARED = (Collection.TENANTS, Collection.AGENDA, Collection.TALLIES, Collection.ROUNDS, Collection.ACTIVATIONS)
OF_TENANT = tuple(each for each in OF_TENANTS if each not in (Collection.ANSWERS, Collection.LEASES))
"""Answers that are damaged are asked for anew, leases lapse."""


@dataclass(frozen=True)
class Fault:
    """What is wrong. `mended` says what was done about it, "" where nothing was or could be."""

    tenant_id: str
    sentence: str
    mended: str = ""


def look_over(store: Store, tenant_ids: Sequence[str] = (), *, is_mending: bool = False) -> list[Fault]:
    """What is wrong with the records that all share and with those of these tenants, or of all that are known.

    With `is_mending` pointers and lines of the list are made again where that can be done.
    """
    known = set(tenant_ids) or _known(store)
    found = list(_of_list(store, sorted(known), is_mending))
    found += _damaged(store, EVERYONE, SHARED)
    for tenant_id in sorted(known):
        found += _pointers(store, tenant_id, is_mending)
        found += _damaged(store, tenant_id, (*OF_TENANT, *_of_programs(store, tenant_id)))
    return found


def _known(store: Store) -> set[str]:
    """Every tenant that some list, agenda or tally names."""
    agendas = {agenda.tenant_id for agenda in find_all(store, EVERYONE, Collection.AGENDA, Agenda)}
    tallies = {tally.tenant_id for tally in find_all(store, EVERYONE, Collection.TALLIES, Tally)}
    return {*Configs(store).tenant_ids(), *agendas, *tallies}


def _of_list(store: Store, tenant_ids: Sequence[str], is_mending: bool) -> Iterator[Fault]:
    """Tenants with a config that are on no list, and lines of tenants that have none."""
    configs = Configs(store)
    listed = {record_id(tenant_id) for tenant_id in configs.tenant_ids()}
    for tenant_id in tenant_ids:
        is_listed, has_config = record_id(tenant_id) in listed, configs.look(tenant_id)
        if has_config and not is_listed:
            mended = _tried(partial(configs.settle, tenant_id), "listed again") if is_mending else ""
            yield Fault(tenant_id, f"tenant {tenant_id!r} has a config and is not in the list", mended)
        elif is_listed and not has_config:
            mended = _tried(partial(configs.remove, tenant_id), "taken off the list") if is_mending else ""
            yield Fault(tenant_id, f"tenant {tenant_id!r} is in the list and has no config", mended)


def _pointers(store: Store, tenant_id: str, is_mending: bool) -> Iterator[Fault]:
    registry = Registry(store, tenant_id)
    for program in registry.programs():
        try:
            registry.pointed(program)
        except Corrupt as error:
            restore = partial(registry.restore, program)
            yield Fault(tenant_id, str(error), _tried(restore, "restored from its history") if is_mending else "")


def _tried(mend: Callable[[], object], done: str) -> str:
    """What was done; "" where it could not be."""
    try:
        mend()
    except (Corrupt, Conflict, ConfigInvalid):
        return ""
    return done


def _damaged(store: Store, tenant_id: str, collections: Sequence[str]) -> Iterator[Fault]:
    for collection in collections:
        for record in store.scan(tenant_id, collection):
            try:
                unseal(_kind(record.text), record.text)
            except Corrupt as error:
                yield Fault(tenant_id, Unreadable(tenant_id, collection, record.id, str(error)).sentence)


def _kind(text: str) -> str:
    """What a record says it is; every kind is looked at for its hash and schema alone."""
    try:
        return str(json.loads(text)["kind"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return "stored"


def _of_programs(store: Store, tenant_id: str) -> list[str]:
    from argotune.programs import programs_of

    try:
        config = Configs(store).get(tenant_id)
        names = [program.name for module in config.modules for program in programs_of(config, module)]
    except ArgotuneError:  # told where it is looked at: the config, or a user's program
        return []
    return [f"{kind}.{name}" for name in names for kind in (Collection.EXPERIENCES, Collection.EXAMPLES)]
