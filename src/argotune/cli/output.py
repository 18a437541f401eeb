"""Output: tables and lines for people, JSON for programs. What tenants wrote is escaped before it is shown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from argotune.cli.streams import write_err, write_out
from argotune.errors import ArgotuneError
from argotune.errors.known_secrets import masked
from argotune.errors.lines import escaped
from argotune.logs import catch_others, fields_now, fields_of, json_line
from argotune.settings import wants_json_logs

TERMINATION_LOG = Path("/dev/termination-log")
"""The default terminationMessagePath: a file that Kubernetes puts into every container, and nobody else."""

MAX_LAST_WORDS_CHARS = 1000
"""Kubernetes takes 4096 bytes."""


def say(text: str = "") -> None:
    """One line on stdout."""
    write_out(escaped(text) + "\n")


def note(text: str, **figures: float) -> None:
    """One line on stderr, for people who watch: text, or JSON with the figures as ARGOTUNE_LOG_FORMAT says."""
    shown = escaped(text)
    write_err((json_line("info", shown, _now(), fields_now(), **figures) if wants_json_logs() else shown) + "\n")


def complain(program: str, error: ArgotuneError) -> None:
    """The end of a command that failed, as such a line."""
    shown = f"{type(error).__name__}: {escaped(_told(error))}"
    as_json = wants_json_logs()
    line = json_line("error", shown, _now(), fields_of(error)) if as_json else f"{program}: {shown}"
    write_err(line + "\n")
    leave_last_words(shown)


SPELLED: Mapping[str, str] = {"given": "file", "span_id": "--label", "answers": "--answer", "rate_per_s": "--rate"}
"""Arguments of operations -> what users know them as, where that is not the flag of the same name."""


def _told(error: ArgotuneError) -> str:
    """The message with the flag that is wrong, where one is."""
    if not error.argument:
        return str(error)
    return f"{SPELLED.get(error.argument, '--' + error.argument.replace('_', '-'))}: {error.problem}"


def leave_last_words(text: str) -> None:
    """Tell Kubernetes why this container ends. Without this it shows the end of the log, where Argo's lines are too."""
    if TERMINATION_LOG.is_file():
        with suppress(OSError):
            TERMINATION_LOG.write_text(masked(text)[:MAX_LAST_WORDS_CHARS], "utf-8", "backslashreplace")


def prepare_stderr() -> None:
    """Where lines are JSON, whatever else this process writes there becomes such a line."""
    if wants_json_logs():
        catch_others(_now)


def _now() -> datetime:
    return datetime.now(UTC)


def say_json(value: Any) -> None:
    """JSON on stdout."""
    write_out(json.dumps(value, ensure_ascii=True, indent=2) + "\n")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A plain table on stdout; the last column may be long."""
    cells = [[escaped(str(cell)) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    for row in cells:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        write_out(line.rstrip() + "\n")
