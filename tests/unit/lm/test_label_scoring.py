"""Label scoring: prompts that fit and are stable at their beginning, and probabilities over exactly the options."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from argotune.errors import ConfigInvalid
from argotune.lm.label_scoring import (
    Case,
    ClosedQuestion,
    Written,
    clip,
    fitted_prompt,
    longest_answers_bytes,
    option_texts,
    prompt_line,
    prompt_of,
    sampled,
    shares,
    softmax,
)

AGENT = ClosedQuestion("agent", {"video": "video", "text": "text"}, {"video": "finds films", "text": ""}, "who answers")
CASE = Case("Choose.", {"query": "cats", "context": ""}, [{"query": "dogs", "agent": "video"}], [AGENT])


class Reader:
    """An LM that has read some texts; its pieces are single bytes and words with their blank."""

    def __init__(self, *texts: str, top: int = 10**6) -> None:
        words = {word for text in texts for word in re.findall(r" ?[a-zA-Z]+", text)}
        self.pieces = {bytes([byte]) for byte in range(256)} | {word.encode() for word in words}
        self.looks = 0
        self._texts = [text.encode() for text in texts]
        self._top = top

    def peek(self, written: Written, everything: bool) -> Mapping[bytes, float]:
        self.looks += 1
        read = b"".join(written)
        counts = dict.fromkeys(self.pieces, 0.001)
        for text in self._texts:
            if text.startswith(read) and text != read:
                counts[self._first(text[len(read) :])] += 1
        listed = Counter(counts).most_common(None if everything else self._top)
        return {piece: math.log(count / sum(counts.values())) for piece, count in listed}

    def _first(self, rest: bytes) -> bytes:
        return next(rest[:length] for length in range(len(rest), 0, -1) if rest[:length] in self.pieces)


def said(*labels: str) -> list[str]:
    return [f" {label}\n" for label in labels]


def same(labels: Iterable[str]) -> dict[str, str]:
    return {label: label for label in labels}


def test_prompt_shows_instructions_labels_demonstrations_and_then_the_question():
    assert prompt_of(CASE, 100) == (
        "Choose.\nagent: who answers\n\n"
        "query: finds films\nagent: video\n\nagent: text\n\n"
        "query: dogs\nagent: video\n\n"
        "query: cats\n"
    )


def test_prompts_of_one_program_begin_alike():
    one, other = prompt_of(CASE, 100), prompt_of(replace(CASE, inputs={"query": "birds", "context": "x"}), 100)
    assert one.partition("query: cats")[0] == other.partition("query: birds")[0]


@given(st.text(), st.integers(4, 50))
def test_values_become_one_short_line_without_chat_marks(text: str, max_chars: int):
    line = prompt_line(f"<|im_end|>{text}", max_chars)
    assert "\n" not in line
    assert "<|" not in line
    assert len(line) <= max_chars + len(" ... ")
    line.encode()


def test_clipping_keeps_both_ends():
    assert clip("a" * 75 + "b" * 1000 + "z" * 25, 100) == "a" * 75 + " ... " + "z" * 25


@given(st.lists(st.text(max_size=3000), max_size=12), st.text(max_size=20_000), st.text(max_size=5000))
def test_prompt_always_fits(demos: list[str], query: str, instructions: str):
    case = Case(instructions, {"query": query}, [{"query": demo, "agent": "text"} for demo in demos], [AGENT])
    assert len(fitted_prompt(case, 2000).encode()) <= 2000


def test_room_for_answers_is_that_of_the_longest_ones():
    case = replace(CASE, questions=[AGENT, ClosedQuestion("ok", {"true": "é", "false": "no"}, {})])
    assert longest_answers_bytes(case) == len(b"agent: video\n" + b"ok: no\n")


def test_demonstrations_farthest_from_the_question_go_first():
    demos = [{"query": f"{number} " + "x" * 300, "agent": "text"} for number in range(8)]
    prompt = fitted_prompt(replace(CASE, demos=demos), 1000)
    assert "query: 7 " in prompt
    assert "query: 0 " not in prompt


def test_labels_that_cannot_fit_are_refused():
    case = replace(CASE, questions=[replace(AGENT, name="n" * 3000)])
    with pytest.raises(ConfigInvalid, match="does not fit into 100 bytes"):
        fitted_prompt(case, 100)


@pytest.mark.parametrize(
    ("labels", "written"),
    [
        (["a", "b"], ["a", "b"]),
        (["a\n\tb", "c"], ["a b", "c"]),
        (["a b", "a  b"], ["0 a b", "1 a b"]),
        (["", "b"], ["0 ", "1 b"]),
    ],
)
def test_labels_are_written_on_one_line_and_never_alike(labels: list[str], written: list[str]):
    assert list(option_texts(same(labels)).values()) == written


@pytest.mark.parametrize(
    "labels",
    [
        ["video", "text"],
        ["video+image", "video+audio", "none"],
        ["agent_a", "agent_b"],
        ["video", "video_search"],
        ["中文", "上海", "東京"],
        ["1", "2", "10"],
        ["é", "è"],
    ],
)
def test_the_label_that_was_read_most_often_wins(labels: list[str]):
    for wanted in labels:
        lm = Reader(*said(*labels, wanted, wanted))
        found = shares(same(labels), lm.pieces, lm.peek)
        assert list(found) == labels
        assert max(found, key=found.__getitem__) == wanted
        assert sum(found.values()) == pytest.approx(1)


def test_labels_that_begin_differently_need_one_look():
    lm = Reader(*said("video", "text", "none"))
    shares(same(["video", "text", "none"]), lm.pieces, lm.peek)
    assert lm.looks == 1


def test_labels_of_which_none_is_listed_are_looked_up_among_all_pieces():
    lm = Reader(*said("many", "many", "other", "other", "rare"), top=2)
    found = shares(same(["never", "rare"]), lm.pieces, lm.peek)
    assert found["rare"] > 0.9
    assert lm.looks == 2


@given(st.lists(st.text(max_size=12), min_size=1, max_size=8, unique=True))
def test_any_labels_get_probabilities_that_sum_to_one(labels: list[str]):
    lm = Reader(*said("some", "text"))
    found = shares(option_texts(same(labels)), lm.pieces, lm.peek)
    assert list(found) == labels
    assert sum(found.values()) == pytest.approx(1)
    assert all(0 <= share <= 1 for share in found.values())


@given(st.dictionaries(st.sampled_from("abcdefg"), st.floats(-80, 80), min_size=1))
def test_softmax_is_that_of_scipy(odds: dict[str, float]):
    assert list(softmax(odds).values()) == pytest.approx(list(special.softmax(list(odds.values()))), rel=1e-9)


LABELS = ["video", "video search", "video search agent", "text", "text report", "podcast", "image"]


@given(st.dictionaries(st.sampled_from(LABELS), st.integers(1, 50), min_size=2))
def test_labels_that_were_read_so_often_get_the_shares_of_what_was_read(read: dict[str, int]):
    """By the chain rule the forks multiply to the share of each label, however many words it has in common with
    others. The reader believes a thousandth in every piece that it has not read: so far they may be apart.
    """
    lm = Reader(*said(*(label for label, times in read.items() for _ in range(times))))
    total = sum(read.values())
    expected = {label: pytest.approx(times / total, abs=0.005) for label, times in read.items()}
    assert shares(same(read), lm.pieces, lm.peek) == expected


@pytest.mark.parametrize("odds", [{"a": 0.8, "b": 0.2}, {"a": 0.5, "b": 0.3, "c": 0.15, "d": 0.05}])
@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_draws_are_those_of_the_probabilities_at_their_temperature(odds: dict[str, float], temperature: float):
    """Gumbel-max: the share of each answer is p^(1/temperature), normed. Seeds are fixed: the test is decided."""
    drawn = Counter(max(found, key=found.__getitem__) for found in (sampled(odds, temperature, n) for n in range(5000)))
    flattened = special.softmax([math.log(share) / temperature for share in odds.values()])
    assert stats.chisquare([drawn[answer] for answer in odds], 5000 * flattened).pvalue > 0.001


def test_draws_follow_the_probabilities_and_repeat_with_their_seed():
    odds = {"often": 0.8, "seldom": 0.2}
    drawn = [max(sampled(odds, 1.0, seed).items(), key=lambda item: item[1])[0] for seed in range(400)]
    assert 0.7 < drawn.count("often") / 400 < 0.9
    assert sampled(odds, 1.0, 7) == sampled(odds, 1.0, 7)
