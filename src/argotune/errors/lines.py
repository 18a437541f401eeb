"""Lines: any text as one line for people: of a message, a log, a table or a reason."""

from __future__ import annotations

import unicodedata

from argotune.errors.known_secrets import masked

_BREAKING = {"Cc", "Cs", "Zl", "Zp"}
"""Control characters, lone surrogates, and what divides lines and paragraphs."""


def one_line(text: str, max_chars: int | None = None) -> str:
    """The text on one line: white space and control characters become single spaces, too long a text loses its end."""
    if not (text.isascii() and text.isprintable()):
        text = "".join(" " if unicodedata.category(c) in _BREAKING else c for c in text)
    line = " ".join(text.split())
    return line if max_chars is None or len(line) <= max_chars else f"{line[: max(max_chars - 3, 0)]}..."[:max_chars]


def told(text: str, max_chars: int = 300) -> str:
    """Words of another program in a message of ours. Secrets go before anything is cut: half of one is not found."""
    return one_line(masked(text[: 20 * max_chars]), max_chars)


def in_short(error: BaseException, max_chars: int = 200) -> str:
    """The kind of an error and the first line of its message: further lines often repeat what was asked."""
    first = masked(str(error)).strip().partition("\n")[0]
    return one_line(f"{type(error).__name__}: {first}" if first else type(error).__name__, max_chars)
