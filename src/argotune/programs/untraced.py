"""Untraced: what Argotune asks programs and LMs leaves no spans among those of the application.

A user's module may switch tracing on for all of DSPy when it is imported (`DSPyInstrumentor().instrument()`,
`mlflow.dspy.autolog()`). An evaluation looks like production then, and would be learned from.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import Any

import dspy
from dspy.dsp.utils.settings import thread_local_overrides
from dspy.utils import parallelizer
from dspy.utils.callback import BaseCallback

_is_quiet: ContextVar[bool] = ContextVar("argotune_untraced", default=False)


@contextmanager
def untraced(callbacks: Sequence[BaseCallback] = (), **settings: Any) -> Iterator[None]:
    """DSPy with these settings, in which no tracer is told of anything, nor of what DSPy does in threads of its own:
    neither one that the application has configured as a callback, as MLflow's is, nor one of OpenTelemetry, by what its
    instrumentations agree on. Callbacks of a `dspy.context` around it are those of who asked for this."""
    token = _is_quiet.set(True)
    try:
        with dspy.context(**settings, callbacks=[*_asked_for(), *callbacks]), _suppressed():
            yield
    finally:
        _is_quiet.reset(token)


def _asked_for() -> list[BaseCallback]:
    found: list[BaseCallback] = thread_local_overrides.get().get("callbacks", [])
    return found


@contextmanager
def _suppressed() -> Iterator[None]:
    # Who instruments DSPy has imported this; it is no dependency of ours.
    context = sys.modules.get("opentelemetry.context")
    if context is None:
        yield
        return
    found = context.set_value(context._SUPPRESS_INSTRUMENTATION_KEY, True)
    token = context.attach(context.set_value("suppress_instrumentation", True, found))
    try:
        yield
    finally:
        context.detach(token)


class _Threads(ThreadPoolExecutor):
    """Threads that go on untraced where they were started so; else they are as ever.

    DSPy gives its threads its own settings, but not the context variables by which OpenTelemetry is told.
    """

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if not _is_quiet.get():
            return super().submit(fn, *args, **kwargs)
        return super().submit(copy_context().run, fn, *args, **kwargs)


parallelizer.ThreadPoolExecutor = _Threads  # type: ignore[misc]  # a class in place of its base
