"""What only MLflow shows of a published run."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from contracts.trackers import ShownByMlflow, tracked_run

from argotune.runs.tracker import TrackedRun

pytestmark = pytest.mark.mlflow


@pytest.fixture
def shown(mlflow_url: str) -> ShownByMlflow:
    return ShownByMlflow(mlflow_url)


@pytest.fixture
def run(tenant: str, now: datetime) -> TrackedRun:
    return tracked_run(tenant, now)


def test_a_run_has_score_facts_dataset_and_a_table_that_its_page_shows(shown: ShownByMlflow, run: TrackedRun) -> None:
    links = shown.tracker().publish(run)
    _, challenger = shown.runs(links)
    facts = shown.facts(links)
    assert (facts["score"], facts["scored_examples"], facts["role"], facts["version"]) == (1, 6, "challenger", "v-new")
    assert not {"p_value", "teacher"} & set(facts)
    assert challenger["info"]["status"] == "FINISHED"
    assert challenger["info"]["start_time"] == int(run.started_at.timestamp() * 1000)
    (read,) = challenger["inputs"]["dataset_inputs"]
    assert read["dataset"]["name"] == f"{run.tenant_id}/modality.video"
    assert '"path": "eval_results_table.json"' in shown.tags(challenger)["mlflow.loggedArtifacts"]
    assert shown.table(challenger)[0] == {
        "example": "ex-0", "split": "test", "label_source": "human", "span": None, "inputs/query": "query 0",
        "expected/agent": "video", "outputs/agent": "video", "score": 1.0,
        "seconds": 1.5, "tokens": 300, "usd": 0.004,
    }  # fmt: skip


def test_each_version_is_one_version_of_a_model_whatever_the_contests(shown: ShownByMlflow, run: TrackedRun) -> None:
    contests = [shown.tracker().publish(replace(run, run_id=f"run-{number}")) for number in range(2)]
    (_, first), (_, second) = (shown.runs(links) for links in contests)
    (version,) = versions_of(shown, first)
    assert {tag["key"]: tag["value"] for tag in version["tags"]}["argotune.version"] == "v-new"
    assert shown.artefact(first, "program.json") == {"demos": [{"query": "q"}]}
    assert versions_of(shown, second) == []


def versions_of(shown: ShownByMlflow, run: dict) -> list[dict]:
    query = {"filter": f"run_id='{run['info']['run_id']}'"}
    return shown.http.get("api/2.0/mlflow/model-versions/search", query).get("model_versions", [])


def test_where_the_server_takes_no_files_all_but_tables_and_versions_is_shown(
    shown: ShownByMlflow, run: TrackedRun
) -> None:
    elsewhere = {"name": f"{run.tenant_id}/{run.program}", "artifact_location": "s3://bucket/results"}
    shown.http.post("api/2.0/mlflow/experiments/create", elsewhere)
    links = shown.tracker().publish(run)
    _, challenger = shown.runs(links)
    assert challenger["info"]["status"] == "FINISHED"
    assert (shown.facts(links)["score"], len(shown.expected(links))) == (1, 8)
    assert "mlflow.loggedArtifacts" not in shown.tags(challenger)
    assert versions_of(shown, challenger) == []
