"""Masking: what would be masked in texts, so that people can try a tenant's rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from argotune.data.guards.masking import MaskedText, mask
from argotune.store.port import Store
from argotune.tenants.catalog import Configs
from argotune.tenants.masking_rules import MaskingRules

__all__ = ["MaskedText", "mask_for_tenant", "mask_texts"]


def mask_texts(texts: Iterable[str], rules: MaskingRules | None = None) -> Iterator[MaskedText]:
    """Each text as it would be stored, and how often what was masked; by the default rules where none are given."""
    rules = rules or MaskingRules()
    return (mask(text, rules) for text in texts)


def mask_for_tenant(store: Store, tenant_id: str, texts: Iterable[str]) -> Iterator[MaskedText]:
    """As `mask_texts`, by the rules of a tenant. Raises NotFound, ConfigInvalid and Corrupt."""
    return mask_texts(texts, Configs(store).get(tenant_id).masking)
