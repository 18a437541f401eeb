"""Label scores: how well labels were told, as one number for each of four questions.

Precision, recall and F1 are macro averages: the mean over the labels that are right or were said at least once, each
alike (as sklearn.metrics.precision_recall_fscore_support with average="macro" and zero_division=0 has them).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class LabelScores:
    """Each in 0..1."""

    accuracy: float = 0.0
    precision: float = 0.0
    recall: float = 0.0
    f1: float = 0.0


def label_scores(right: Sequence[str], said: Sequence[str]) -> LabelScores:
    """Of what is right and what was said, pair by pair; all 0 without a pair."""
    if not right:
        return LabelScores()
    hits = Counter(one for one, other in zip(right, said, strict=True) if one == other)
    rights, saids = Counter(right), Counter(said)
    labels = sorted(rights.keys() | saids.keys())
    precisions = [hits[label] / saids[label] if saids[label] else 0.0 for label in labels]
    recalls = [hits[label] / rights[label] if rights[label] else 0.0 for label in labels]
    f1s = [2 * hits[label] / (saids[label] + rights[label]) for label in labels]
    return LabelScores(
        accuracy=sum(hits.values()) / len(right),
        precision=sum(precisions) / len(labels),
        recall=sum(recalls) / len(labels),
        f1=sum(f1s) / len(labels),
    )
