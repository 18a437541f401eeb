"""Found tenants: which attributes of decisions could say whose they are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from argotune.data.found_programs import cut
from argotune.data.spans import Json, Span
from argotune.data.tenancy import SESSION, USER, is_of_decision, text_said

_OF_TENANT = re.compile(r"tenant|customer|organi[sz]ation|\borg\b|account|workspace|company|client|shop|brand", re.I)

_OF_TOOLS = frozenset(
    {"input", "output", "llm", "openinference", "tag", "embedding", "retrieval", "tool", "exception", "signature"}
    | {"routing", "metadata"}
)
"""What instrumentations write into spans; none of it tells a tenant."""

MOST_KEYS = 100
MOST_VALUES = 1000
VALUE_CHARS = 200

_UP_TO = re.compile(r"[:/|#]")
"""Ends what a session id begins with."""


@dataclass(frozen=True)
class FoundKey:
    """An attribute that many decisions have. `share`: how many of them; `values`: the most frequent, masked, with their
    numbers; `different`: how many values there are."""

    key: str
    share: float
    different: int
    values: Mapping[str, int]


class TenantKeys:
    """Counts what lies under each attribute. Of more than MOST_VALUES values under one only those are counted."""

    def __init__(self) -> None:
        self._decisions = 0
        self._values: dict[str, Counter[str]] = {}

    def add(self, span: Span) -> None:
        """One more decision."""
        self._decisions += 1
        for key, value in _said(span).items():
            if key in self._values or len(self._values) < MOST_KEYS:
                values = self._values.setdefault(key, Counter())
                if value in values or len(values) < MOST_VALUES:
                    values[value] += 1

    def keys(self, shown: Callable[[str], str]) -> list[FoundKey]:
        """The attributes, those first that are called like a tenant, then those with the fewest values."""
        found = [self._found(key, values, shown) for key, values in self._values.items()]
        return sorted(found, key=lambda k: (not _OF_TENANT.search(k.key), -round(k.share, 1), k.different, k.key))

    def _found(self, key: str, values: Counter[str], shown: Callable[[str], str]) -> FoundKey:
        most = {cut(shown(value), 40): count for value, count in values.most_common(5)}
        return FoundKey(key, sum(values.values()) / self._decisions, len(values), most)


def _said(span: Span) -> dict[str, str]:
    """As a binding to one of these keys reads it: the decision itself first, then the root."""
    found: dict[str, str] = {}
    for ancestor in span.above:
        said = ((key, value) for key, value in ancestor.attributes.items() if _is_apart(key))
        found |= _texts(said)
    found |= _texts(_own(span))
    if SESSION in found:
        found[SESSION] = _UP_TO.split(found[SESSION])[0]
    return found


def _own(span: Span) -> Iterator[tuple[str, Json]]:
    for key, value in span.attributes.items():
        if is_of_decision(key) or key == SESSION or _is_apart(key):
            yield key, value


def _is_apart(key: str) -> bool:
    return key not in (USER, SESSION) and key.partition(".")[0] not in _OF_TOOLS


def _texts(said: Iterable[tuple[str, Json]]) -> dict[str, str]:
    texts = ((key, text_said(key, value)) for key, value in said)
    return {key: text for key, text in texts if text and len(text) <= VALUE_CHARS}
