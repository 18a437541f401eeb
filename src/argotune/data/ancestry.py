"""Ancestry: what lies above spans, and which of them are whole: a span is stored before those in which it lies."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from argotune.data.spans import Ancestor, Span

MOST_LEVELS = 100
"""So far up is looked: what lies above is left out."""

MOST_BELOW = 3
"""So far down is looked for the signature that a module asks: a module of its own, a ChainOfThought, its Predict."""

SETTLING = timedelta(minutes=10)
"""So long after a span's end one above it may still be on its way: an application sends a span when that has ended. One
below it may, where another process sends it."""


@dataclass(frozen=True, slots=True)
class Link:
    """A span above others, and the next one above that."""

    ancestor: Ancestor
    parent_id: str | None


Find = Callable[[Collection[str]], Mapping[str, Link]]
"""The spans of these ids that are there."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A span with what is above it. `is_whole`: no span up to the root is missing."""

    span: Span
    is_whole: bool

    def is_settled(self, now: datetime) -> bool:
        """Whether nothing is waited for any more: what is missing now was never sent, or elsewhere. A clock that is far
        ahead says nothing of when the span came, so nothing is held up for it."""
        return self.is_whole or abs(now - (self.span.ended_at or self.span.started_at)) > SETTLING


def placed(spans: Iterable[Span], find: Find) -> list[Placed]:
    """Each span with what is above it. `find` is asked once for each level, at most MOST_LEVELS times."""
    spans = list(spans)
    known: dict[str, Link] = {}
    asked: set[str] = set()
    wanted = {span.parent_id for span in spans if span.parent_id}
    for _ in range(MOST_LEVELS):
        wanted = {id for id in wanted if id not in asked}
        if not wanted:
            break
        asked |= wanted
        found = find(wanted)
        known.update(found)
        wanted = {link.parent_id for link in found.values() if link.parent_id}
    return [_placed(span, known, asked) for span in spans]


def _placed(span: Span, known: Mapping[str, Link], asked: Collection[str]) -> Placed:
    above: list[Ancestor] = []
    at = span.parent_id
    while at and at in known and len(above) < MOST_LEVELS:
        above.append(known[at].ancestor)
        at = known[at].parent_id
    is_missing = bool(at) and at in asked and at not in known
    return Placed(replace(span, above=tuple(above)) if above else span, not is_missing)


def decision_around(span_id: str | None, parents: Mapping[str, str | None], decisions: Sequence[str]) -> str | None:
    """The decision of a trace that something said of a span is about: the one that the span is or lies in, else the one
    that lies in it; None where several do, or none, as in what lies beside it. `span_id` None is the whole trace.

    `parents` says of each span what it began in.
    """
    inside = [decision for decision in decisions if span_id is None or span_id in _upwards(decision, parents)]
    around = [] if span_id is None else [id for id in _upwards(span_id, parents) if id in decisions]
    if around:
        return around[0]
    return inside[0] if len(inside) == 1 else None


def _upwards(span_id: str, parents: Mapping[str, str | None]) -> list[str]:
    """A span and those in which it lies, the nearest first."""
    found = [span_id]
    while (parent := parents.get(found[-1])) and len(found) < MOST_LEVELS:
        found.append(parent)
    return found
