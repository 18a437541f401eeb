"""Logs: one JSON object per line, and what the work at hand is about: tenant, module, run.

Whoever begins some work says so with `about`; whoever writes a line need not know. Nothing here writes by itself:
cli/output.py does, and what else a process prints to stderr goes through `catch_others`.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType, TracebackType

from argotune.errors import ArgotuneError

LogFields = Mapping[str, str]

_ABOUT: ContextVar[LogFields] = ContextVar("about", default=MappingProxyType({}))


@contextmanager
def about(*, tenant: str | None = None, module: str | None = None, run: str | None = None) -> Iterator[None]:
    """Lines of the block carry these fields besides those around it; None says nothing.

    An error of this package that leaves the block takes them along, as it is told further out.
    """
    said = {"tenant": tenant, "module": module, "run": run}
    fields = {**_ABOUT.get(), **{name: value for name, value in said.items() if value is not None}}
    before = _ABOUT.set(fields)
    try:
        yield
    except ArgotuneError as error:
        error.__dict__.setdefault("about", fields)  # the innermost block knows most
        raise
    finally:
        _ABOUT.reset(before)


def fields_now() -> LogFields:
    """What the work at hand is about."""
    return _ABOUT.get()


def fields_of(error: BaseException) -> LogFields:
    """What the work was about that failed."""
    return getattr(error, "about", None) or fields_now()


def json_line(level: str, message: str, at: datetime, fields: LogFields, **more: str | float) -> str:
    """The line without its end: `at` as ISO in UTC, level, message, then the fields. ASCII, whatever tenants wrote."""
    when = at.astimezone(UTC).isoformat(timespec="milliseconds")
    return json.dumps({"at": when, "level": level, "message": message, **fields, **more}, ensure_ascii=True)


class JsonLines(logging.Formatter):
    """Records of the standard library's loggers, i.e. of other people's packages, as such lines."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback is a field of it."""
        at = datetime.fromtimestamp(record.created, UTC)
        more = {"logger": record.name}
        if record.exc_info:
            more["traceback"] = self.formatException(record.exc_info)
        return json_line(record.levelname.lower(), record.getMessage(), at, fields_now(), **more)


def catch_others(clock: Callable[[], datetime]) -> None:
    """Warnings, log records and the traceback of an unforeseen error become such lines on stderr, process-wide."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.getLogger().addHandler(handler)
    logging.captureWarnings(True)

    def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        whole = "".join(traceback.format_exception(kind, error, trace))
        line = json_line("critical", f"{kind.__name__}: {error}", clock(), fields_of(error), traceback=whole)
        sys.stderr.write(line + "\n")

    sys.excepthook = tell
