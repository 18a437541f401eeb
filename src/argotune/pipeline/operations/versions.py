"""Versions: listed and explained, rolled back, lifted, and let serve past the gate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from argotune.pipeline.operations.asked import Deed
from argotune.promotion.registry import Registry, RolledBack
from argotune.promotion.versions import Bar, Champion, Version
from argotune.runs.book import RunBook
from argotune.store.port import Store
from argotune.tenants.catalog import Configs

if TYPE_CHECKING:
    from argotune.runs.explain import Explanation


@dataclass(frozen=True)
class VersionStanding:
    """A version, and whether it serves or was rolled back so that the gate promotes it no more."""

    version: Version
    is_champion: bool
    is_barred: bool


def list_versions(store: Store, tenant_id: str, program: str | None = None) -> list[VersionStanding]:
    """Versions of a tenant's programs, or of one, in the order they were made. Raises NotFound without the tenant."""
    registry = _registry(store, tenant_id)
    versions = registry.versions(program)
    champions = {champion.program: champion.version for champion in registry.champions()}
    barred = {bar.version for bar in registry.bars()}
    return [VersionStanding(v, champions.get(v.program) == v.id, v.id in barred) for v in versions]


def explain_version(store: Store, tenant_id: str, version_id: str) -> Explanation:
    """Why a version was made, and promoted or not. Raises NotFound."""
    from argotune.data.live_quality import falls_of
    from argotune.promotion.contest_book import ContestBook
    from argotune.runs.explain import explain  # brings DSPy

    registry = _registry(store, tenant_id)
    found = explain(registry, RunBook(store, tenant_id), ContestBook(store, tenant_id), version_id)
    return replace(found, falls=falls_of(store, tenant_id, found.version.program, version_id))


def roll_back(
    store: Store, tenant_id: str, program: str, deed: Deed, now: datetime, *, leaving: str | None = None
) -> RolledBack:
    """Let the champion before the present one serve again; the one left is barred from the gate.

    With `leaving`, the version to leave, doing it again changes nothing. Raises NotFound and Conflict.
    """
    registry = _registry(store, tenant_id)
    return registry.roll_back(program, leaving=leaving, who=deed.who, reason=deed.reason, now=now)


def lift(store: Store, tenant_id: str, version_id: str, deed: Deed, now: datetime) -> Bar:
    """Let the gate promote a version again that was rolled back. Raises NotFound."""
    return _registry(store, tenant_id).lift(version_id, who=deed.who, reason=deed.reason, now=now)


def override(store: Store, tenant_id: str, version_id: str, deed: Deed, now: datetime) -> Champion:
    """Let a version serve past the gate. Raises NotFound and Conflict."""
    registry = _registry(store, tenant_id)
    program = registry.version(version_id).program
    return registry.override(program, version_id, who=deed.who, reason=deed.reason, now=now)


def _registry(store: Store, tenant_id: str) -> Registry:
    Configs(store).get(tenant_id)
    return Registry(store, tenant_id)
