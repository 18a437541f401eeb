"""Masking: what would be masked in texts, so that people can try a tenant's rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from argotune.data.guards.masking import MaskedText, mask
from argotune.tenants.config import MaskingRules


def mask_texts(texts: Iterable[str], rules: MaskingRules | None = None) -> Iterator[MaskedText]:
    """Each text as it would be stored, and how often what was masked; by the default rules where none are given."""
    rules = rules or MaskingRules()
    return (mask(text, rules) for text in texts)
