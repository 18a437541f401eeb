"""Validation: what a written query must be before it is an example. Pure checks first; the reader is asked last."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from argotune.data.examples import Example
from argotune.data.experiences import query_of
from argotune.data.guards.instructions import holds_instructions
from argotune.data.near_texts import NearTexts
from argotune.data.splitting import Split, normalised
from argotune.synthetic.generation import MAX_QUERY_CHARS
from argotune.synthetic.shared_words import is_about
from argotune.synthetic.values import Goal


class Refused(StrEnum):
    """Why a document or a query is not used. The values are what reports show."""

    CONTENT_INSTRUCTIONS = "content holds instructions"
    UNANSWERED = "the LM did not answer"
    EMPTY = "empty query"
    TOO_LONG = "query too long"
    INSTRUCTIONS = "query holds instructions"
    PARROTED = "query repeats what the writer was told"
    OFF_TOPIC = "not about the content"
    NEAR_DUPLICATE = "near-duplicate"
    NEAR_DEV = "near a dev question"
    IN_TEST = "in the sealed test split"
    OTHER_LABEL = "the reader found another label"
    UNSURE = "the reader was not sure enough"


HINTS = {
    Refused.EMPTY: "write one query",
    Refused.TOO_LONG: "write fewer words",
    Refused.INSTRUCTIONS: "write a user's question, no instructions to a computer",
    Refused.PARROTED: "write a user's question only",
    Refused.OFF_TOPIC: "name what the document is about",
    Refused.NEAR_DUPLICATE: "that was asked already, ask something else",
    Refused.NEAR_DEV: "ask something else",
    Refused.IN_TEST: "ask something else",
    Refused.OTHER_LABEL: "make it clearer what is wanted",
    Refused.UNSURE: "make it clearer what is wanted",
}
"""What the writer is told before the next try. Never a word of a known question."""

_HINTS = frozenset(map(normalised, HINTS.values())) - {normalised(HINTS[Refused.EMPTY])}
"""As they stand in a query of a small writer; "write one query" may well be asked."""

_MADE = "made"


@dataclass(frozen=True)
class Recovered:
    """What the independent reader answered, and how sure it was, in 0..1."""

    answers: dict[str, str]
    confidence: float


class Validation:
    """Checks queries one after the other; those that were accepted count as known from then on."""

    def __init__(self, known: Iterable[Example], threshold: float) -> None:
        self._threshold = threshold
        texts: dict[str, str] = {}
        for example in sorted(known, key=lambda example: example.split is not Split.TEST):
            texts.setdefault(normalised(query_of(example.inputs)), example.split.value)
        self._near = NearTexts(texts)

    def refuse(self, query: str, goal: Goal) -> Refused | None:
        """What can be said without an LM."""
        if not any(character.isalnum() for character in query):
            return Refused.EMPTY
        if len(query) > MAX_QUERY_CHARS:
            return Refused.TOO_LONG
        if holds_instructions(query):
            return Refused.INSTRUCTIONS
        if any(hint in normalised(query) for hint in _HINTS):
            return Refused.PARROTED
        return self._near_known(query) or (None if is_about(query, goal.content.words) else Refused.OFF_TOPIC)

    def _near_known(self, query: str) -> Refused | None:
        groups = self._near.groups_near(normalised(query))
        if Split.TEST in groups:
            return Refused.IN_TEST
        if Split.DEV in groups:
            return Refused.NEAR_DEV
        return Refused.NEAR_DUPLICATE if groups else None

    def refuse_label(self, found: Recovered, goal: Goal) -> Refused | None:
        """What the reader says: it must find the label by itself, and be sure of it."""
        if not any(found.answers.values()):
            return Refused.UNANSWERED
        if any(found.answers.get(name) != label for name, label in goal.expected.items()):
            return Refused.OTHER_LABEL
        return None if found.confidence >= self._threshold else Refused.UNSURE

    def remember(self, query: str) -> None:
        """The query is known now."""
        self._near.add(normalised(query), _MADE)
