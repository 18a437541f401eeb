"""Addresses: what the query of a page's URL names, so that an alert or a colleague can link to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

NAMES = ("tenant", "program", "version", "run")
MAX_ID_CHARS = 2000


@dataclass(frozen=True)
class PageAddress:
    """What is looked at; None: nobody has said."""

    tenant: str | None = None
    program: str | None = None
    version: str | None = None
    run: str | None = None

    @property
    def query(self) -> dict[str, str]:
        """Its parts that are there, as parameters of a URL."""
        return {name: value for name in NAMES if (value := getattr(self, name))}

    def path(self, page: str) -> str:
        """Behind the address of the dashboard, e.g. `tenant?tenant=acme_corp`."""
        told = "&".join(f"{name}={quote(value, safe='')}" for name, value in self.query.items())
        return f"{page}?{told}" if told else page


def read_address(query: Mapping[str, str]) -> PageAddress:
    """What a URL says; parameters that nobody knows are left alone, and an empty one is none."""
    return PageAddress(**{name: query[name][:MAX_ID_CHARS] for name in NAMES if query.get(name)})
