"""Nearest neighbours: each question is shown with the training examples most like it. No LM call.

After dspy.KNNFewShot (dspy/teleprompt/knn_fewshot.py), see programs/retrieval.py.
"""

from __future__ import annotations

import dspy

from argotune.optimizers.task import TrainingTask, bare_student, demo_pool
from argotune.programs.retrieval import RetrievedDemos


def compile(task: TrainingTask) -> dspy.Module:
    """The student with retrieved demonstrations in place of fixed ones; its instructions stay."""
    settings = task.settings.nearest
    by = task.embedders.neighbours(settings.embedder)
    return RetrievedDemos(bare_student(task).reset_copy(), demo_pool(task), settings.k, by)
