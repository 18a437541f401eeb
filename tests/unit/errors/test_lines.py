"""Lines: any text as one line for people, and no part of a secret in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argotune.errors import BadAnswer
from argotune.errors.known_secrets import forget_all, remember
from argotune.errors.lines import in_short, is_safe, one_line, told

ANY_TEXT = st.text(st.characters(codec=None, categories=None))
"""With lone surrogates, control characters and all else that JSON can spell."""


@given(ANY_TEXT, st.one_of(st.none(), st.integers(0, 40)))
def test_a_line_is_one_line_of_visible_text_within_its_length(text: str, max_chars: int | None):
    line = one_line(text, max_chars)
    assert len(line.splitlines()) <= 1
    assert all(is_safe(c) for c in line)
    assert max_chars is None or len(line) <= max_chars
    line.encode("utf-8")


@given(st.text("abc\u200dپ👩‍🚀", max_size=30))
def test_what_is_one_line_already_stays_as_it_is(text: str):
    assert one_line(text, 30) == text


@pytest.mark.parametrize(
    ("text", "max_chars", "line"),
    [
        (" a \r\n\tb\x1b[2J\u2028c\x00\ud800 \u202ed", None, "a b [2J c d"),
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abc..."),
        ("abcdefg", 2, ".."),
    ],
)
def test_lines_are_folded_and_cut(text: str, max_chars: int | None, line: str):
    assert one_line(text, max_chars) == line


def test_a_secret_is_masked_before_a_message_is_cut():
    secret = "correct-horse-battery-staple"
    remember(secret)
    try:
        assert told(f"the key {secret} is wrong", 20) == "the key *** is wrong"
        assert in_short(ValueError(f"no {secret}\n{secret}"), 30) == "ValueError: no ***"
    finally:
        forget_all()


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("\n first \nsecond"), "ValueError: first"),
        (ValueError(), "ValueError"),
        (BadAnswer("x" * 300), "BadAnswer: " + "x" * 186 + "..."),
    ],
)
def test_an_error_in_short_is_its_kind_and_first_line(error: Exception, line: str):
    assert in_short(error) == line
