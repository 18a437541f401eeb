"""Shared words: whether a query is about a text, told by the words they share. No LM, any writing."""

from __future__ import annotations

from argotune.data.splitting import normalised

MIN_WORD_CHARS = 4
STEM_CHARS = 5
"""Of words in Latin letters: `printer` and `printing` are about the same."""

_COMMON = """
about also been could does each find from give have here into just like make more most much need only over please query
said same show some such tell than that their them then there these they this those very want were what when where which
while will with would your document content
"""
_COMMON_WORDS = frozenset(_COMMON.split())
"""English words that tell nothing. Those of other languages pass, so the check is lenient there."""


def is_about(query: str, text: str) -> bool:
    """Whether the two share a word that tells something: its beginning in Latin letters, two letters in others."""
    return not pieces(query).isdisjoint(pieces(text))


def share_in(query: str, text: str) -> float:
    """The share of what tells something in the query that the text holds too, in 0..1."""
    asked = pieces(query)
    return len(asked & pieces(text)) / len(asked) if asked else 0.0


def pieces(text: str) -> frozenset[str]:
    """What a text can be recognised by."""
    found: set[str] = set()
    for word in normalised(text).split():
        if word.isascii():
            found |= {word[:STEM_CHARS]} if len(word) >= MIN_WORD_CHARS and word not in _COMMON_WORDS else set()
        else:
            found |= {word[i : i + 2] for i in range(max(len(word) - 1, 1))}
    return frozenset(found)
