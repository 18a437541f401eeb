"""Openings: which sealed test examples were opened, so that they are training data from then on and judge nobody."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from argotune.store.records import StoredValue


class Opening(StoredValue):
    """That test examples were opened, by a contest that has ended or by an attempt of an earlier release.

    `void` says why an attempt measured nothing and told nobody what was right: its examples are as good as sealed.
    """

    sealed_as: ClassVar[str] = "Attempt"

    program: str
    run_id: str
    at: datetime
    example_ids: tuple[str, ...]
    void: str = ""


def opened_ids(openings: Iterable[Opening]) -> frozenset[str]:
    """The ids of all examples that were opened."""
    return frozenset(id for opening in openings if not opening.void for id in opening.example_ids)
