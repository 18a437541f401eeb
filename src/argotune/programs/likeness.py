"""Likeness: how much of an answer in free text is that of another one, to choose by while training."""

from __future__ import annotations

from collections.abc import Iterable

import dspy
from dspy.evaluate.metrics import f1_score

from argotune.data.field_types import as_text


def likeness(example: dspy.Example, prediction: dspy.Prediction, answers: Iterable[str]) -> float:
    """The mean over the answers of the F1 of the words that both have, 1.0 for equal ones.

    After Rajpurkar et al., "SQuAD" (2016). What is like the answer that people preferred need not be what they would
    prefer: training may choose by it, a contest is judged by people.
    """
    found = [_f1(prediction.get(name), example.get(name)) for name in answers]
    return sum(found) / len(found)


def _f1(said: object, expected: object) -> float:
    texts = ["" if value is None else as_text(value) for value in (said, expected)]
    if texts[0] == texts[1]:
        return 1.0
    return float(f1_score(*texts)) if all(texts) else 0.0
