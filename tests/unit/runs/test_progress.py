"""What a marker of an earlier release, which kept Phoenix's row ids, is read as."""

from __future__ import annotations

from typing import Any

import pytest

from argotune.adapters.phoenix.place import Place, place_of
from argotune.runs.progress import Marker


@pytest.mark.parametrize(
    ("rows", "read", "settled"),
    [
        ({"row_id": 0, "settled_row_id": 0, "last_span_id": None, "last_span_row": 0}, None, None),
        ({"row_id": 9, "settled_row_id": 7, "last_span_id": "ab", "last_span_row": 8}, (9, 8, "ab"), (7, 0, "")),
        ({"row_id": 9, "settled_row_id": 0, "last_span_id": "ab"}, (9, 0, "ab"), None),
        ({"row_id": 9}, (9, 0, ""), None),
    ],
)
def test_row_ids_are_read_as_the_cursors_of_phoenix(rows: dict[str, Any], read: Any, settled: Any):
    found = Marker.model_validate({**rows, "pass_id": "one", "learned": {"routing": "x"}})
    assert (found.pass_id, found.learned) == ("one", {"routing": "x"})
    assert found.cursor == (read and Place(*read).cursor)
    assert found.settled_cursor == (settled and Place(*settled).cursor)
    assert not read or place_of(found.cursor or "") == Place(*read)
