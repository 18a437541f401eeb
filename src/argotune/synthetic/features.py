"""Features of a query: entities and words of time, found by rules. Good for looking at examples, no more."""

from __future__ import annotations

import re

from argotune.synthetic.values import QueryFeatures

_ENTITY = re.compile(r"\b(?:[A-Z][\w'-]*[a-z0-9][\w'-]*)(?:\s+[A-Z][\w'-]+)*|\b[A-Z]{2,}\b|\"[^\"]{2,60}\"")
_TIME = re.compile(
    r"\b(?:(?:last|this|next|past|since|until|before|after)\s+(?:\w+\s+)?(?:second|minute|hour|day|week|month|quarter|"
    r"year|winter|spring|summer|autumn|night)s?|today|yesterday|tomorrow|tonight|now|recent(?:ly)?|latest|newest|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?|january|february|march|april|june|july|august|september|october|"
    r"november|december|(?:19|20)\d\d|\d{1,2}:\d\d|q[1-4])\b",
    re.IGNORECASE,
)
_ASKS = re.compile(r"^\W*(?:who|what|when|where|which|why|how|is|are|do|does|did|can|could|will|would|should)\b", re.I)


def features_of(query: str) -> QueryFeatures:
    """Words, question or not, entities (capitalised or quoted, the first word left out) and references to time."""
    first = re.match(r"\W*\w+", query)
    rest = query[first.end() :] if first else query
    times = tuple(dict.fromkeys(match.group().lower() for match in _TIME.finditer(query)))
    entities = (match.group().strip('"') for match in _ENTITY.finditer(rest))
    return QueryFeatures(
        words=len(query.split()),
        is_question=query.rstrip().endswith("?") or _ASKS.match(query) is not None,
        entities=tuple(dict.fromkeys(entity for entity in entities if entity.lower() not in times)),
        temporal_references=times,
    )
