"""Lines: any text as one line for people: of a message, a log, a table or a reason."""

from __future__ import annotations

import unicodedata

from argotune.errors.known_secrets import masked

_UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}

# The joiners that Persian, Indic scripts and emoji are spelled with, and visible signs that Unicode calls format.
_HARMLESS = frozenset("\t\u200c\u200d\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2")


def is_safe(character: str) -> bool:
    """Whether a character shown moves no cursor, turns no direction, divides no lines, and is one that UTF-8 has."""
    return character in _HARMLESS or unicodedata.category(character) not in _UNSAFE


def escaped(text: str) -> str:
    """Text without control characters, so that nobody's query can move a terminal's cursor, hide other
    text or fake a log line."""
    return "".join(c if is_safe(c) else _escape(c) for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode()


def one_line(text: str, max_chars: int | None = None) -> str:
    """The text on one line: white space and what is not safe become single spaces, too long a text loses its end."""
    if not (text.isascii() and text.isprintable()):
        text = "".join(c if is_safe(c) else " " for c in text)
    line = " ".join(text.split())
    return line if max_chars is None or len(line) <= max_chars else f"{line[: max(max_chars - 3, 0)]}..."[:max_chars]


def told(text: str, max_chars: int = 300) -> str:
    """Words of another program in a message of ours. Secrets go before anything is cut: half of one is not found."""
    return one_line(masked(text[: 20 * max_chars]), max_chars)


def in_short(error: BaseException, max_chars: int = 200) -> str:
    """The kind of an error and the first line of its message: further lines often repeat what was asked."""
    first = masked(str(error)).strip().partition("\n")[0]
    return one_line(f"{type(error).__name__}: {first}" if first else type(error).__name__, max_chars)
