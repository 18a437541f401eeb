"""Tiles: single numbers with what they are called, and moments in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Tile:
    """A number that is seen at once. `name` and `meaning` are words of ours; `figure` is a number in words."""

    name: str
    figure: str
    meaning: str = ""


def in_utc(at: datetime | None) -> str:
    """To the minute, `-` for none."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at else "-"


def figure_of(number: float | None, unit: str = "") -> str:
    """A whole number with its thousands, another with four digits, `-` for none."""
    if number is None:
        return "-"
    told = f"{number:,}" if isinstance(number, int) else f"{number:,.4g}" if number < 1000 else f"{number:,.0f}"
    return f"{told} {unit}" if unit else told
