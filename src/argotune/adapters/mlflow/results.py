"""A tracked run as MLflow's routes take it: runs with parameters and metrics, a table of answers, dataset records."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from argotune.adapters.json_http import Body, storable_json
from argotune.adapters.mlflow.spans import ms_of
from argotune.data.spans import Json
from argotune.runs.tracker import SCORE, Answered, Side, TrackedExample, TrackedRun, sides_of
from argotune.store.sealing import digest

TABLE = "eval_results_table.json"
"""The name under which MLflow's pages show a table of a run's answers."""

PROGRAM = "program.json"

RUN, ROLE, VERSION = "argotune.run", "argotune.role", "argotune.version"

PARAMS_AT_ONCE = 100
METRICS_AT_ONCE = 1000
PARAM_CHARS = 6000

TABLE_SHOWN = {"key": "mlflow.loggedArtifacts", "value": json.dumps([{"path": TABLE, "type": "table"}])}
"""The tag by which MLflow's pages know that a run has a table."""

CHOICES = ("seed", "max_iterations")
"""Numbers that somebody chose: parameters, where other numbers are metrics."""


@dataclass(frozen=True)
class Result(Side):
    """One version's part of a contest, as MLflow is told it."""

    @property
    def state(self) -> Body | None:
        """The program as DSPy saves it, None where it is not told."""
        found = self.run.states.get(self.version)
        return None if found is None else storable_json(found)

    @property
    def tags(self) -> list[Json]:
        """By which a run or a version of a model is found again."""
        run = self.run
        tags = {RUN: run.run_id, ROLE: self.role, VERSION: self.version, "argotune.tenant": run.tenant_id}
        return _pairs({**tags, "argotune.program": run.program})

    @property
    def run_body(self) -> Body:
        """What the route that makes a run is told."""
        run = self.run
        about = {
            "mlflow.note.content": f"{self.role} {self.version} of {run.program}",
            "mlflow.source.name": "argotune",
        }
        tags = [*self.tags, *_pairs(about)]
        return {"run_name": storable_json(self.name), "start_time": ms_of(run.started_at), "tags": tags}

    @property
    def files(self) -> dict[str, Body]:
        """What is stored beside a run, by file name."""
        return {TABLE: self.table, **({} if self.state is None else {PROGRAM: self.state})}

    @property
    def ended_ms(self) -> int:
        """When the contest ended."""
        return ms_of(self.run.ended_at)

    @property
    def metrics(self) -> dict[str, float]:
        """The mean score of the examples that were scored, how many there were, and the facts that are numbers."""
        scores = [a.score for a in self.answered if a.score is not None]
        own = {SCORE: math.fsum(scores) / len(scores)} if scores else {}
        efforts = {name: float(n) for name, n in self.efforts.items()}
        return {**own, "scored_examples": float(len(scores)), **efforts, **dict(self._numbers())}

    @property
    def params(self) -> dict[str, str]:
        """The facts that are no numbers."""
        facts = {**self.run.facts, "role": self.role, "version": self.version}
        shown = {name: value for name, value in facts.items() if value is not None and not _is_measured(value, name)}
        return {name: str(storable_json(str(value)))[:PARAM_CHARS] for name, value in shown.items()}

    def _numbers(self) -> Iterator[tuple[str, float]]:
        """MLflow takes no number that JSON does not have."""
        for name, value in self.run.facts.items():
            if _is_measured(value, name) and math.isfinite(float(value)):
                yield name, float(value)

    @property
    def table(self) -> Body:
        """The answers in MLflow's form of a table, an example a row."""
        of_inputs, of_expected, of_answers = (
            sorted({name for part in parts for name in part})
            for parts in (
                [a.example.inputs for a in self.answered],
                [a.example.expected for a in self.answered],
                [a.answers for a in self.answered],
            )
        )
        columns = ["example", "split", "label_source", "span"]
        columns += [f"inputs/{name}" for name in of_inputs] + [f"expected/{name}" for name in of_expected]
        columns += [f"outputs/{name}" for name in of_answers] + [SCORE, "seconds", "tokens", "usd"]
        rows = [_row(each, of_inputs, of_expected, of_answers) for each in self.answered]
        return {"columns": storable_json(columns), "data": storable_json(rows)}

    def batches(self) -> Iterator[Body]:
        """Parameters and metrics, so many at once as MLflow takes."""
        params, at = _pairs(self.params), self.ended_ms
        metrics: list[Json] = [{"key": key, "value": v, "timestamp": at, "step": 0} for key, v in self.metrics.items()]
        for start in range(0, len(params), PARAMS_AT_ONCE):
            yield {"params": params[start : start + PARAMS_AT_ONCE]}
        for start in range(0, len(metrics), METRICS_AT_ONCE):
            yield {"metrics": metrics[start : start + METRICS_AT_ONCE]}


def results_of(run: TrackedRun) -> Iterator[Result]:
    """Both versions' results, the champion's first."""
    return (Result(side.run, side.role, side.version, side.answered) for side in sides_of(run))


def records(run: TrackedRun) -> list[Body]:
    """The run's examples as records of an MLflow dataset, which knows them again by their inputs."""
    return [_record(example) for example in run.examples]


def dataset_input(run: TrackedRun, name: str, dataset_id: str) -> Body:
    """The dataset as the input of a run."""
    content = digest([[e.id, dict(e.expected), e.split] for e in run.examples])
    dataset = {
        "name": name,
        "digest": content[:8],
        "source_type": "mlflow_evaluation_dataset",
        "source": json.dumps({"dataset_id": dataset_id}),
        "profile": json.dumps({"num_rows": len(run.examples)}),
    }
    return {"tags": _pairs({"mlflow.data.context": "evaluation"}), "dataset": dataset}


def _record(example: TrackedExample) -> Body:
    tags = {"split": example.split, "label_source": example.label_source, "example": example.id}
    return {
        "inputs": storable_json(dict(example.inputs)),
        "expectations": storable_json(dict(example.expected)),
        "tags": {**tags, **({"span": example.span_id} if example.span_id else {})},
        "source": {"source_type": "HUMAN" if example.label_source == "human" else "CODE", "source_data": {}},
    }


def _row(each: Answered, of_inputs: Sequence[str], of_expected: Sequence[str], of_answers: Sequence[str]) -> list[Json]:
    example, answers = each.example, each.answers
    return [
        *(example.id, example.split, example.label_source, example.span_id),
        *(example.inputs.get(name) for name in of_inputs),
        *(example.expected.get(name) for name in of_expected),
        *(answers.get(name) for name in of_answers),
        each.score,
        *(each.effort.seconds, each.effort.tokens, each.effort.usd),
    ]


def _is_measured(value: str | float | int | bool | None, name: str) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and name not in CHOICES


def _pairs(values: Mapping[str, str]) -> list[Json]:
    return [{"key": key, "value": str(storable_json(value))} for key, value in values.items()]
