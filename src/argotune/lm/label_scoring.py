"""Label scoring: how a closed question is put to an LM as text, and how its next words become probabilities.

Pure functions. The LM is only asked "what comes next?", so it cannot answer outside the set. Descriptions of
labels are shown as if they were demonstrations, and the nearest demonstrations come last: of the formats tried,
this one let a 135M model tell labels apart without any calibration.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from os.path import commonprefix
from typing import TypeVar

from argotune.errors import ConfigInvalid
from argotune.errors.lines import one_line

Written = tuple[bytes, ...]
"""What was written so far: whole text first, then pieces as the LM gave them, which may end within a character."""

Peek = Callable[[Written, bool], Mapping[bytes, float]]
"""(written so far, the whole vocabulary?) -> log-probability of each piece that may come next."""

MAX_VALUE_CHARS = 2000
"""Of each input, demonstration and description, before anything is shortened to make the prompt fit."""

MIN_PIECE_BYTES = 3
"""A blank and two letters: shorter pieces begin too many words to stand for a label that has longer ones."""

MAX_PIECE_BYTES = 64

MIN_SHARE = 1e-3
"""Labels that begin alike and are together less likely than this are not told apart; they share it evenly."""

Key = TypeVar("Key")


@dataclass(frozen=True)
class ClosedQuestion:
    """One closed question: `options` maps each answer to the text an LM writes for it, `about` to what it is for."""

    name: str
    options: Mapping[str, str]
    about: Mapping[str, str]
    hint: str = ""


@dataclass(frozen=True)
class Case:
    """What is asked: the same questions about demonstrations (inputs and answers as texts) and about the inputs."""

    instructions: str
    inputs: Mapping[str, str]
    demos: Sequence[Mapping[str, str]]
    questions: Sequence[ClosedQuestion]


def fitted_prompt(case: Case, max_bytes: int) -> str:
    """The prompt in at most `max_bytes` of UTF-8, which is as many tokens at most.

    Where it is too long, values lose their middles first, then the demonstrations farthest from the end go, then
    the descriptions of labels. Raises ConfigInvalid when instructions and labels alone are too long.
    """
    for shorter, max_value_chars in _shorter_and_shorter(case):
        prompt = prompt_of(shorter, max_value_chars)
        if len(prompt.encode()) <= max_bytes:
            return prompt
    raise ConfigInvalid(f"a question with {len(case.questions)} answers does not fit into {max_bytes} bytes of prompt")


def longest_answers_bytes(case: Case) -> int:
    """How much is written behind a prompt at most while all its questions are answered one after the other."""
    return sum(
        len(f"{question.name}: {max(question.options.values(), key=lambda text: len(text.encode()))}\n".encode())
        for question in case.questions
    )


def _shorter_and_shorter(case: Case) -> Iterator[tuple[Case, int]]:
    for max_value_chars in (MAX_VALUE_CHARS, 1000, 500, 250):
        yield case, max_value_chars
    while case.demos:
        case = replace(case, demos=case.demos[(len(case.demos) + 1) // 2 :])
        yield case, 250
    yield case, 80
    yield replace(case, questions=[replace(question, about={}) for question in case.questions]), 80


def prompt_of(case: Case, max_value_chars: int) -> str:
    """The text before the first answer. What stays the same comes first, so that the LM can reuse its work.

    Instructions may be four times as long as a value.
    """
    first_input = next(iter(case.inputs), "input")
    hints = {question.name: question.hint for question in case.questions}
    descriptions = [
        {first_input: about, question.name: question.options[answer]}
        for question in case.questions
        for answer, about in question.about.items()
    ]
    order = [*case.inputs, *hints]
    head = [prompt_line(case.instructions, 4 * max_value_chars), _lines(hints, hints, max_value_chars)]
    blocks = [_lines(values, order, max_value_chars) for values in (*descriptions, *case.demos, case.inputs)]
    return "\n\n".join(["\n".join(filter(None, head)), *filter(None, blocks)]) + "\n"


def _lines(values: Mapping[str, str], names: Iterable[str], max_chars: int) -> str:
    return "\n".join(f"{name}: {prompt_line(values[name], max_chars)}" for name in names if values.get(name))


def prompt_line(text: str, max_chars: int) -> str:
    """The text as one line of a prompt, without chat marks; too long a text loses its middle."""
    return clip(one_line(clip(text, 2 * max_chars)).replace("<|", "< |"), max_chars)


def clip(text: str, max_chars: int) -> str:
    """The text, or its first three quarters and its end when it has more than `max_chars` characters."""
    if len(text) <= max_chars:
        return text
    tail = max_chars // 4
    return f"{text[: max_chars - tail]} ... {text[len(text) - tail :]}"


def option_texts(answers: Mapping[str, str]) -> dict[str, str]:
    """How each answer is written: its text on one line, numbered where two would look the same or one is empty."""
    texts = {answer: prompt_line(text, 200) for answer, text in answers.items()}
    if all(texts.values()) and len(set(texts.values())) == len(texts):
        return texts
    return {answer: f"{number} {text}" for number, (answer, text) in enumerate(texts.items())}


def shares(options: Mapping[str, str], vocabulary: Container[bytes], peek: Peek) -> dict[str, float]:
    """The probability of each answer among the options, summing to one. `vocabulary` holds all pieces there are.

    Walks down the tree of the options' first pieces: options that begin with different pieces are told apart by
    one look, those that share a piece by another look behind it. At each fork only the options there count, as in
    constrained decoding, so long labels are not at a disadvantage.
    """
    ends = {answer: f" {text}\n".encode() for answer, text in options.items()}
    return _descend(ends, (b"",), 1.0, vocabulary, peek)


def _descend(
    ends: Mapping[str, bytes], written: Written, share: float, vocabulary: Container[bytes], peek: Peek
) -> dict[str, float]:
    if len(ends) == 1 or share < MIN_SHARE:
        return dict.fromkeys(ends, share / len(ends))
    written = _skip_common(ends, written)
    pieces = _first_pieces(ends, written, vocabulary, peek)
    groups: dict[bytes, dict[str, bytes]] = {}
    for answer, (_, piece) in pieces.items():
        groups.setdefault(piece, {})[answer] = ends[answer]
    odds = {piece: max(pieces[answer][0] for answer in group) for piece, group in groups.items()}
    found: dict[str, float] = {}
    for piece, part in softmax(odds).items():
        found.update(_descend(groups[piece], (*written, piece), share * part, vocabulary, peek))
    return {answer: found[answer] for answer in ends}


def _skip_common(ends: Mapping[str, bytes], written: Written) -> Written:
    """On to the last word boundary before the options differ: until there is nothing to choose."""
    shared = (commonprefix(list(ends.values())) or b"").decode("utf-8", "ignore")  # noqa: RUF071 - texts, not paths
    at_boundary = re.sub(r" ?[^\W_]*$", "", shared).encode()
    return (at_boundary,) if len(at_boundary) > len(b"".join(written)) else written


def _first_pieces(
    ends: Mapping[str, bytes], written: Written, vocabulary: Container[bytes], peek: Peek
) -> dict[str, tuple[float, bytes]]:
    """Each answer's log-probability and next piece. All pieces are listed only when no answer is in the top."""
    start = len(b"".join(written))
    starts = {answer: _starts(end[start:], vocabulary) for answer, end in ends.items()}
    known = peek(written, False)
    if not any(piece in known for pieces in starts.values() for piece in pieces):
        known = peek(written, True)
    floor = min(known.values(), default=0.0) - 1.0
    return {answer: max((known.get(piece, floor), piece) for piece in pieces) for answer, pieces in starts.items()}


def _starts(rest: bytes, vocabulary: Container[bytes]) -> list[bytes]:
    """The pieces by which an LM may begin a text; never empty, the longest last."""
    cuts = (rest[:length] for length in range(1, min(len(rest), MAX_PIECE_BYTES) + 1))
    pieces = [piece for piece in cuts if piece in vocabulary] or [rest]
    return [piece for piece in pieces if len(piece) >= MIN_PIECE_BYTES] or pieces[-1:]


def softmax(odds: Mapping[Key, float]) -> dict[Key, float]:
    """Log-probabilities of some alternatives -> their probabilities among themselves."""
    top = max(odds.values())
    weights = {key: math.exp(value - top) for key, value in odds.items()}
    total = sum(weights.values())
    return {key: weight / total for key, weight in weights.items()}


def sampled(probabilities: Mapping[str, float], temperature: float, seed: int) -> dict[str, float]:
    """Probabilities whose largest one is a draw from the given ones at `temperature` (the Gumbel-max method).

    For search methods that want different answers to the same question; equal seeds give equal draws.
    """
    noise = random.Random(seed)  # noqa: S311 - not for secrets
    gumbel = {answer: -math.log(-math.log(noise.uniform(1e-12, 1 - 1e-12))) for answer in probabilities}
    return softmax(
        {answer: math.log(max(share, 1e-12)) + temperature * gumbel[answer] for answer, share in probabilities.items()}
    )
