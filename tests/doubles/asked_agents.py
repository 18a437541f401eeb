"""Questions to three agents, told apart by the phrases in which they are asked."""

from __future__ import annotations

from typing import Any

import dspy
from small_routing import example

WORDS = {
    "video": ("clip of {}", "film about {}", "footage: {}", "watch {} scene"),
    "text": ("paper on {}", "article on {}", "memo of {}", "read {} report"),
    "sum": ("sum up {}", "brief me on {}", "gist of {}", "{} in short"),
}
THINGS = ("bees", "cats", "taxes", "jazz", "rome", "soup", "chess", "rain")


def asked(things: tuple[str, ...], **more: str) -> list[dspy.Example]:
    return [
        example(phrase.format(thing), agent, **more)
        for thing in things
        for agent, phrases in WORDS.items()
        for phrase in phrases
    ]


def by_words(inputs: Any, labels: Any, demos: Any) -> str:
    """Right by the words of a question."""
    signs = {"video": "clip film footage watch", "text": "paper article memo read", "sum": "sum brief gist short"}
    return next(agent for agent, words in signs.items() if any(word in inputs["query"] for word in words.split()))
