"""Configs: the routing configurations of all tenants, kept in a store."""

from __future__ import annotations

from argotune.agenda import forget_agenda
from argotune.documents import Document, Unreadable, find_all, tell, to_record
from argotune.errors import ConfigInvalid, Corrupt, NotFound
from argotune.ports import Store
from argotune.records import EVERYONE, Collection, digest, unseal
from argotune.tenants import RoutingConfigUnified, check_tenant_id, stored_config


class TenantEntry(Document):
    """A line in the list of tenants. `is_enabled` is a copy from the config, so that a round need not read it."""

    tenant_id: str
    is_enabled: bool = True


class Configs:
    """Get, save and list the configurations."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, tenant_id: str) -> RoutingConfigUnified:
        """Raises NotFound when the tenant has none, ConfigInvalid for one that this release does not take, Corrupt."""
        document = self._document(tenant_id)
        try:
            return stored_config(unseal(RoutingConfigUnified.__name__, document))
        except ConfigInvalid as error:
            raise ConfigInvalid(f"config of tenant {tenant_id!r}: {error}") from None
        except Corrupt as error:
            raise type(error)(f"config of tenant {tenant_id!r}: {error}") from error

    def readable(self) -> list[RoutingConfigUnified]:
        """The configs of all listed tenants that can be read, by tenant id; the others are told."""
        found = []
        for tenant_id in self.tenant_ids():
            try:
                found.append(self.get(tenant_id))
            except (Corrupt, ConfigInvalid, NotFound) as error:
                tell(Unreadable(tenant_id, Collection.CONFIG, "routing", str(error)))
        return found

    def _document(self, tenant_id: str) -> str:
        document = self._store.read(check_tenant_id(tenant_id), Collection.CONFIG, "routing")
        if document is None:
            raise NotFound(
                f"tenant_id: no tenant {tenant_id!r} has a routing config; `argotune tenants list` shows all"
            )
        return document

    def save(self, config: RoutingConfigUnified) -> None:
        """Store a configuration, then list the tenant: a crash in between is mended by saving again."""
        tenant_id = config.tenant_id
        self._store.write(tenant_id, [to_record(Collection.CONFIG, "routing", config)])
        entry = TenantEntry(tenant_id=tenant_id, is_enabled=config.enable_auto_optimization)
        self._store.write(EVERYONE, [to_record(Collection.TENANTS, digest(tenant_id), entry)])
        forget_agenda(self._store, tenant_id)

    def remove(self, tenant_id: str) -> None:
        """Take a tenant off the list and forget its config. Versions and runs stay, for explanation."""
        self._document(tenant_id)
        self._store.remove(EVERYONE, Collection.TENANTS, [digest(tenant_id)])
        self._store.remove(tenant_id, Collection.CONFIG, ["routing"])
        forget_agenda(self._store, tenant_id)

    def tenant_ids(self) -> list[str]:
        """All listed tenants, sorted."""
        return [entry.tenant_id for entry in self.entries()]

    def entries(self) -> list[TenantEntry]:
        """The list of tenants, by tenant id. Takes as many calls as the list has pages."""
        return sorted(find_all(self._store, EVERYONE, Collection.TENANTS, TenantEntry), key=lambda e: e.tenant_id)
