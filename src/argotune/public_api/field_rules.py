"""Field rules: what the documented configs and rows refuse, in one sentence that names the field and its value."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TypeGuard

from argotune.errors import ConfigInvalid


def is_number(value: object) -> TypeGuard[int | float]:
    """A finite one; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_share(value: object) -> TypeGuard[int | float]:
    """A number in 0..1."""
    return is_number(value) and 0 <= value <= 1


def refuse(config: object, name: str, is_wrong: bool, wanted: str) -> None:
    """Raises ConfigInvalid that names the field and its value, where that is wrong."""
    if is_wrong:
        raise ConfigInvalid(f"{name}: {str(getattr(config, name))[:80]!r} must be {wanted}")


def check_shares(config: object, names: Iterable[str]) -> None:
    """Raises ConfigInvalid for the first of these fields that is no share."""
    for name in names:
        refuse(config, name, not is_share(getattr(config, name)), "in 0..1")


def check_counts(config: object, names: Iterable[str]) -> None:
    """Raises ConfigInvalid for the first of these fields that is no whole number from 1 on."""
    for name in names:
        value = getattr(config, name)
        refuse(config, name, not isinstance(value, int) or isinstance(value, bool) or value < 1, "1 or more")
