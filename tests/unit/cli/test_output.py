"""What people see: nothing that a tenant wrote can steer a terminal, and no file is ever half written."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argotune.cli.output import note, say, say_json, table
from argotune.errors.lines import escaped

NORMAL = [
    "find the keynote, 12 % of it: C:\\temp \"x\" <y> 'z'",
    "a\ttab",
    "Größe und Übung",
    "cafe\u0301",
    "می‌خواهم ببینم",  # Persian is spelled with zero width non-joiners
    "क्‍ष क्‌ष",  # Hindi with both joiners
    "ශ්‍රී ලංකාව",
    "שלום עולם",
    "\u0600١٢٣ ۝",
    "企业 ひらがな 한국어",
    "👩‍💻 🏳️‍🌈 👍🏽",
    "ไทย ພາສາ አማርኛ ᏣᎳᎩ 𝔘𝔫𝔦",
    "",
]


@pytest.mark.parametrize("text", NORMAL)
def test_text_of_any_script_stays_as_it_is(text: str):
    assert escaped(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b[H", "\\x1b[2J\\x1b[H"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\r\nINFO forged", "a\\r\\nINFO forged"),
        ("a\x08\x7f\x00", "a\\x08\\x7f\\x00"),
        ("a\x85b\u2028c\u2029d", "a\\x85b\\u2028c\\u2029d"),
        ("abc\u202egpj.exe", "abc\\u202egpj.exe"),
        ("\u2066\u2067\u2068\u2069\u200e\u200f\u061c", "\\u2066\\u2067\\u2068\\u2069\\u200e\\u200f\\u061c"),
        ("in\u200bvis\ufeffible\u2060\u00ad", "in\\u200bvis\\ufeffible\\u2060\\xad"),
        ("\U000e0041\U000e007f", "\\U000e0041\\U000e007f"),
        ("lone \ud800 surrogate", "lone \\ud800 surrogate"),
    ],
    ids=ascii,
)
def test_what_steers_a_terminal_or_hides_text_is_shown_as_an_escape(text: str, shown: str):
    assert escaped(text) == shown


STEERING = {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))}


@given(st.text(st.characters()))
def test_escaped_text_is_one_line_that_can_be_printed(text: str):
    shown = escaped(text)
    assert not set(shown) & (STEERING - {"\t"})
    assert len(shown.splitlines()) <= 1
    assert shown.encode("utf-8").decode() == shown
    assert escaped(shown) == shown


@given(st.text(st.characters(categories=["L", "M", "N", "P", "S", "Zs"])))
def test_letters_marks_numbers_signs_and_spaces_are_never_escaped(text: str):
    assert escaped(text) == text
    assert all(unicodedata.category(c)[0] != "C" for c in text)


def test_people_get_lines_and_watchers_get_theirs_on_stderr(capsys: pytest.CaptureFixture[str]):
    say("one\nline")
    say()
    note("watch \x1b[1mthis")
    assert capsys.readouterr() == ("one\\nline\n\n", "watch \\x1b[1mthis\n")


@pytest.mark.parametrize("value", [{"a": "\x1b[2J"}, ["\u202e", "\ud800"], None, {"q": "企业"}, 1.5])
def test_json_on_stdout_is_ascii_and_says_the_same(value: object, capsys: pytest.CaptureFixture[str]):
    say_json(value)
    printed = capsys.readouterr().out
    assert printed.isascii()
    assert "\x1b" not in printed
    assert json.loads(printed) == value


# Tables


def test_a_table_has_columns_and_no_trailing_space(capsys: pytest.CaptureFixture[str]):
    table(["TENANT", "N", ""], [["acme", "12", ""], ["x", "3", "a long last column"]])
    assert capsys.readouterr().out == "TENANT  N\nacme    12\nx       3   a long last column\n"


def test_a_table_without_rows_is_its_head(capsys: pytest.CaptureFixture[str]):
    table(["TENANT", "N"], [])
    assert capsys.readouterr().out == "TENANT  N\n"


def test_a_cell_is_one_line_whatever_a_tenant_is_called(capsys: pytest.CaptureFixture[str]):
    table(["TENANT", "N"], [["a\nb\x1b[2J", "1"], ["c", "2"]])
    assert capsys.readouterr().out == "TENANT       N\na\\nb\\x1b[2J  1\nc            2\n"
