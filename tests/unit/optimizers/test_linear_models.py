"""Linear models of many labels: a fit that has not begun would answer the same to everything."""

from __future__ import annotations

import numpy as np
import pytest

from argotune.optimizers.linear_models import LabelledRows, label_model


@pytest.mark.parametrize("n", [3, 30, 150])
def test_a_model_of_many_labels_knows_what_it_was_fitted_on_where_vectors_lie_near_each_other(n: int):
    rng = np.random.default_rng(0)
    centres = np.repeat(1.0 + 0.3 * rng.normal(size=(n, 256)), 4, axis=0)
    rows = centres + 0.05 * rng.normal(size=centres.shape)
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    labels = tuple(f"label {number // 4:03}" for number in range(len(rows)))
    model = label_model(LabelledRows(rows, labels, np.ones(len(rows))), 10.0, 1.0, ())
    said = (rows @ model.weights.T + model.bias).argmax(axis=1)
    assert tuple(model.labels[number] for number in said) == labels
