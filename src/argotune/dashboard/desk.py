"""Desk: what every page works on: the store, settings, arguments and the present."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from argotune.dashboard.addresses import PageAddress
from argotune.dashboard.arguments import DashboardArguments
from argotune.errors import NotFound
from argotune.pipeline.operations.asked import tenant_ids_of
from argotune.settings import Settings, read_settings
from argotune.store.port import Store
from argotune.wiring import open_store, utc_now

SQLITE = "sqlite:///"


@dataclass(frozen=True)
class Desk:
    """`now` is when the page was asked for."""

    arguments: DashboardArguments
    settings: Settings
    store: Store
    now: datetime

    def tenant_ids(self) -> list[str]:
        """Those that the dashboard was started for, or all. Raises what the store raises."""
        asked = self.arguments.tenant_ids
        return tenant_ids_of(self.store, None) if asked is None else sorted(asked)


def open_desk(arguments: DashboardArguments) -> Desk:
    """With the arguments before the environment. Nothing is made: raises NotFound where a SQLite file is not there,
    ConfigInvalid and what opening a store raises."""
    settings = read_settings(store_url=arguments.store_url, phoenix_endpoint=arguments.phoenix_endpoint)
    path = settings.store_url.removeprefix(SQLITE)
    if settings.store_url.startswith(SQLITE) and not Path(path).is_file():
        raise NotFound(f"store: there is no file {path!r} yet (CONFIG_STORE_URL names another)")
    return Desk(arguments, settings, open_store(settings), utc_now())


def whose_page(address: PageAddress, shown: list[str], remembered: str | None) -> str | None:
    """Whose page is looked at: the tenant that the URL names, the one that was looked at before, the only one there
    is. None: somebody has to choose."""
    if address.tenant:
        return address.tenant
    if remembered in shown:
        return remembered
    return shown[0] if len(shown) == 1 else None
