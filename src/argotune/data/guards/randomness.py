"""Randomness: whether a piece of text was drawn by a machine, as keys are, or written by somebody.

Texts drawn from 62 characters change between small and capital letters and digits every 1.9 characters, those from
letters of one case and digits every 2.5, hexadecimal ones every 2.1; words and names in code change less often.
"""

from __future__ import annotations

import re

_PART = re.compile(r"[A-Z][a-z]+|[A-Z]+(?![a-z])|[a-z]+|[A-Z]|\d+")
_LONGEST_PARTS = 2.5
_LONGEST_PARTS_OF_ONE_CASE = 3.2
_SIGNS = re.compile(r"[!#$%&*@^~]")
_HEXADECIMAL = re.compile(r"(?:[0-9a-f]+|[0-9A-F]+)")


def is_random(run: str) -> bool:
    """Small and capital letters and digits in a run of 16 or more, in parts shorter than those of words and names.

    `fooBarBaz2` is 4 parts of 2.5. Hashes and UUIDs have no capitals.
    """
    parts = _PART.findall(run)
    has_all = any(map(str.isdigit, parts)) and any(map(str.islower, run)) and any(map(str.isupper, run))
    return len(run) >= 16 and has_all and _mean(parts) < _LONGEST_PARTS


def is_drawn(run: str) -> bool:
    """Letters, of one case too, and digits in a run of 16 or more that is no row of words and numbers; or a hash."""
    if len(run) < 16 or not has_letters_and_digits(run):
        return False
    return is_hash(run) or _mean(_PART.findall(run)) < _LONGEST_PARTS_OF_ONE_CASE


def is_mixed(run: str) -> bool:
    """16 letters or more, small and capital ones, that change too often for a name in code."""
    return (
        len(run) >= 16
        and run.isalpha()
        and any(map(str.islower, run))
        and any(map(str.isupper, run))
        and _mean(_PART.findall(run)) < _LONGEST_PARTS
    )


def is_of_one_case(run: str) -> bool:
    """30 letters of one case and digits or more, in short parts; no hash, as those are content."""
    has_one_case = run.isalnum() and (run == run.lower() or run == run.upper())
    is_long = len(run) >= 30 and has_one_case and has_letters_and_digits(run) and not is_hash(run)
    return is_long and _mean(_PART.findall(run)) < _LONGEST_PARTS_OF_ONE_CASE


def is_hash(run: str) -> bool:
    """Hexadecimal, 20 characters or more, also in groups as in a UUID."""
    if len(run) < 20 or not has_letters_and_digits(run):
        return False
    return _HEXADECIMAL.fullmatch(run.replace("-", "")) is not None and all(len(part) > 1 for part in run.split("-"))


def has_letters_and_digits(value: str) -> bool:
    """Both, in 8 characters or more."""
    return len(value) >= 8 and any(map(str.isalpha, value)) and any(map(str.isdigit, value))


def is_made_up(value: str) -> bool:
    """Letters with a digit or sign among them, as passwords have and words have not."""
    return any(map(str.isalpha, value)) and (any(map(str.isdigit, value)) or _SIGNS.search(value) is not None)


def is_strong(value: str) -> bool:
    """What nobody writes by chance: three kinds of characters, a sign among them or 8 in all."""
    kinds = {"u" if c.isupper() else "l" if c.islower() else "d" for c in value if c.isalnum()}
    has_sign = _SIGNS.search(value) is not None
    return (len(kinds) == 3 and (has_sign or len(value) >= 8)) or (len(kinds) == 2 and has_sign and len(value) >= 6)


def _mean(parts: list[str]) -> float:
    return sum(map(len, parts)) / max(len(parts), 1)
