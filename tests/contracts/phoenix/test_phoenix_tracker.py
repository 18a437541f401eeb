"""What only Phoenix shows of a published run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from contracts.trackers import FACTS, tracked_run

from argotune.adapters.phoenix.connection import PhoenixHttp
from argotune.adapters.phoenix.traces import PhoenixTraces
from argotune.adapters.phoenix.tracker import PhoenixTracker
from argotune.data.spans import Span
from argotune.runs.tracker import TrackedLinks, TrackedRun

pytestmark = pytest.mark.phoenix


@pytest.fixture(scope="module")
def phoenix_tracker(phoenix_url: str) -> Iterator[PhoenixTracker]:
    with closing(PhoenixTracker(PhoenixHttp(phoenix_url), "contract")) as tracker:
        yield tracker


@pytest.fixture
def run(tenant: str, now: datetime) -> TrackedRun:
    return tracked_run(tenant, now)


def dataset_id(links: TrackedLinks) -> str:
    return urlsplit(links.dataset).path.split("/")[2]


def test_a_dataset_has_one_version_and_a_tenant_s_name_and_experiments_have_the_facts(
    phoenix_tracker: PhoenixTracker, http: PhoenixHttp, run: TrackedRun
) -> None:
    for _ in range(2):
        links = phoenix_tracker.publish(run)
    path = f"v1/datasets/{dataset_id(links)}"
    assert http.get(path)["data"]["name"] == f"{run.tenant_id}/modality.video"
    assert len(list(http.pages(f"{path}/versions", {}, 100))) == 1
    ids = parse_qs(urlsplit(links.comparison).query)["experimentId"]
    found = [http.get(f"v1/experiments/{id}")["data"] for id in ids]
    assert [experiment["metadata"]["role"] for experiment in found] == ["champion", "challenger"]
    for experiment in found:
        assert (experiment["successful_run_count"], experiment["missing_run_count"]) == (6, 0)
    assert found[1]["metadata"] == FACTS | {
        "p_value": None, "role": "challenger", "version": "v-new", "run": "run-1",
        "mean_seconds": 1.5, "answers_with_seconds": 6, "mean_tokens": 302.5, "answers_with_tokens": 6,
        "mean_usd": pytest.approx(0.004), "answers_with_usd": 6,
    }  # fmt: skip
    assert {found[0]["metadata"][f"answers_with_{name}"] for name in ("seconds", "tokens")} == {5}
    assert "mean_usd" not in found[0]["metadata"], "unknown is not nothing"


def test_splits_labels_and_span_links_are_with_the_examples(
    phoenix: PhoenixTraces, phoenix_tracker: PhoenixTracker, http: PhoenixHttp, run: TrackedRun, make_span
) -> None:
    span: Span = make_span()
    phoenix.record(run.tenant_id, [span])
    first, *others = run.examples
    links = phoenix_tracker.publish(replace(run, examples=[replace(first, span_id=span.span_id), *others]))
    path = f"v1/datasets/{dataset_id(links)}/examples"
    by_split = {split: http.get(path, {"split": split})["data"]["examples"] for split in ("train", "dev", "test")}
    assert {split: len(examples) for split, examples in by_split.items()} == {"train": 1, "dev": 1, "test": 6}
    shown = next(e for e in by_split["test"] if e["id"] == "ex-0")
    assert (shown["input"], shown["output"]) == ({"query": "query 0"}, {"agent": "video"})
    assert shown["metadata"] == {"label_source": "human", "split": "test"}
    assert shown["source"]["span_id"] == span.span_id
    link = phoenix_tracker.project_link(run.tenant_id)
    assert link is not None
    assert link.startswith(http.base + "/projects/")


def test_nothing_goes_to_the_project_that_all_tenants_share(
    phoenix_tracker: PhoenixTracker, http: PhoenixHttp, run: TrackedRun, is_empty: Callable[[str], bool]
) -> None:
    phoenix_tracker.publish(run)
    names = [row["name"] for row in http.pages("v1/projects", {"include_experiment_projects": "true"}, 100)]
    assert "evaluators" not in names
    assert all(is_empty(name) for name in names if name.startswith("Experiment-"))


@pytest.fixture
def is_empty(http: PhoenixHttp) -> Callable[[str], bool]:
    query = "query($name: String!) { getProjectByName(name: $name) { recordCount } }"
    return lambda name: http.graphql("getProjectByName", query, {"name": name})["recordCount"] == 0
