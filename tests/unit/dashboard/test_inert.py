"""What a tenant sent is shown as text: by a parser of Markdown, and in each kind that browsers act upon."""

from __future__ import annotations

from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from argotune.dashboard.inert import inert, is_web_address, plain
from argotune.errors.lines import one_line

HOSTILE = [
    "**x** [a](javascript:alert(1)) <img src=x onerror=alert(1)>",
    "`code` and ``more`` and ```",
    "`",
    "\\` \\*",
    "# title",
    "- item\n- item",
    "| a | b |\n|---|---|",
    "$x^2$ :smile: :material/home: :red[text] https://example.com <script>",
    "[1]: https://example.com\n[x][1]",
    "&lt;b&gt; &amp;",
]


def rendered(text: str) -> tuple[str, str]:
    """The HTML of Markdown with tables and bare addresses, and the text of the one piece of code in it."""
    html = MarkdownIt("gfm-like", {"linkify": False}).render(text).strip()
    before, _, rest = html.partition("<code>")
    code, _, after = rest.rpartition("</code>")
    return f"{before}|{after}", unescape(code)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_of_a_tenant_is_one_piece_of_code_in_markdown(text: str):
    assert rendered(inert(text)) == ("<p>|</p>", one_line(text))


@given(st.text(min_size=1, max_size=60))
def test_any_text_is_one_piece_of_code_in_markdown(text: str):
    around, code = rendered(inert(text))
    assert around == "<p>|</p>"
    assert code.strip() == (one_line(text).strip() or "-")


def test_an_empty_text_is_seen_and_a_long_one_is_cut():
    assert inert(" \n") == "` - `"
    assert len(inert("x" * 1000)) < 320


def test_plain_text_keeps_its_lines_and_spells_out_what_would_hide_others():
    assert plain("one\ntwo\u202e\x1b") == "one\ntwo\\u202e\\x1b"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://127.0.0.1:6006/datasets/1", True),
        ("https://phoenix.example", True),
        ("javascript:alert(1)", False),
        (" https://phoenix.example", False),
        ("https://", False),
        ("//phoenix.example", False),
        (None, False),
    ],
)
def test_only_addresses_of_servers_become_links(text: str | None, expected: bool):
    assert is_web_address(text) is expected
