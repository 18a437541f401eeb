"""kill -9 at every write of a run that gathers evidence, then a rerun: nothing is counted or paid twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from killed import WHERE, killed


@pytest.mark.timeout(300)
@WHERE
def test_a_run_that_gathers_evidence_and_is_killed_at_any_write_counts_nothing_twice(tmp_path: Path, where: str):
    whole, kills = killed(tmp_path, "gathering", where)
    assert (whole["outcomes"], whole["contests"]) == (["undecided", "undecided"], ["open"])
    same = whole.keys() - {"calls_again"}
    for kill in kills:
        assert {name: kill[name] for name in same} == {name: whole[name] for name in same}, kill
    assert any(0 < kill["calls_again"] < whole["calls_again"] for kill in kills), "no kill hit the middle of asking"
