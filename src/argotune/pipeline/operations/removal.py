"""Removal: a tenant that is taken off the list leaves nothing behind but numbers without a name."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from argotune.errors import ConfigInvalid, Corrupt
from argotune.labels.queue import drop_waiting
from argotune.promotion.versions import Champion
from argotune.runs.at_work import drop_at_work
from argotune.runs.sums import ProgramSum
from argotune.runs.tallies import leave_tally
from argotune.store.collections import OF_PROGRAMS, OF_TENANTS, Collection
from argotune.store.port import Store
from argotune.store.records import find_all
from argotune.tenants.catalog import Configs
from argotune.tenants.config import MODALITIES, MODULES, OPTIONAL_MODULES


def remove_tenant(store: Store, tenant_id: str, now: datetime) -> int:
    """Remove all that is stored of a tenant; the number of records. Raises NotFound when it is not on the list.

    Who is at work for it loses its claim, so that nothing is written afterwards. What its runs came to stays in the
    sums over all tenants.
    """
    configs = Configs(store)
    configs.check_known(tenant_id)
    store.remove(tenant_id, Collection.LEASES)
    leave_tally(store, tenant_id, now)
    drop_waiting(store, tenant_id)
    drop_at_work(store, tenant_id)
    programs = set(_programs(store, configs, tenant_id))
    names = [f"{kind}.{program}" for kind in OF_PROGRAMS for program in sorted(programs)]
    own = [name for name in OF_TENANTS if name not in (Collection.CONFIG, Collection.LEASES)]
    removed = sum(store.remove(tenant_id, name) for name in (*names, *own))
    configs.remove(tenant_id)  # last: what a crash leaves is found by removing again
    return removed


def _programs(store: Store, configs: Configs, tenant_id: str) -> Iterator[str]:
    """The names of programs of which something may be stored: what ships, what the config has, and what ever ran."""
    yield from (*MODULES, *OPTIONAL_MODULES)
    yield from (f"modality.{modality}" for modality in MODALITIES)
    yield from (sums.program for sums in find_all(store, tenant_id, Collection.RUN_SUMS, ProgramSum))
    yield from (champion.program for champion in find_all(store, tenant_id, Collection.CHAMPIONS, Champion))
    try:
        yield from configs.get(tenant_id).programs
    except (ConfigInvalid, Corrupt):
        return
