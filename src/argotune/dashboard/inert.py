"""Inert: texts of tenants as a page shows them, so that none of it is markup, a link or an instruction to a browser."""

from __future__ import annotations

import re

from argotune.errors.lines import escaped, one_line

MAX_CHARS = 300


def plain(text: str) -> str:
    """For what takes text alone (`st.text`, `st.code`, cells, plots): lines stay, characters that would turn or hide
    others are spelled out."""
    return "\n".join(escaped(line) for line in text.splitlines())


def inert(text: str, max_chars: int = MAX_CHARS) -> str:
    """For what takes Markdown: one line of code, in which nothing is read as Markdown, HTML, a formula, an address or
    the name of an icon.

    The fence is longer than any row of backticks in it; a space at either end belongs to the fence (CommonMark 0.31,
    6.1). Escapes by backslash would not do: addresses and names of icons are looked for after these are undone.
    """
    line = one_line(text, max_chars) or "-"
    longest = max((len(row) for row in re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {line} {fence}"


def is_web_address(text: str | None) -> bool:
    """Whether a text may be a link: of a server, and of no other scheme."""
    return text is not None and re.match(r"https?://[^\s/]", text) is not None
