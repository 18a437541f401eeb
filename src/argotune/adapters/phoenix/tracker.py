"""Results in Arize Phoenix: per tenant and program one dataset, per run two experiments on the same version of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

from argotune.adapters.json_http import Body, ServerRefused, segment, storable_json
from argotune.adapters.phoenix.connection import PhoenixHttp, rows
from argotune.adapters.project_names import project_name, results_name
from argotune.data.spans import Json
from argotune.errors import BadAnswer
from argotune.runs.tracker import (
    SCORE,
    Answered,
    OpenTotals,
    Side,
    TrackedExample,
    TrackedLinks,
    TrackedRun,
    sides_of,
)

ABOUT = "Examples of one program of one tenant, with the split they belong to"
PATCH = "mutation($input: PatchDatasetInput!) { patchDataset(input: $input) { dataset { id } } }"

UPLOAD_ROWS = 2000
LIST_ROWS = 500

EXPERIMENT_ROWS = 50

CLOCKS_APART = timedelta(days=1)
"""Experiments that Phoenix dates so much earlier than a run began are not the run's."""

WRITERS = 4
"""There is no route for many runs at once, so their requests go side by side."""

ALREADY_THERE = 409


class PhoenixTracker:
    """Tracker on one Phoenix server. Publishing a run again completes what is missing and adds nothing else."""

    def __init__(self, http: PhoenixHttp, prefix: str, public_url: str | None = None) -> None:
        """`public_url`: where people open Phoenix, for links; by default where we reach it."""
        self._http, self._prefix = http, prefix
        self._public_url = (public_url or http.base).rstrip("/")

    def publish(self, run: TrackedRun) -> TrackedLinks:
        """Upsert the examples, then store both programs' answers and scores as experiments.

        Raises what PhoenixHttp raises; publishing again after any of it is safe.
        """
        dataset_id, version_id = self._upload(results_name(run), run.examples)
        node_ids = self._node_ids(dataset_id, _scored_splits(run))
        sides = list(sides_of(run))
        names = frozenset(side.name for side in sides)
        known, ids = self._experiments(dataset_id, run.run_id, names, run.started_at - CLOCKS_APART), []
        for side in sides:
            experiment_id = known.get(side.name) or self._created(dataset_id, _experiment_body(side, version_id))
            self._write(run, experiment_id, {_id(node_ids, a.example.id): a for a in side.answered})
            ids.append(experiment_id)
        self._describe(dataset_id, ABOUT, {})
        link = f"{self._public_url}/datasets/{dataset_id}"
        return TrackedLinks(f"{link}/examples", f"{link}/compare?experimentId={ids[0]}&experimentId={ids[1]}")

    def show_open(self, totals: OpenTotals) -> None:
        """Tell it in the description and the metadata of the program's dataset, which is made where it is missing.

        Raises what PhoenixHttp raises.
        """
        name = results_name(totals)
        told = f"{ABOUT}. At {totals.at:%Y-%m-%d %H:%M} the contest was {totals.sentence}"
        self._describe(self._dataset_id(name), told, {"open_contest": storable_json(dict(totals.facts))})

    def _dataset_id(self, name: str) -> str:
        """The id of a dataset, which is made where it is missing."""
        found = rows(self._http.get("v1/datasets", {"name": name, "limit": 1}), "v1/datasets")
        return _id(found[0], "id") if found else self._upload(name, [])[0]

    def _describe(self, dataset_id: str, description: str, metadata: Mapping[str, Json]) -> None:
        described = {"datasetId": dataset_id, "description": storable_json(description), "metadata": metadata}
        self._http.graphql("patchDataset", PATCH, {"input": described})

    def project_link(self, tenant_id: str) -> str | None:
        """The page of a tenant's traces, None when the tenant has sent none."""
        project_id = self._http.project_id(project_name(self._prefix, tenant_id))
        return f"{self._public_url}/projects/{project_id}" if project_id else None

    def ping(self) -> str:
        """Phoenix's version, when it can be reached and takes our key."""
        return self._http.version()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def _upload(self, name: str, examples: Sequence[TrackedExample]) -> tuple[str, str]:
        """Add or change examples, keeping others; ids of the dataset and of its newest version."""
        answer: Any = None
        for start in range(0, max(1, len(examples)), UPLOAD_ROWS):
            body = _dataset_body(name, examples[start : start + UPLOAD_ROWS])
            answer = self._http.post("v1/datasets/upload", body, {"sync": "true"})
        data = _object(answer, "v1/datasets/upload")
        return _id(data, "dataset_id"), _id(data, "version_id")

    def _node_ids(self, dataset_id: str, splits: Sequence[str]) -> dict[str, str]:
        """Phoenix's ids of the examples of these splits by ours; the others have no answers to be stored."""
        if not splits:
            return {}
        path = f"v1/datasets/{segment(dataset_id)}/examples"
        examples = _object(self._http.get(path, {"split": list(splits)}), path).get("examples")
        return {_id(row, "id"): _id(row, "node_id") for row in rows({"data": examples}, path)}

    def _experiments(self, dataset_id: str, run_id: str, names: frozenset[str], since: datetime) -> dict[str, str]:
        """Ids of the named experiments of a run that were made since then: a version meets several others. Phoenix
        lists the newest first, so that of thousands one page is read."""
        path, found = f"v1/datasets/{segment(dataset_id)}/experiments", dict[str, str]()
        for row in self._http.pages(path, {}, EXPERIMENT_ROWS):
            if len(found) == len(names) or _is_before(row.get("created_at"), since):
                break
            metadata = row.get("metadata")
            if row.get("name") in names and isinstance(metadata, dict) and metadata.get("run") == run_id:
                found[str(row["name"])] = _id(row, "id")
        return found

    def _created(self, dataset_id: str, body: Body) -> str:
        path = f"v1/datasets/{segment(dataset_id)}/experiments"
        return _id(_object(self._http.post(path, body, can_repeat=False), path), "id")

    def _write(self, run: TrackedRun, experiment_id: str, answered: Mapping[str, Answered]) -> None:
        """Store the answers that are not there yet, then the scores that are not."""
        path = f"v1/experiments/{segment(experiment_id)}"
        there = {row.get("dataset_example_id") for row in self._http.pages(f"{path}/runs", {}, LIST_ROWS)}
        missing = {node_id: a for node_id, a in answered.items() if node_id not in there}
        bodies = [_run_body(run, node_id, a) for node_id, a in missing.items()]
        self._post_all(f"{path}/runs", bodies)
        self._post_all("v1/experiment_evaluations", list(self._not_evaluated(run, path, answered)))

    def _not_evaluated(self, run: TrackedRun, path: str, answered: Mapping[str, Answered]) -> Iterator[Body]:
        names = sorted({SCORE, *(name for answer in answered.values() for name in _evaluations(answer))})
        found = self._http.pages(f"{path}/incomplete-evaluations", {"evaluation_name": names}, LIST_ROWS)
        for row in found:
            stored = row.get("experiment_run")
            if not isinstance(stored, dict):
                raise BadAnswer(f"Phoenix: {path}/incomplete-evaluations: a row has no experiment_run")
            answer = answered.get(_id(stored, "dataset_example_id"))
            values, lacking = _evaluations(answer) if answer else {}, row.get("evaluation_names", names)
            for name in values.keys() & set(lacking):
                yield _evaluation_body(run, _id(stored, "id"), name, values[name])

    def _post_all(self, path: str, bodies: Sequence[Body]) -> None:
        with ThreadPoolExecutor(WRITERS) as pool:
            for _ in pool.map(lambda body: self._post_once(path, body), bodies):
                pass

    def _post_once(self, path: str, body: Body) -> None:
        try:
            self._http.post(path, body)
        except ServerRefused as refused:
            if refused.status != ALREADY_THERE:
                raise


def _evaluations(answered: Answered) -> dict[str, float]:
    """By the name under which Phoenix shows each beside the answer; what is not known is left out."""
    found = {SCORE: answered.score, "tokens": answered.effort.tokens, "usd": answered.effort.usd}
    return {name: float(value) for name, value in found.items() if value is not None}


def _dataset_body(name: str, examples: Sequence[TrackedExample]) -> Body:
    """Rows in columns. `append` adds and changes by example id and deletes nothing."""
    return {
        "action": "append",
        "name": name,
        "description": ABOUT,
        "inputs": [storable_json(dict(e.inputs)) for e in examples],
        "outputs": [storable_json(dict(e.expected)) for e in examples],
        "metadata": [{"label_source": e.label_source, "split": e.split} for e in examples],
        "splits": [e.split for e in examples],
        "span_ids": [e.span_id for e in examples],
        "example_ids": [e.id for e in examples],
    }


def _experiment_body(side: Side, version_id: str) -> Body:
    """An experiment on the splits that were scored, so that the others do not count as missing."""
    run, splits = side.run, _scored_splits(side.run)
    facts = {**run.facts, **side.efforts, "role": side.role, "version": side.version, "run": run.run_id}
    return {
        "name": side.name,
        "description": f"{side.role} {side.version} of {run.program}",
        "metadata": storable_json(facts),
        "version_id": version_id,
        **({"splits": splits} if splits else {}),
    }


def _scored_splits(run: TrackedRun) -> list[str]:
    return sorted({e.split for e in run.examples if e.champion_answers is not None or e.challenger_answers is not None})


def _is_before(at: object, since: datetime) -> bool:
    """A time that cannot be read says nothing."""
    try:
        return datetime.fromisoformat(str(at)) < since
    except (ValueError, TypeError):
        return False


def _run_body(run: TrackedRun, node_id: str, answered: Answered) -> Body:
    """It ends when the answer was written down. Both times are the same where nobody knows how long it took."""
    ended = answered.example.answered_at or run.ended_at
    started = ended - timedelta(seconds=answered.effort.seconds or 0.0)
    output = storable_json(dict(answered.answers))
    times = {"start_time": started.isoformat(), "end_time": ended.isoformat()}
    return {"dataset_example_id": node_id, "output": output, "repetition_number": 1, **times}


def _evaluation_body(run: TrackedRun, run_id: str, name: str, value: float) -> Body:
    at = run.ended_at.isoformat()
    return {
        "experiment_run_id": run_id,
        "name": name,
        "annotator_kind": "CODE",
        "result": {"score": storable_json(value)},
        "start_time": at,
        "end_time": at,
    }


def _object(answer: Any, path: str) -> Mapping[str, Any]:
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, dict):
        raise BadAnswer(f"Phoenix: {path}: `data` is not an object")
    return data


def _id(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value:
        raise BadAnswer(f"Phoenix: an answer has no {name}")
    return value
