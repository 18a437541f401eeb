"""Thresholds: from which confidence on a student may answer in place of an LM program, by data that it did not learn
from.

Learn then test (stats/risk_control.py). The thresholds to choose from, and the order in which they are tested, come
from the training examples (split fixed-sequence testing, LTT section 2.3); what decides are held-out questions that
neither the student nor this order was fitted on. So the chance that a threshold is taken that loses more than is
allowed is at most `delta`, over the draw of the held-out questions, for questions like these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from argotune.stats.calibration import Numbers
from argotune.stats.risk_control import fixed_sequence, fixed_sequences, mean_p, share_p
from argotune.stats.wording import counted, percent

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0)
"""The shares of questions that the student may answer; each has a threshold. Few, as each may end the sequence."""


@dataclass(frozen=True)
class Certified:
    """A threshold that may be used: the student answers this share of the held-out questions. `why` tells it."""

    threshold: float
    share: float
    why: str


def thresholds_of(confidences: Numbers) -> list[float]:
    """The confidence that each of SHARES reaches, the strictest first; 0 for all."""
    return [0.0 if share == 1.0 else float(np.quantile(confidences, 1 - share)) for share in SHARES]


def by_accuracy_first(confidences: Numbers, scores: Numbers, lm_mean: float) -> list[float]:
    """The thresholds in the order in which accuracy is tested: the one whose gain over the LM is likely to be shown
    best, then the looser ones.

    A strict threshold gains on few questions, and a loose one loses on what the student does not know: in between the
    test has most power. `confidences` and `scores` are the student's on examples that its folds held out, and `lm_mean`
    the LM program's score, taken for the same on all questions. Where that is wrong the order is worse, and no less
    valid.
    """
    found = thresholds_of(confidences)
    powers = [_power(confidences >= threshold, scores, lm_mean) for threshold in found]
    return found[int(np.argmax(powers)) :]


def _power(answered: np.ndarray, scores: Numbers, lm_mean: float) -> float:
    """The mean of the differences in their standard deviations."""
    gain = np.where(answered, scores - lm_mean, 0.0).mean()
    spread = np.where(answered, scores * (1 - lm_mean) + (1 - scores) * lm_mean, 0.0).mean()
    return float(gain / np.sqrt(spread)) if spread > 0 else -np.inf


def certified_by_accuracy(
    order: Sequence[float], confidences: Numbers, student: Numbers, lm: Numbers, delta: float, tolerance: float
) -> Certified | None:
    """The loosest threshold at which the cascade's mean score is shown to be above the LM program's minus `tolerance`.

    The order is tested from its beginning and from its middle, each with half of `delta`: where the LM program is right
    just where the student is sure, the strict ones at the beginning hardly differ from it, which nothing that orders
    them knows. A difference is 0 where the LM program answers. None where neither is shown: with hits and misses and no
    tolerance 5 wins without a loss are the least at a delta of 0.1, and 4 where there is one threshold.
    """
    both = [np.where(confidences >= threshold, student - lm, 0.0) for threshold in order]
    p_values = [mean_p(differences.tolist(), tolerance) for differences in both]
    n = fixed_sequences(p_values, sorted({0, len(order) // 2}), delta)
    if not n:
        return None
    threshold, differences = order[n - 1], both[n - 1]
    share, lost = float((confidences >= threshold).mean()), f" above {percent(tolerance)}" if tolerance else ""
    sentence = (
        f"on {counted(len(lm), 'held-out label')} it answers {percent(share)}, where it is better than the LM program "
        f"{int((differences > 0).sum())} times and worse {int((differences < 0).sum())} times: "
        f"no loss{lost} of accuracy, with a confidence of {percent(1 - delta)}"
    )
    return Certified(threshold, share, sentence)


def certified_by_agreement(
    order: Sequence[float], confidences: Numbers, differs: np.ndarray, delta: float, most: float
) -> Certified | None:
    """The loosest threshold at which the cascade is shown to answer at most the share `most` of requests otherwise than
    the LM program. `order` begins with the strictest; None where not even that is shown."""
    wrong = [int((differs & (confidences >= threshold)).sum()) for threshold in order]
    n = fixed_sequence((share_p(hits, len(differs), most) for hits in wrong), delta)
    if not n:
        return None
    share = float((confidences >= order[n - 1]).mean())
    asked = f"on {counted(len(differs), 'unlabelled request')} it answers {percent(share)}"
    told = f"{asked}, {wrong[n - 1]} of them otherwise"
    sure = f"at most {percent(most)} of all requests, with a confidence of {percent(1 - delta)}"
    return Certified(order[n - 1], share, f"{told} than the LM program: {sure}")
