"""Tables of which `make test` runs one row, and `make test-slow` the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def mostly_slow(rows: Iterable[Any]) -> list[Any]:
    """The first as it is, the others marked slow."""
    first, *others = rows
    return [first, *(pytest.param(row, marks=pytest.mark.slow) for row in others)]
