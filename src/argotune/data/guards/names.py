"""Person names: what a model takes for people, without what belongs to no name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from argotune.data.guards.names_model import Naming
from argotune.data.guards.personal_data import Place

_HEAD = re.compile(r"[\W\d_]*")
_TAIL = re.compile(r"(?:['’]s)?[^\w.]*$")
"""Signs around a name, and the English genitive."""


def find_person_names(text: str, named: Iterable[Naming]) -> Iterator[Place]:
    """Where people are named: each place begins and ends with a letter, save an initial's dot."""
    for each in named:
        if each.kind == "person":
            start, end = _trimmed(text, each.start, each.end)
            if end - start > 1:
                yield start, end


def _trimmed(text: str, start: int, end: int) -> Place:
    head = _HEAD.match(text, start, end)
    first = head.end() if head else start
    tail = _TAIL.search(text[first:end])
    return first, first + tail.start() if tail else end
