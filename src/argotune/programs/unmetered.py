"""Unmetered: LMs that a user's module brings itself, whose calls no meter of ours counts."""

from __future__ import annotations

from collections.abc import Mapping

import dspy
from dspy.utils.callback import BaseCallback

from argotune.lm.effort import note_unmetered
from argotune.lm.port import LMs


class SeesOwnLMs(BaseCallback):
    """Says that what an answer takes is unknown where its module asks an LM of its own beside those given.

    Only what DSPy calls is seen: a module that asks a server by itself is taken to ask nobody.
    """

    def __init__(self, lms: LMs) -> None:
        self._engines = [_engine(lm) for lm in (lms.task, lms.writer, lms.teacher)]

    def on_lm_start(self, call_id: str, instance: object, inputs: Mapping[str, object]) -> None:  # noqa: ARG002
        """An LM is asked; of ours there are copies, which have the engine of the one that was given."""
        if isinstance(instance, dspy.BaseLM) and not any(_engine(instance) is own for own in self._engines):
            note_unmetered()


def _engine(lm: object) -> object:
    """What answers for an LM; one that has no engine of its own answers for itself."""
    engine = getattr(lm, "engine", None)
    return lm if engine is None or isinstance(engine, str) else engine
