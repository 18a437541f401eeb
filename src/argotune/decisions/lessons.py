"""Lessons: what a module's finished passes left for the next decision."""

from __future__ import annotations

from pydantic import Field

from argotune.decisions.values import Awaited, CutShort, TrainingHistory
from argotune.store.records import StoredValue


class Lessons(StoredValue):
    """By program: `learned` is the lesson of its last plan that was carried out, `cut_short` its last plan where the
    budget ended that, `history` what its trainings left, and `waiting` what its open contest waits for."""

    learned: dict[str, str] = Field(default_factory=dict)
    cut_short: dict[str, CutShort] = Field(default_factory=dict)
    history: dict[str, TrainingHistory] = Field(default_factory=dict)
    waiting: dict[str, Awaited] = Field(default_factory=dict)
