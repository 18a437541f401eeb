"""kill -9 at a write of a run that trains a cascade, then a rerun: one version, one contest, nothing paid twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from killed import WHERE, killed


@pytest.mark.slow
@pytest.mark.timeout(300)
@WHERE
def test_a_cascade_that_is_killed_at_a_write_is_trained_and_paid_for_once(tmp_path: Path, where: str):
    whole, kills = killed(tmp_path, "cascade", where)
    assert (whole["promotions"], whole["outcomes"]) == (1, ["promoted"])
    same = whole.keys() - {"calls_again"}
    for kill in kills:
        assert {name: kill[name] for name in same} == {name: whole[name] for name in same}, kill
        assert kill["calls_again"] <= whole["calls_again"], kill
    assert any(0 < kill["calls_again"] < whole["calls_again"] for kill in kills), "no kill hit the middle of asking"
