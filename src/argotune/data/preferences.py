"""Preferences: which of two answers is better, where nobody says what the right one is."""

from __future__ import annotations

FIRST, SECOND, NEITHER = "first", "second", "neither"

CHOICES = (FIRST, SECOND, NEITHER)
"""What people, or a judge, may say of two answers in the order in which they are shown."""

SUFFIX = "preference"
"""How the name of such an annotation ends, behind the program's."""


def preference_name(program: str) -> str:
    """The name of the annotations that say which answer is better, e.g. `replies.preference`."""
    return f"{program}.{SUFFIX}"
