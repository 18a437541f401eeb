"""The products on which the contract of Tracker is run, and what people see of a published run in each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import parse_qs, quote, urlsplit

from factories import NOON

from argotune.adapters.memory.traces import MemoryTracker
from argotune.adapters.mlflow.connection import MlflowHttp
from argotune.adapters.mlflow.tracker import MlflowTracker
from argotune.adapters.phoenix.connection import PhoenixHttp
from argotune.adapters.phoenix.tracker import ABOUT, PhoenixTracker
from argotune.adapters.retrying import USUAL, Patience
from argotune.lm.effort import Effort
from argotune.runs.tracker import OpenTotals, TrackedExample, TrackedLinks, TrackedRun, Tracker

Scores = Mapping[str, list[float | None]]
"""The scores that are shown beside an example, by its query."""


Efforts = Mapping[str, tuple[float, int | None, float | None]]
"""Seconds (0 where nobody knows them), tokens and dollars that are shown beside an example, by its query."""


FACTS = {"verdict": "promoted", "effect": 0.25, "attempt": 1, "p_value": float("nan"), "teacher": None}


def example(number: int, split: str = "test") -> TrackedExample:
    plain = TrackedExample(f"ex-{number}", {"query": f"query {number}"}, {"agent": "video"}, split, "human", None)
    if split != "test":
        return plain
    hit = float(number % 2)
    return replace(
        plain,
        champion_answers={"agent": "video" if hit else "au\x00dio"},
        champion_score=hit,
        challenger_answers={"agent": "video"},
        challenger_score=1.0,
        champion_effort=Effort(0.25, 100 + number) if number else Effort(),
        challenger_effort=Effort(1.5, 300 + number, 0.004),
        answered_at=NOON + timedelta(minutes=number),
    )


def totals(run: TrackedRun) -> OpenTotals:
    """How the run's contest stood while it was open."""
    facts = {"answers": 57, "answers_that_differ": 12, "log_wealth": 1.5}
    return OpenTotals(run.tenant_id, run.program, "open: 10 labels, 57 answers of both", facts, NOON)


def tracked_run(tenant: str, now: datetime) -> TrackedRun:
    """Six test examples and two for training."""
    examples = [*(example(n) for n in range(6)), example(6, "train"), example(7, "dev")]
    ended_at, states = now + timedelta(seconds=90), {"v-old": {"demos": []}, "v-new": {"demos": [{"query": "q"}]}}
    return TrackedRun(tenant, "modality.video", "run-1", "v-old", "v-new", examples, FACTS, now, ended_at, states)


class Shown(Protocol):
    """A product, and what it shows."""

    breaks_at: Mapping[str, int]
    """Ends of paths at which a publication is made to break off, and how often they answer before."""

    def tracker(self, url: str = "", public_url: str | None = None, patience: Patience = USUAL) -> Tracker: ...

    def expected(self, links: TrackedLinks) -> dict[str, str]:
        """The right agent of each example of the dataset, by its query."""

    def scores(self, links: TrackedLinks) -> dict[str, Scores]:
        """Of each role."""

    def names(self, links: TrackedLinks) -> dict[str, str]:
        """Of each role's experiment or run."""

    def facts(self, links: TrackedLinks) -> dict[str, Any]:
        """What the challenger's page says."""

    def efforts(self, links: TrackedLinks) -> dict[str, Efforts]:
        """Of each role."""

    def told_open(self, run: TrackedRun) -> str:
        """What is told of an open contest where the program's results are, "" where there is none."""

    def parts(self, links: TrackedLinks) -> int:
        """How many results there are of the program, of all contests."""


class ShownInMemory:
    breaks_at: Mapping[str, int] = {}

    def __init__(self) -> None:
        self._tracker = MemoryTracker()

    def tracker(self, url: str = "", public_url: str | None = None, patience: Patience = USUAL) -> MemoryTracker:
        return self._tracker

    def expected(self, links: TrackedLinks) -> dict[str, str]:
        return {e.inputs["query"]: e.expected["agent"] for run in self._tracker.runs.values() for e in run.examples}

    def scores(self, links: TrackedLinks) -> dict[str, Scores]:
        answered = [e for e in self._run(links).examples if e.champion_answers is not None]
        champion = {e.inputs["query"]: [e.champion_score] for e in answered}
        return {"champion": champion, "challenger": {e.inputs["query"]: [e.challenger_score] for e in answered}}

    def names(self, links: TrackedLinks) -> dict[str, str]:
        run = self._run(links)
        versions = {"champion": run.champion_version, "challenger": run.challenger_version}
        return {role: f"{run.program} {version} {role}" for role, version in versions.items()}

    def facts(self, links: TrackedLinks) -> dict[str, Any]:
        return dict(self._run(links).facts)

    def efforts(self, links: TrackedLinks) -> dict[str, Efforts]:
        run = self._run(links)
        return {
            role: {
                e.inputs["query"]: (effort.seconds or 0.0, effort.tokens, effort.usd)
                for e in run.examples
                if e.champion_answers and (effort := getattr(e, f"{role}_effort"))
            }
            for role in ("champion", "challenger")
        }

    def told_open(self, run: TrackedRun) -> str:
        found = self._tracker.open.get((run.tenant_id, run.program))
        return f"{found.sentence} {dict(found.facts)}" if found else ""

    def parts(self, links: TrackedLinks) -> int:
        return 2 * len(self._tracker.runs)

    def _run(self, links: TrackedLinks) -> TrackedRun:
        return self._tracker.runs[links.comparison.rpartition("/")[2]]


class ShownByPhoenix:
    breaks_at: Mapping[str, int] = {"/runs": 3, "/v1/experiment_evaluations": 3}

    def __init__(self, url: str) -> None:
        self.url, self.http = url, PhoenixHttp(url)

    def tracker(self, url: str = "", public_url: str | None = None, patience: Patience = USUAL) -> PhoenixTracker:
        return PhoenixTracker(PhoenixHttp(url or self.url, patience=patience), "contract", public_url)

    def expected(self, links: TrackedLinks) -> dict[str, str]:
        examples = self.http.get(f"{self._dataset(links)}/examples")["data"]["examples"]
        return {example["input"]["query"]: example["output"]["agent"] for example in examples}

    def scores(self, links: TrackedLinks) -> dict[str, Scores]:
        rows = {e["metadata"]["role"]: self.http.get(f"v1/experiments/{e['id']}/json") for e in self._parts(links)}
        return {
            role: {
                row["input"]["query"]: [a["score"] for a in row["annotations"] if a["name"] == "score"] for row in all
            }
            for role, all in rows.items()
        }

    def names(self, links: TrackedLinks) -> dict[str, str]:
        return {experiment["metadata"]["role"]: experiment["name"] for experiment in self._parts(links)}

    def facts(self, links: TrackedLinks) -> dict[str, Any]:
        return next(e["metadata"] for e in self._parts(links) if e["metadata"]["role"] == "challenger")

    def efforts(self, links: TrackedLinks) -> dict[str, Efforts]:
        rows = {e["metadata"]["role"]: self.http.get(f"v1/experiments/{e['id']}/json") for e in self._parts(links)}
        return {role: {row["input"]["query"]: _effort(row) for row in all} for role, all in rows.items()}

    def told_open(self, run: TrackedRun) -> str:
        found = self.http.get("v1/datasets", {"name": f"{run.tenant_id}/{run.program}"})["data"]
        (dataset,) = found or [{"description": "", "metadata": {}}]
        contest = dataset["metadata"].get("open_contest", "")
        return dataset["description"].removeprefix(ABOUT) + str(contest)

    def parts(self, links: TrackedLinks) -> int:
        return len(list(self.http.pages(f"{self._dataset(links)}/experiments", {}, 100)))

    def _dataset(self, links: TrackedLinks) -> str:
        return f"v1/datasets/{urlsplit(links.dataset).path.split('/')[2]}"

    def _parts(self, links: TrackedLinks) -> list[dict[str, Any]]:
        ids = parse_qs(urlsplit(links.comparison).query)["experimentId"]
        return [self.http.get(f"v1/experiments/{id}")["data"] for id in ids]


def _scores(row: Mapping[str, Any]) -> list[float | None]:
    return [annotation["score"] for annotation in row["annotations"] if annotation["name"] == "score"]


def _effort(row: Mapping[str, Any]) -> tuple[float, int | None, float | None]:
    took = datetime.fromisoformat(row["end_time"]) - datetime.fromisoformat(row["start_time"])
    beside = {annotation["name"]: annotation["score"] for annotation in row["annotations"]}
    return took.total_seconds(), beside.get("tokens"), beside.get("usd")


class ShownByMlflow:
    breaks_at: Mapping[str, int] = {
        "/records": 0,
        "/runs/create": 1,
        "/log-batch": 1,
        "/log-inputs": 1,
        "/eval_results_table.json": 1,
        "/model-versions/create": 0,
    }

    def __init__(self, url: str) -> None:
        self.url, self.http = url, MlflowHttp(url)

    def tracker(self, url: str = "", public_url: str | None = None, patience: Patience = USUAL) -> MlflowTracker:
        return MlflowTracker(MlflowHttp(url or self.url, patience=patience), "contract", public_url)

    def expected(self, links: TrackedLinks) -> dict[str, str]:
        dataset_id = links.dataset.partition("selectedDatasetId=")[2]
        records = self.http.get(f"api/3.0/mlflow/datasets/{dataset_id}/records", {"max_results": 1000})["records"]
        return {row["inputs"]["query"]: row["expectations"]["agent"] for row in json.loads(records)}

    def scores(self, links: TrackedLinks) -> dict[str, Scores]:
        found: dict[str, Scores] = {}
        for run in self.runs(links):
            rows = self.table(run)
            found[self.tags(run)["argotune.role"]] = {row["inputs/query"]: [row["score"]] for row in rows}
        return found

    def names(self, links: TrackedLinks) -> dict[str, str]:
        return {self.tags(run)["argotune.role"]: run["info"]["run_name"] for run in self.runs(links)}

    def facts(self, links: TrackedLinks) -> dict[str, Any]:
        data = self.runs(links)[1]["data"]
        metrics = {metric["key"]: metric["value"] for metric in data["metrics"]}
        return metrics | {param["key"]: param["value"] for param in data["params"]}

    def efforts(self, links: TrackedLinks) -> dict[str, Efforts]:
        return {
            self.tags(run)["argotune.role"]: {
                row["inputs/query"]: (row["seconds"] or 0.0, row["tokens"], row["usd"]) for row in self.table(run)
            }
            for run in self.runs(links)
        }

    def told_open(self, run: TrackedRun) -> str:
        id = self.http.experiment_id(f"{run.tenant_id}/{run.program}")
        found = self.http.get("api/2.0/mlflow/experiments/get", {"experiment_id": id})["experiment"] if id else {}
        tags = {tag["key"]: tag["value"] for tag in found.get("tags", [])}
        return tags.get("mlflow.note.content", "")

    def parts(self, links: TrackedLinks) -> int:
        experiment = links.dataset.partition("experiments/")[2].partition("/")[0]
        return len(self.http.post("api/2.0/mlflow/runs/search", {"experiment_ids": [experiment]})["runs"])

    def runs(self, links: TrackedLinks) -> list[dict[str, Any]]:
        """The runs of the comparison, the champion's first."""
        ids = json.loads(parse_qs(links.comparison.partition("?")[2])["runs"][0])
        return [self.http.get("api/2.0/mlflow/runs/get", {"run_id": id})["run"] for id in ids]

    def table(self, run: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The rows of a run's table, by column."""
        table = self.artefact(run, "eval_results_table.json")
        return [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]

    def artefact(self, run: Mapping[str, Any], name: str) -> Any:
        place = run["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
        return self.http.get(f"api/2.0/mlflow-artifacts/artifacts/{quote(place)}/{name}")

    def tags(self, run: Mapping[str, Any]) -> dict[str, str]:
        return {tag["key"]: tag["value"] for tag in run["data"]["tags"]}
