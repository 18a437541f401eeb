"""Labelled few-shot: training examples as they are, chosen so that every label that exists is shown. No LM call.

As dspy.LabeledFewShot (dspy/teleprompt/vanilla.py), which samples blindly and may leave labels out.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence

import dspy

from argotune.data.field_types import as_text
from argotune.optimizers.task import TrainingTask, bare_student, demo_pool


def compile(task: TrainingTask) -> dspy.Module:
    """Some examples, or one per label where there are more labels; the same for every predictor."""
    closed = [name for name, labels in task.program.fields.answers.items() if labels]
    demos = one_of_each(demo_pool(task), closed, task.settings.labeled.k)
    tuned: dspy.Module = bare_student(task).reset_copy()
    for predictor in tuned.predictors():
        predictor.demos = list(demos)
    return tuned


def one_of_each(pool: Sequence[dspy.Example], answers: Sequence[str], size: int) -> list[dspy.Example]:
    """`size` examples in rounds of one per combination of labels; the first round is always complete."""
    waiting: dict[tuple[str, ...], deque[dspy.Example]] = defaultdict(deque)
    for example in pool:
        waiting[tuple(as_text(example.get(name)) for name in answers)].append(example)
    chosen: list[dspy.Example] = []
    wanted = min(max(size, len(waiting)), len(pool))
    while len(chosen) < wanted:
        chosen.extend(group.popleft() for group in waiting.values() if group)
    return chosen[:wanted]
