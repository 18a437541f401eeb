"""Augmentation: from an example that was made to the goal of another, which is written and validated like any."""

from __future__ import annotations

from dataclasses import replace

from argotune.synthetic.generators import Generator, Material
from argotune.synthetic.values import Augmentation, Goal


def augmented(goal: Goal, query: str, kind: Augmentation, generator: Generator, material: Material) -> Goal | None:
    """The goal of one more example from one whose `query` was accepted; None where this kind does not apply."""
    if kind is Augmentation.PARAPHRASE:
        return replace(goal, style=f"say this in other words: {query}", augmentation=kind)
    if kind is Augmentation.COMPLEXITY:
        return replace(goal, style=f"say this with one more condition from the document: {query}", augmentation=kind)
    vary = generator.in_another_modality if kind is Augmentation.MODALITY else generator.negative
    return vary(goal, material)
