"""Results in MLflow: per tenant and program one experiment with one dataset, per contest a run of each version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from argotune.adapters.json_http import Body, ServerRefused, segment, storable_json
from argotune.adapters.mlflow.connection import V2, V3, MlflowHttp, is_there_already, member, objects, text
from argotune.adapters.mlflow.names import model_name
from argotune.adapters.mlflow.results import (
    PROGRAM,
    RUN,
    TABLE_SHOWN,
    VERSION,
    Result,
    dataset_input,
    records,
    results_of,
)
from argotune.adapters.project_names import project_name, results_name
from argotune.runs.tracker import OpenTotals, TrackedLinks, TrackedRun

RECORDS_AT_ONCE = 500
RUNS_AT_ONCE = 100
DATASETS_AT_ONCE = 50
VERSIONS_AT_ONCE = 1000

NOTE = "mlflow.note.content"
"""The tag that MLflow shows as the description of an experiment."""

_SERVED = "mlflow-artifacts:"
"""How the place of a run's files begins where the server itself takes them."""


class MlflowTracker:
    """Tracker on one MLflow server. Publishing a run again completes what is missing and adds nothing else."""

    def __init__(self, http: MlflowHttp, prefix: str, public_url: str | None = None) -> None:
        """`public_url`: where people open MLflow, for links; by default where we reach it."""
        self._http, self._prefix = http, prefix
        self._public_url = (public_url or http.base).rstrip("/")

    def publish(self, run: TrackedRun) -> TrackedLinks:
        """Upsert the examples, then store both versions with their answers and scores as runs.

        Raises what MlflowHttp raises; publishing again after any of it is safe. A run ends when all of it is stored.
        """
        experiment_id = self._http.made_experiment(results_name(run))
        dataset_id = self._dataset(experiment_id, results_name(run))
        known = self._runs(experiment_id, run.run_id)
        results = list(results_of(run))
        if not all(_is_ended(known.get(result.role)) for result in results):
            self._store_records(run, dataset_id)
        ids = [self._published(run, result, experiment_id, dataset_id, known.get(result.role)) for result in results]
        self._note(experiment_id, "")
        return self._links(experiment_id, dataset_id, ids)

    def show_open(self, totals: OpenTotals) -> None:
        """Tell it in the note on the program's experiment, which is made where it is missing.

        Raises what MlflowHttp raises.
        """
        experiment_id = self._http.made_experiment(results_name(totals))
        self._note(experiment_id, f"At {totals.at:%Y-%m-%d %H:%M} the contest was {totals.sentence}")

    def _note(self, experiment_id: str, told: str) -> None:
        tag = {"experiment_id": experiment_id, "key": NOTE, "value": storable_json(told)}
        self._http.post(f"{V2}/experiments/set-experiment-tag", tag)

    def project_link(self, tenant_id: str) -> str | None:
        """The page of a tenant's traces, None when the tenant has sent none."""
        experiment_id = self._http.experiment_id(project_name(self._prefix, tenant_id))
        return f"{self._public_url}/#/experiments/{experiment_id}/traces" if experiment_id else None

    def ping(self) -> str:
        """MLflow's version, when it can be reached and lets us in."""
        return self._http.version()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def _links(self, experiment_id: str, dataset_id: str, run_ids: list[str]) -> TrackedLinks:
        runs, experiments = segment(json.dumps(run_ids)), segment(json.dumps([experiment_id]))
        compare = f"compare-runs?runs={runs}&experiments={experiments}"
        dataset = f"experiments/{experiment_id}/datasets?selectedDatasetId={dataset_id}"
        return TrackedLinks(f"{self._public_url}/#/{dataset}", f"{self._public_url}/#/{compare}")

    def _dataset(self, experiment_id: str, name: str) -> str:
        """The id of the experiment's dataset of this name, the oldest where two processes made one each."""
        path = f"{V3}/datasets/search"
        pages = self._http.pages(path, {"experiment_ids": [experiment_id]}, "datasets", DATASETS_AT_ONCE)
        found = [row for page in pages for row in page if row.get("name") == name]
        if found:
            return text(min(found, key=lambda row: (str(row.get("created_time")), str(row))), "dataset_id", path)
        path = f"{V3}/datasets/create"
        made = self._http.post(path, {"name": name, "experiment_ids": [experiment_id]}, can_repeat=False)
        return text(member(made, "dataset", path), "dataset_id", path)

    def _store_records(self, run: TrackedRun, dataset_id: str) -> None:
        found = records(run)
        for start in range(0, len(found), RECORDS_AT_ONCE):
            body = {"records": json.dumps(found[start : start + RECORDS_AT_ONCE])}
            self._http.post(f"{V3}/datasets/{segment(dataset_id)}/records", body)

    def _runs(self, experiment_id: str, run_id: str) -> dict[str, Mapping[str, Any]]:
        """The runs of a contest by role."""
        path, quoted = f"{V2}/runs/search", run_id.replace("'", "")
        body: Body = {
            "experiment_ids": [experiment_id],
            "filter": f"tags.`{RUN}` = '{quoted}'",
            "order_by": ["start_time"],
        }
        found = dict[str, Mapping[str, Any]]()
        for page in self._http.pages(path, body, "runs", RUNS_AT_ONCE):
            for row in page:
                found.setdefault(_tags(row).get("argotune.role", ""), member(row, "info", path))
        return found

    def _published(
        self, run: TrackedRun, result: Result, experiment_id: str, dataset_id: str, known: Mapping[str, Any] | None
    ) -> str:
        """The id of the MLflow run of one result, which is complete."""
        path = f"{V2}/runs/create"
        if known is None:
            made = self._http.post(path, {"experiment_id": experiment_id, **result.run_body}, can_repeat=False)
            known = member(member(made, "run", path), "info", path)
        id = text(known, "run_id", path)
        if _is_ended(known):
            return id
        for body in result.batches():
            self._http.post(f"{V2}/runs/log-batch", {"run_id": id, **body})
        dataset = dataset_input(run, results_name(run), dataset_id)
        self._http.post(f"{V2}/runs/log-inputs", {"run_id": id, "datasets": [dataset]})
        self._store_files(run, result, id, text(known, "artifact_uri", path))
        self._http.post(f"{V2}/runs/update", {"run_id": id, "status": "FINISHED", "end_time": result.ended_ms})
        return id

    def _store_files(self, run: TrackedRun, result: Result, id: str, place: str) -> None:
        """The table of answers, the program, and the version of a model that it is; nothing where the server does not
        take files."""
        if not place.startswith(_SERVED):
            return
        for name, content in result.files.items():
            self._http.put(f"api/2.0/mlflow-artifacts/artifacts/{_path_of(place)}/{name}", content)
        self._http.post(f"{V2}/runs/log-batch", {"run_id": id, "tags": [TABLE_SHOWN]})
        if result.state is not None:
            self._keep_version(run, result, id)

    def _keep_version(self, run: TrackedRun, result: Result, id: str) -> None:
        name, path = model_name(run), f"{V2}/model-versions/create"
        if result.version in self._versions(name):
            return
        body: Body = {"name": name, "source": f"runs:/{id}/{PROGRAM}", "run_id": id, "tags": result.tags}
        self._http.post(path, body, can_repeat=False)

    def _versions(self, name: str) -> set[str]:
        """Our ids of the versions of a model, which is made where it is missing."""
        try:
            self._http.post(f"{V2}/registered-models/create", {"name": name})
        except ServerRefused as refused:
            if not is_there_already(refused):
                raise
        path = f"{V2}/model-versions/search"
        answer = self._http.get(path, {"filter": f"name='{name}'", "max_results": VERSIONS_AT_ONCE})
        return {_tags(row).get(VERSION, "") for row in objects(answer, "model_versions", path)}


def _is_ended(info: Mapping[str, Any] | None) -> bool:
    return info is not None and info.get("status") == "FINISHED"


def _tags(row: Mapping[str, Any]) -> dict[str, str]:
    """Tags of a run, which has them in `data`, or of a version of a model."""
    found = objects(row.get("data", row), "tags", "tags")
    return {str(tag.get("key")): str(tag.get("value")) for tag in found}


def _path_of(place: str) -> str:
    """`1/run/artifacts` of `mlflow-artifacts:/1/run/artifacts` and of `mlflow-artifacts://host:5000/1/run/artifacts`."""
    rest = place.removeprefix(_SERVED)
    return (rest[2:].partition("/")[2] if rest.startswith("//") else rest).strip("/")
