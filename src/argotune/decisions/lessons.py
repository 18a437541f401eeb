"""Lessons: what a module's finished passes left for the next decision."""

from __future__ import annotations

from pydantic import Field

from argotune.decisions.values import CutShort, Shortfall, TrainingHistory
from argotune.store.documents import Document


class Lessons(Document):
    """By program: `learned` is the lesson of its last plan that was carried out, `cut_short` its last plan where the
    budget ended that, `history` what its trainings left, and `short` what it lacked, after the last pass, to detect a
    gain."""

    learned: dict[str, str] = Field(default_factory=dict)
    cut_short: dict[str, CutShort] = Field(default_factory=dict)
    history: dict[str, TrainingHistory] = Field(default_factory=dict)
    short: dict[str, Shortfall] = Field(default_factory=dict)
