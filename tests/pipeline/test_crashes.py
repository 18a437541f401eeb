"""kill -9 at every write of a run, then a rerun: no half-written state, no second promotion, nothing paid twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from killed import WHERE, killed


@pytest.mark.timeout(300)
@WHERE
def test_a_run_that_is_killed_at_any_write_ends_as_if_it_had_not_been(tmp_path: Path, where: str):
    whole, kills = killed(tmp_path, "promoting", where)
    assert (whole["promotions"], whole["outcomes"]) == (1, ["promoted"])
    assert 10 < len(whole["queue"]) == whole["queued"] <= 40
    for kill in kills:
        assert kill["champion"] == whole["champion"], kill
        assert kill["promotions"] == 1, kill
        assert kill["outcomes"] == ["promoted"], kill
        assert (kill["contests"], kill["answered"]) == (["promoted"], whole["answered"]), kill
        assert kill["answers"] == whole["answers"], kill
        assert kill["paid"] == whole["paid"], kill
        assert kill["calls_again"] <= whole["calls_again"], kill
        assert (kill["queue"], kill["queued"], kill["labels"]) == (whole["queue"], whole["queued"], 150), kill
    assert any(0 < kill["calls_again"] < whole["calls_again"] for kill in kills), "no kill hit the middle of evaluate"
    late = [kill for kill in kills if kill["kill_at"] == max(k["kill_at"] for k in kills)]
    assert all(kill["calls_again"] == 0 for kill in late)
