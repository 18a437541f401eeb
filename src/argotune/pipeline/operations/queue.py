"""Queue: how many of a tenant's spans wait for a label, for which programs and contests, and since when."""

from __future__ import annotations

from datetime import date

from argotune.labels.queue import AnnotationQueue, QueueStanding
from argotune.store.port import Store
from argotune.tenants.catalog import Configs


def queue_standing(store: Store, tenant_id: str, today: date) -> QueueStanding:
    """Of all programs; none is built and no trace is read. Raises NotFound for an unknown tenant."""
    config = Configs(store).get(tenant_id)
    return AnnotationQueue(store, tenant_id).standing(today, config.annotation.daily_limit)
