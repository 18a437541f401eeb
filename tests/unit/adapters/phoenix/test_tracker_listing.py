"""What publishing asks Phoenix for: the examples that have answers, and the newest experiments only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from factories import NOON

from argotune.adapters.phoenix.tracker import PhoenixTracker
from argotune.runs.tracker import TrackedExample, TrackedRun


class Phoenix:
    """Answers as Phoenix does, for a dataset with an experiment every hour; counts the rows that are read."""

    base = "http://phoenix"

    def __init__(self, experiments: int, names: tuple[str, ...] = ()) -> None:
        self.experiments, self.names = experiments, names
        self.rows_read, self.asked = 0, list[tuple[str, Any]]()

    def post(self, path: str, _body: Any, *_params: Any, **_options: Any) -> Any:
        self.asked.append((path, None))
        return {"data": {"dataset_id": "d", "version_id": "v", "id": f"made {len(self.asked)}"}}

    def graphql(self, field: str, _query: str, _variables: Any) -> Any:
        self.asked.append((field, None))

    def get(self, path: str, params: Any = None) -> Any:
        self.asked.append((path, params))
        return {"data": {"examples": [{"id": "e", "node_id": "n"}]}}

    def pages(self, path: str, _params: Any, _limit: int) -> Iterator[dict[str, Any]]:
        if path.endswith("/experiments"):
            for number in range(self.experiments):
                self.rows_read += 1
                name = self.names[number] if number < len(self.names) else f"other {number}"
                at = NOON + timedelta(minutes=5) - timedelta(hours=number)
                yield {"name": name, "id": f"x{number}", "created_at": at.isoformat(), "metadata": {"run": "run-1"}}


def publish(phoenix: Phoenix, answers: dict[str, str] | None = None) -> str:
    tested = TrackedExample("e", {"query": "q"}, {"agent": "a"}, "test", "human", None, answers, 1.0, answers, 1.0)
    trained = TrackedExample("t", {"query": "r"}, {"agent": "a"}, "train", "human", None)
    run = TrackedRun("acme", "routing", "run-1", "v0", "v1", [tested, trained], {}, NOON, NOON)
    return PhoenixTracker(phoenix, "cogniverse").publish(run).comparison


def test_of_thousands_of_experiments_those_of_a_day_are_read() -> None:
    phoenix = Phoenix(5000)
    publish(phoenix, {"agent": "a"})
    assert phoenix.rows_read < 2 * 2 * 27


def test_experiments_that_are_there_are_taken_and_no_more_are_read() -> None:
    names = ("other", "routing v1 challenger", "routing v0 champion")
    phoenix = Phoenix(5000, names)
    assert publish(phoenix, {"agent": "a"}).endswith("experimentId=x2&experimentId=x1")
    assert phoenix.rows_read <= 4


def test_examples_without_answers_are_not_listed() -> None:
    phoenix = Phoenix(0)
    publish(phoenix, {"agent": "a"})
    assert ("v1/datasets/d/examples", {"split": ["test"]}) in phoenix.asked
    silent = Phoenix(0)
    publish(silent)
    assert "v1/datasets/d/examples" not in [path for path, _ in silent.asked]
