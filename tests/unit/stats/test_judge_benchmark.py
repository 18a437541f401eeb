"""benchmarks/judge.py at a small size."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np

JUDGE = runpy.run_path(str(Path(__file__).parents[3] / "benchmarks" / "judge.py"))


def test_a_good_judge_saves_labels_of_people_and_a_poor_one_is_not_taken():
    rng, shape = np.random.default_rng(1), (150, 600)
    alone, _ = JUDGE["drawn"](rng, shape, 2 / 3, 1.0, 1.0).until(0.0125)
    rows = [JUDGE["row"](rng, shape, accuracy, 0.0125, np.quantile(alone, [0.5, 0.8])) for accuracy in (0.8, 0.95)]
    poor, good = (row.split(" | ") for row in rows)
    assert poor[3] == "people alone"
    assert 0.2 < float(good[3].rstrip("%")) / 100 < 0.6
    assert float(good[5].rstrip(" |")) <= 0.05
