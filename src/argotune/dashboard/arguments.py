"""Arguments: what the dashboard was started with."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from argotune.errors import ConfigInvalid, NotFound
from argotune.errors.lines import told

USAGE = """streamlit run scripts/phoenix_dashboard.py -- [--tenant-id ID | --tenants ID ID ...]
    [--phoenix-endpoint URL]   where Phoenix is (env: PHOENIX_ENDPOINT)
    [--store-url URL]          where state is kept (env: CONFIG_STORE_URL)"""


@dataclass(frozen=True)
class DashboardArguments:
    """Which tenants are shown (None: all), and what goes before the environment (None: nothing)."""

    tenant_ids: tuple[str, ...] | None = None
    phoenix_endpoint: str | None = None
    store_url: str | None = None

    def check_shown(self, tenant_id: str) -> None:
        """Raises NotFound for a tenant that this dashboard was not started for."""
        if self.tenant_ids is not None and tenant_id not in self.tenant_ids:
            raise NotFound(f"tenant: this dashboard was started for others than {tenant_id[:80]!r}")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigInvalid(told(message))


def read_arguments(argv: Sequence[str]) -> DashboardArguments:
    """The arguments behind `--`. Raises ConfigInvalid."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    whose = parser.add_mutually_exclusive_group()
    whose.add_argument("--tenant-id", "--tenant", type=_text)
    whose.add_argument("--tenants", nargs="+", type=_text)
    parser.add_argument("--phoenix-endpoint", type=_text)
    parser.add_argument("--store-url", type=_text)
    found = parser.parse_args(list(argv))
    ids = [found.tenant_id] if found.tenant_id else found.tenants
    return DashboardArguments(tuple(dict.fromkeys(ids)) if ids else None, found.phoenix_endpoint, found.store_url)


def _text(value: str) -> str:
    if not value.strip():
        raise argparse.ArgumentTypeError("it is empty")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise argparse.ArgumentTypeError("it is not UTF-8")
    return value
