"""Leaks: which sealed test examples a version holds in its demonstrations or instructions.

Near means what it means for the split (data/near_texts.py), on normalised text. The rule:

- A demonstration leaks the test question that its own question equals or is near to, however short. Other inputs of a
  demonstration are no questions: a conversation may quote what somebody asked before.
- What an optimizer wrote (instructions, and fields of demonstrations that are neither input nor answer) leaks a test
  question when any stretch of it is near to the question. Questions of fewer than 20 letters (10 in Chinese or
  Japanese) are not looked for there: "weather today" is a word of the trade and no memory of a test.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from argotune.data.examples import Example
from argotune.data.experiences import query_of
from argotune.data.field_types import as_text
from argotune.data.near_texts import MAX_CHARS, NearTexts, are_near, shingles_of
from argotune.data.splitting import normalised

MIN_WIDTH = 20
"""In columns of a terminal: wide letters count two."""


def leaks(state: Mapping[str, Any], examples: Sequence[Example]) -> tuple[str, ...]:
    """The ids of the examples of which a version with this state (programs/state.py) holds a near-duplicate, sorted."""
    answers = {name for example in examples for name in example.expected}
    return held_questions(state, {example.id: example.inputs for example in examples}, answers)


def held_questions(
    state: Mapping[str, Any], questions: Mapping[str, Mapping[str, str]], answers: Collection[str]
) -> tuple[str, ...]:
    """The names of the questions (name -> inputs) that a version holds, as `leaks`; `answers` are its answer fields."""
    asked: dict[str, list[str]] = {}
    for name, inputs_of in questions.items():
        asked.setdefault(normalised(query_of(inputs_of)), []).append(name)
    inputs = {field for inputs_of in questions.values() for field in inputs_of}
    written = _written(state, inputs.union(answers))
    held = _near_questions(asked, _questions(state, inputs)) | _near_stretches(asked, written)
    return tuple(sorted(id for question in held for id in asked[question]))


def _questions(state: Mapping[str, Any], inputs: Iterable[str]) -> Iterator[str]:
    """The question of each demonstration."""
    for demo in _demos(state):
        fields = {name: as_text(demo[name]) for name in inputs if name in demo}
        if fields:
            yield query_of(fields)


def _demos(state: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if state["kind"] == "retrieved":
        yield from ({**example["inputs"], **example["answers"]} for example in state["examples"])
    for inner in _inner(state):
        yield from _demos(inner)
    for predictor in state.get("predictors", {}).values():
        yield from predictor["demos"]


def _written(state: Mapping[str, Any], known: Iterable[str]) -> Iterator[str]:
    """What an optimizer or an LM wrote into the state."""
    yield from _instructions(state)
    for demo in _demos(state):
        yield from (value for name, value in demo.items() if name not in known and isinstance(value, str))


def _instructions(state: Mapping[str, Any]) -> Iterator[str]:
    for inner in _inner(state):
        yield from _instructions(inner)
    yield from (predictor["instructions"] for predictor in state.get("predictors", {}).values())


def _inner(state: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The programs that a version is made of. One that is numbers holds no text."""
    return [state[name] for name in ("enhancer", "program") if name in state]


def _near_questions(asked: Collection[str], questions: Iterable[str]) -> set[str]:
    keys = set(map(normalised, questions))
    found, index = keys & set(asked), NearTexts(dict.fromkeys(asked, "test"))
    for key in keys - found:
        if index.groups_near(key):
            held = frozenset(shingles_of(key))
            found |= {question for question in asked if are_near(frozenset(shingles_of(question)), held)}
    return found


def _near_stretches(asked: Iterable[str], texts: Iterable[str]) -> set[str]:
    wanted = {question: frozenset(shingles_of(question)) for question in asked if _width(question) >= MIN_WIDTH}
    found: set[str] = set()
    for text in map(normalised, texts):
        pieces = _all_shingles(text)
        for question, own in wanted.items():
            if 5 * len(own & pieces) >= 4 * len(own) and _has_stretch_near(text, question, own):
                found.add(question)
    return found


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


_STARTS = re.compile(r"(?<!\S)\S|[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0eff]")
"""Where a stretch may begin: at a word, and at any letter of scripts that put no space between words."""


def _has_stretch_near(text: str, question: str, own: frozenset[str]) -> bool:
    """Whether some stretch of four fifths to five fourths of the question's length is near to it."""
    size = min(len(question), MAX_CHARS)
    lengths = sorted({*range(-(-4 * size // 5), 5 * size // 4 + 1, max(size // 20, 1)), size})
    starts = [found.start() for found in _STARTS.finditer(text)]
    return any(are_near(own, frozenset(shingles_of(text[start : start + n]))) for start in starts for n in lengths)


def _all_shingles(text: str) -> set[str]:
    """Of all of a text, however long."""
    return {shingle for start in range(0, len(text) + 1, MAX_CHARS // 2) for shingle in shingles_of(text[start:])}
