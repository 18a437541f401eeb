"""The contract of Tracker on every adapter, and what Phoenix shows of a published run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from argotune.adapters.memory.traces import MemoryTracker
from argotune.adapters.phoenix.connection import PhoenixHttp
from argotune.adapters.phoenix.traces import PhoenixTraces
from argotune.adapters.phoenix.tracker import PhoenixTracker
from argotune.adapters.retrying import Patience
from argotune.data.spans import Span
from argotune.errors import Unavailable
from argotune.runs.tracker import TrackedExample, TrackedLinks, TrackedRun

FACTS = {"verdict": "promoted", "effect": 0.25, "attempt": 1, "p_value": float("nan"), "teacher": None}


@pytest.fixture(scope="module")
def phoenix_tracker(phoenix_url: str) -> Iterator[PhoenixTracker]:
    with closing(PhoenixTracker(PhoenixHttp(phoenix_url), "contract")) as tracker:
        yield tracker


@pytest.fixture(params=["memory", pytest.param("phoenix", marks=pytest.mark.phoenix)])
def tracker(request: pytest.FixtureRequest) -> MemoryTracker | PhoenixTracker:
    return MemoryTracker() if request.param == "memory" else request.getfixturevalue("phoenix_tracker")


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
    )


@pytest.fixture
def run(tenant: str, now: datetime) -> TrackedRun:
    """Six test examples and two for training."""
    examples = [*(example(n) for n in range(6)), example(6, "train"), example(7, "dev")]
    ended_at = now + timedelta(seconds=90)
    return TrackedRun(tenant, "modality.video", "run-1", "v-old", "v-new", examples, FACTS, now, ended_at)


def test_publishing_a_run_again_gives_the_same_links(tracker, run: TrackedRun) -> None:
    links = tracker.publish(run)
    assert tracker.publish(run) == links
    assert tracker.publish(replace(run, run_id="run-2")).comparison != links.comparison
    assert tracker.ping()


def test_a_tenant_without_traces_has_no_page(tracker, tenant: str) -> None:
    assert tracker.project_link(tenant) is None


@pytest.mark.phoenix
def test_links_lead_to_where_people_open_phoenix(phoenix_url: str, run: TrackedRun) -> None:
    with closing(PhoenixTracker(PhoenixHttp(phoenix_url), "contract", "https://phoenix.example/")) as tracker:
        links = tracker.publish(run)
    assert links.dataset.startswith("https://phoenix.example/datasets/")
    assert links.comparison.startswith("https://phoenix.example/datasets/")


def dataset_id(links: TrackedLinks) -> str:
    return urlsplit(links.dataset).path.split("/")[2]


def experiments(http: PhoenixHttp, links: TrackedLinks) -> dict[str, dict]:
    """By role, in the order of the comparison link."""
    ids = parse_qs(urlsplit(links.comparison).query)["experimentId"]
    found = [http.get(f"v1/experiments/{id}")["data"] for id in ids]
    return {experiment["metadata"]["role"]: experiment for experiment in found}


def scores(http: PhoenixHttp, experiment: dict) -> dict[str, list[float]]:
    """Query -> scores of an experiment's runs."""
    rows = http.get(f"v1/experiments/{experiment['id']}/json")
    return {row["input"]["query"]: [a["score"] for a in row["annotations"] if a["name"] == "score"] for row in rows}


def count(http: PhoenixHttp, path: str) -> int:
    return len(list(http.pages(path, {}, 100)))


@pytest.mark.phoenix
def test_phoenix_shows_one_dataset_and_both_programs_side_by_side(
    phoenix_tracker: PhoenixTracker, http: PhoenixHttp, run: TrackedRun
) -> None:
    for _ in range(2):
        links = phoenix_tracker.publish(run)
    path = f"v1/datasets/{dataset_id(links)}"
    assert http.get(path)["data"]["name"] == f"{run.tenant_id}/modality.video"
    assert http.get(path)["data"]["example_count"] == 8
    assert count(http, f"{path}/versions") == 1
    assert count(http, f"{path}/experiments") == 2
    found = experiments(http, links)
    assert list(found) == ["champion", "challenger"]
    names = {role: experiment["name"] for role, experiment in found.items()}
    assert names == {"champion": "modality.video v-old champion", "challenger": "modality.video v-new challenger"}
    assert scores(http, found["champion"]) == {f"query {n}": [n % 2] for n in range(6)}
    assert scores(http, found["challenger"]) == {f"query {n}": [1.0] for n in range(6)}
    for experiment in found.values():
        assert (experiment["successful_run_count"], experiment["missing_run_count"]) == (6, 0)
    assert found["challenger"]["metadata"] == FACTS | {
        "p_value": None, "role": "challenger", "version": "v-new", "run": "run-1"
    }  # fmt: skip


@pytest.mark.phoenix
def test_the_same_two_versions_met_again_are_experiments_of_their_own(
    phoenix_tracker: PhoenixTracker, http: PhoenixHttp, run: TrackedRun
) -> None:
    phoenix_tracker.publish(run)
    links = phoenix_tracker.publish(replace(run, run_id="run-2"))
    assert count(http, f"v1/datasets/{dataset_id(links)}/experiments") == 4


@pytest.mark.phoenix
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


@pytest.mark.phoenix
def test_a_later_run_changes_and_adds_examples_and_keeps_the_others(
    phoenix_tracker: PhoenixTracker, http: PhoenixHttp, run: TrackedRun
) -> None:
    first = phoenix_tracker.publish(run)
    changed = replace(run.examples[0], expected={"agent": "audio"})
    later = phoenix_tracker.publish(replace(run, run_id="run-2", examples=[changed, example(20)]))
    assert later.dataset == first.dataset
    examples = http.get(f"v1/datasets/{dataset_id(later)}/examples")["data"]["examples"]
    assert {e["id"]: e["output"]["agent"] for e in examples} == {
        "ex-0": "audio", "ex-20": "video", **{f"ex-{n}": "video" for n in range(1, 8)}
    }  # fmt: skip
    assert count(http, f"v1/datasets/{dataset_id(later)}/experiments") == 4
    assert scores(http, experiments(http, first)["champion"]) == {f"query {n}": [n % 2] for n in range(6)}


@pytest.mark.phoenix
@pytest.mark.parametrize("failing", ["/runs", "/v1/experiment_evaluations"])
def test_a_publication_that_broke_off_is_completed_not_repeated(
    phoenix_url: str, phoenix_tracker: PhoenixTracker, http: PhoenixHttp, bad_server, run: TrackedRun, failing: str
) -> None:
    asked = []

    def fails(path: str) -> bool:
        asked.append(path)
        return path.endswith(failing) and sum(p.endswith(failing) for p in asked) > 3

    bad_server.behind, bad_server.applies, bad_server.script[0].status = phoenix_url, fails, 500
    with (
        closing(PhoenixTracker(PhoenixHttp(bad_server.url, patience=Patience(retries=0)), "contract")) as broken,
        pytest.raises(Unavailable),
    ):
        broken.publish(run)
    links = phoenix_tracker.publish(run)
    assert count(http, f"v1/datasets/{dataset_id(links)}/experiments") == 2
    for experiment in experiments(http, links).values():
        assert {query: len(found) for query, found in scores(http, experiment).items()} == {
            f"query {n}": 1 for n in range(6)
        }


@pytest.mark.phoenix
def test_a_run_without_scored_examples_is_published_too(phoenix_tracker: PhoenixTracker, run: TrackedRun) -> None:
    links = phoenix_tracker.publish(replace(run, examples=[]))
    assert "experimentId" in links.comparison


@pytest.mark.phoenix
@pytest.mark.parametrize("name", ["../../etc", "a/b?c#d%2F", "{{workflow.uid}}", "$(x)", "\"' \\", "日本語 \U0001f600"])
def test_hostile_tenant_ids_name_a_dataset(
    phoenix_tracker: PhoenixTracker, http: PhoenixHttp, run: TrackedRun, name: str
) -> None:
    tenant = f"{name} {os.urandom(6).hex()}"
    links = phoenix_tracker.publish(replace(run, tenant_id=tenant, examples=[example(1)]))
    assert http.get(f"v1/datasets/{dataset_id(links)}")["data"]["name"] == f"{tenant}/modality.video"


@pytest.mark.phoenix
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
