"""Familiar questions: which questions are so unlike the training examples that an LM has to answer them.

A conformal test of "this question is drawn like the training examples" (Bates, Candes, Lei, Romano and Sesia, "Testing
for outliers with conformal p-values", Ann. Statist. 51 (2023)): a question is unfamiliar where its p-value, the share
of training examples that are no more like the others than it is, counting itself, is at most `unfamiliar_share`.

Each example is compared with landmarks of other folds and has the confidence of a model that did not learn from it
(cross-conformal: Vovk, Ann. Math. Artif. Intell. 74 (2015)); a question is compared with all landmarks, so that its
nearest is no farther. So of questions like the training examples at most about that share is sent to the LM, and less
where examples are few. What proof there is bounds twice the share (Barber et al., "Predictive inference with the
jackknife+", Ann. Statist. 49 (2021)); the share itself is measured (docs/benchmarks.md).

Requests that nobody labelled are not used: those that are out of scope are among them, and would become familiar.
"""

from __future__ import annotations

import numpy as np

from argotune.optimizers.student import FittedStudent
from argotune.programs.arrays import Floats, coarse
from argotune.programs.cascade import EVERYTHING_FAMILIAR, Familiar, log_confidence
from argotune.stats.calibration import Numbers
from argotune.tenants.optimizer_settings import CascadeSettings


def familiar_of(fitted: FittedStudent, settings: CascadeSettings, seed: int) -> Familiar:
    """Which questions are like the training examples. All are where these are too few for any p-value to be as low as
    the share (fewer than 9 for a tenth), and where a share of 0 switches it off."""
    rank = int(settings.unfamiliar_share * (len(fitted.rows) + 1))
    if not rank:
        return EVERYTHING_FAMILIAR
    vectors = fitted.student.reader.vectors_in(fitted.rows)
    kept = np.sort(np.random.default_rng(seed).permutation(len(vectors))[: settings.landmarks])
    landmarks = coarse(vectors[kept])
    nearest = _nearest_of_other_folds(fitted, vectors, landmarks, kept)
    sureness = float(nearest.std())
    likeness = nearest + sureness * np.array([log_confidence(each) for each in fitted.confidences])
    return Familiar(landmarks, float(np.sort(likeness)[rank - 1]), sureness)


def _nearest_of_other_folds(fitted: FittedStudent, vectors: Floats, landmarks: Floats, kept: np.ndarray) -> Numbers:
    cosines = vectors @ landmarks.T
    cosines[fitted.folds[:, None] == fitted.folds[kept][None, :]] = -1.0
    return np.asarray(cosines.max(axis=1), float)
