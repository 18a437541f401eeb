"""Masked: what was masked in a module's experiences, and by which edition of the rules."""

from __future__ import annotations

from pydantic import Field

from argotune.store.records import StoredValue


class Masked(StoredValue):
    """What is stored of a module is masked by the rules with the digest `rules`; `counts` by kind what they masked."""

    rules: str = ""
    counts: dict[str, int] = Field(default_factory=dict)
