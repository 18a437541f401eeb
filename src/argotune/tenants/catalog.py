"""Catalog: the routing configurations of all tenants, kept in a store."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from argotune.errors import ConfigInvalid, Conflict, Corrupt, NotFound
from argotune.store.collections import EVERYONE, Collection
from argotune.store.port import ANY, Record, Store
from argotune.store.records import StoredValue, Unreadable, find_all, tag_there, tell, to_record
from argotune.store.sealing import digest, unseal
from argotune.store.turns import in_turn
from argotune.tenants.agenda import drop_agenda, forget_agenda
from argotune.tenants.attended import drop_attended
from argotune.tenants.binding import TraceProject
from argotune.tenants.config import RoutingConfigUnified, stored_config
from argotune.tenants.ids import check_tenant_id, record_id


class TenantEntry(StoredValue):
    """A line in the list of tenants. All but the id is a copy from the config, so that a round need not read it.

    `traces`: the project of its traces, None where that is by the tenant's name."""

    tenant_id: str
    is_enabled: bool = True
    traces: TraceProject | None = None


class Configs:
    """Get, save and list the configurations.

    A config is saved only in place of the one that these Configs have read or saved last; whoever has read none
    replaces what is there. The list is written before a new config and settled after each, so that a crash leaves a
    tenant that is listed, and the same command mends it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tags: dict[str, str | None] = {}

    def get(self, tenant_id: str) -> RoutingConfigUnified:
        """Raises NotFound when the tenant has none, ConfigInvalid for one that this release does not take, Corrupt."""
        text = self._text(tenant_id)
        self._tags[tenant_id] = tag_there(text)
        return _config(tenant_id, text)

    def look(self, tenant_id: str) -> bool:
        """Whether the tenant has a config, readable or not; the next `save` expects the one that is there now."""
        text = self._store.read(check_tenant_id(tenant_id), Collection.CONFIG, "routing")
        self._tags[tenant_id] = tag_there(text)
        return text is not None

    def readable(self) -> list[RoutingConfigUnified]:
        """The configs of all listed tenants that can be read, by tenant id; the others are told."""
        found = []
        for tenant_id in self.tenant_ids():
            try:
                found.append(_config(tenant_id, self._text(tenant_id)))
            except (Corrupt, ConfigInvalid, NotFound) as error:
                tell(Unreadable(tenant_id, Collection.CONFIG, "routing", str(error)))
        return found

    def _text(self, tenant_id: str) -> str:
        text = self._store.read(check_tenant_id(tenant_id), Collection.CONFIG, "routing")
        if text is None:
            raise NotFound(
                f"tenant_id: no tenant {tenant_id!r} has a routing config; `argotune tenants list` shows all"
            )
        return text

    def add(self, config: RoutingConfigUnified) -> None:
        """Store the config of a new tenant. Raises Conflict for one that has a config."""
        self._tags[config.tenant_id] = None
        try:
            self.save(config)
        except Conflict:
            raise Conflict(f"tenant_id: {config.tenant_id!r} exists; `argotune tenants set` changes it") from None

    def save(self, config: RoutingConfigUnified) -> None:
        """Store a config and list the tenant. Raises Conflict when it was changed since it was read here."""
        tenant_id = config.tenant_id
        record = to_record(Collection.CONFIG, "routing", config)
        self._list_first(config)
        try:
            self._store.write(tenant_id, [record], {(record.collection, record.id): self._tags.get(tenant_id, ANY)})
        except Conflict:
            raise Conflict(
                f"config of tenant {tenant_id!r}: somebody else changed it since it was read; read it again"
            ) from None
        self._tags[tenant_id] = tag_there(record.text)
        self.settle(tenant_id)
        forget_agenda(self._store, tenant_id)

    def change(self, tenant_id: str, edit: Callable[[RoutingConfigUnified], RoutingConfigUnified]) -> None:
        """Save what `edit` makes of the config, made again of whatever others save meanwhile.

        Raises what `get` and `edit` raise, and Conflict when others always were first.
        """
        in_turn(f"config of tenant {tenant_id!r}: it", lambda: self.save(edit(self.get(tenant_id))))

    def _list_first(self, config: RoutingConfigUnified) -> None:
        """A tenant that is on no list would be found by nobody."""
        record = _record(_entry(config))
        with suppress(Conflict):
            self._store.write(EVERYONE, [record], {(record.collection, record.id): None})

    def settle(self, tenant_id: str) -> None:
        """Make the line in the list say what the config says, whoever else changes both. No config: nothing is done.

        A line's tag is that of its content, so a line that was changed and changed back is taken for untouched:
        the config is looked at once more after the line is written.
        """
        in_turn(f"the list of tenants: the line of {tenant_id!r}", lambda: self._settle_once(tenant_id))

    def _settle_once(self, tenant_id: str) -> None:
        """Raises Conflict where the line or the config is another one now."""
        listed = self._store.read(EVERYONE, Collection.TENANTS, record_id(tenant_id))  # before the config is read
        line = self._line(tenant_id)
        if line is None:
            return
        self._store.write(EVERYONE, [line], {(line.collection, line.id): tag_there(listed)})
        if self._line(tenant_id) != line:
            raise Conflict(f"config of tenant {tenant_id!r}: somebody else changed it while it was listed")

    def _line(self, tenant_id: str) -> Record | None:
        """The line that the config asks for, None without a config."""
        text = self._store.read(tenant_id, Collection.CONFIG, "routing")
        return None if text is None else _record(_entry(_config(tenant_id, text)))

    def check_known(self, tenant_id: str) -> None:
        """Raises NotFound for a tenant that has no config and is not on the list."""
        if self._store.read(EVERYONE, Collection.TENANTS, digest(check_tenant_id(tenant_id))) is None:
            self._text(tenant_id)

    def remove(self, tenant_id: str) -> None:
        """Forget a tenant's config and take it off the list; `removal.remove_tenant` removes the rest too.

        Raises NotFound for one that has neither.
        """
        self.check_known(tenant_id)
        id = record_id(tenant_id)
        self._store.remove(tenant_id, Collection.CONFIG, ["routing"])
        self._store.remove(EVERYONE, Collection.TENANTS, [id])
        self._tags.pop(tenant_id, None)
        drop_agenda(self._store, tenant_id)
        drop_attended(self._store, tenant_id)
        self.settle(tenant_id)  # somebody may have added the tenant again meanwhile

    def tenant_ids(self) -> list[str]:
        """All listed tenants, sorted."""
        return [entry.tenant_id for entry in self.entries()]

    def entry(self, tenant_id: str) -> TenantEntry:
        """The line that a tenant's config asks for; of one that cannot be read, whoever runs it says why.

        Raises NotFound.
        """
        text = self._text(tenant_id)
        try:
            return _entry(_config(tenant_id, text))
        except (ConfigInvalid, Corrupt):
            return TenantEntry(tenant_id=tenant_id)

    def entries(self) -> list[TenantEntry]:
        """The list of tenants, by tenant id. Takes as many calls as the list has pages."""
        return sorted(find_all(self._store, EVERYONE, Collection.TENANTS, TenantEntry), key=lambda e: e.tenant_id)


def _config(tenant_id: str, text: str) -> RoutingConfigUnified:
    """Raises ConfigInvalid or Corrupt that names the tenant."""
    try:
        return stored_config(unseal(RoutingConfigUnified.__name__, text))
    except ConfigInvalid as error:
        raise ConfigInvalid(f"config of tenant {tenant_id!r}: {error}") from None
    except Corrupt as error:
        raise type(error)(f"config of tenant {tenant_id!r}: {error}") from error


def _entry(config: RoutingConfigUnified) -> TenantEntry:
    traces = config.traces.place if config.traces else None
    return TenantEntry(tenant_id=config.tenant_id, is_enabled=config.enable_auto_optimization, traces=traces)


def _record(entry: TenantEntry) -> Record:
    return to_record(Collection.TENANTS, record_id(entry.tenant_id), entry)
