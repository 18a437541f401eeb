"""Output: tables and lines for people, JSON for programs. What tenants wrote is escaped before it is shown."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from argotune.errors import ConfigInvalid


def escaped(text: str) -> str:
    """Text without control characters, so that nobody's query can move a terminal's cursor or fake a log line."""
    return "".join(c if c == "\t" or unicodedata.category(c) not in _UNSAFE else _escape(c) for c in text)


_UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode()


def say(text: str = "") -> None:
    """One line on stdout."""
    sys.stdout.write(escaped(text) + "\n")


def note(text: str) -> None:
    """One line on stderr, for people who watch."""
    sys.stderr.write(escaped(text) + "\n")


def say_json(value: Any) -> None:
    """JSON on stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=True, indent=2) + "\n")


def write_json(path: str, value: Any) -> None:
    """JSON into a file, whole or not at all. Raises ConfigInvalid when it cannot be written."""
    target = Path(path)
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        part.replace(target)
    except OSError as error:
        raise ConfigInvalid(f"--output: {path!r} cannot be written: {error.strerror}") from error


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A plain table on stdout; the last column may be long."""
    cells = [[escaped(str(cell)) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    for row in cells:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write(line.rstrip() + "\n")
