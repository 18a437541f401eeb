"""The contract of Tracker on every adapter: what people see of published runs."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime

import pytest
from contracts.trackers import Shown, ShownByMlflow, ShownByPhoenix, ShownInMemory, example, totals, tracked_run

from argotune.adapters.retrying import Patience
from argotune.errors import Unavailable
from argotune.runs.tracker import TrackedRun

PRODUCTS = [
    pytest.param("phoenix", marks=pytest.mark.phoenix),
    pytest.param("mlflow", marks=pytest.mark.mlflow),
]


@pytest.fixture(params=["memory", *PRODUCTS])
def shown(request: pytest.FixtureRequest) -> Shown:
    return _shown(request, request.param)


@pytest.fixture(params=PRODUCTS)
def product(request: pytest.FixtureRequest) -> Shown:
    """A product that has pages."""
    return _shown(request, request.param)


def _shown(request: pytest.FixtureRequest, name: str) -> Shown:
    if name == "memory":
        return ShownInMemory()
    url = request.getfixturevalue(f"{name}_url")
    return ShownByPhoenix(url) if name == "phoenix" else ShownByMlflow(url)


@pytest.fixture
def run(tenant: str, now: datetime) -> TrackedRun:
    return tracked_run(tenant, now)


def test_publishing_a_run_again_gives_the_same_links(shown: Shown, run: TrackedRun) -> None:
    tracker = shown.tracker()
    links = tracker.publish(run)
    assert tracker.publish(run) == links
    assert tracker.publish(replace(run, run_id="run-2")).comparison != links.comparison
    assert tracker.ping()


def test_a_tenant_without_traces_has_no_page(shown: Shown, tenant: str) -> None:
    assert shown.tracker().project_link(tenant) is None


def test_one_dataset_and_both_versions_are_seen_side_by_side(shown: Shown, run: TrackedRun) -> None:
    for _ in range(2):
        links = shown.tracker().publish(run)
    assert shown.expected(links) == {f"query {n}": "video" for n in range(8)}
    assert shown.parts(links) == 2
    assert shown.names(links) == {
        "champion": "modality.video v-old champion",
        "challenger": "modality.video v-new challenger",
    }
    champion = {f"query {n}": [n % 2] for n in range(6)}
    assert shown.scores(links) == {"champion": champion, "challenger": {f"query {n}": [1.0] for n in range(6)}}
    facts = shown.facts(links)
    assert (facts["verdict"], facts["effect"], facts["attempt"]) == ("promoted", 0.25, 1)


def test_answers_are_seen_with_what_they_took(shown: Shown, run: TrackedRun) -> None:
    for _ in range(2):
        links = shown.tracker().publish(run)
    found = shown.efforts(links)
    assert found["champion"] == {"query 0": (0.0, None, None)} | {
        f"query {n}": (0.25, 100 + n, None) for n in range(1, 6)
    }
    assert found["challenger"] == {f"query {n}": (1.5, 300 + n, 0.004) for n in range(6)}


def test_totals_of_an_open_contest_are_seen_until_its_run_is_published(shown: Shown, run: TrackedRun) -> None:
    assert shown.told_open(run) == ""
    for n in (12, 57):
        open_ = totals(run)
        shown.tracker().show_open(replace(open_, sentence=f"open: {n} answers of both"))
        assert f"open: {n} answers of both" in shown.told_open(run)
    links = shown.tracker().publish(run)
    assert shown.told_open(run) == ""
    assert shown.expected(links) == {f"query {n}": "video" for n in range(8)}
    shown.tracker().show_open(totals(run))
    assert "57 answers of both" in shown.told_open(run)
    assert shown.expected(links) == {f"query {n}": "video" for n in range(8)}


def test_the_same_two_versions_met_again_are_parts_of_their_own(shown: Shown, run: TrackedRun) -> None:
    shown.tracker().publish(run)
    links = shown.tracker().publish(replace(run, run_id="run-2"))
    assert shown.parts(links) == 4


def test_a_later_run_changes_and_adds_examples_and_keeps_the_others(shown: Shown, run: TrackedRun) -> None:
    first = shown.tracker().publish(run)
    changed = replace(run.examples[0], expected={"agent": "audio"})
    later = shown.tracker().publish(replace(run, run_id="run-2", examples=[changed, example(20)]))
    assert later.dataset == first.dataset
    kept = {f"query {n}": "video" for n in range(1, 8)}
    assert shown.expected(later) == {**kept, "query 0": "audio", "query 20": "video"}
    assert shown.scores(first)["champion"] == {f"query {n}": [n % 2] for n in range(6)}


def test_a_run_without_scored_examples_is_published_too(shown: Shown, run: TrackedRun) -> None:
    links = shown.tracker().publish(replace(run, examples=[]))
    assert shown.parts(links) == 2


@pytest.mark.parametrize("name", ["../../etc", "a/b?c#d%2F", "{{workflow.uid}}", "$(x)", "\"' \\", "日本語 \U0001f600"])
def test_hostile_tenant_ids_have_a_dataset_of_their_own(shown: Shown, run: TrackedRun, name: str) -> None:
    tenant = f"{name} {os.urandom(6).hex()}"
    links = shown.tracker().publish(replace(run, tenant_id=tenant, examples=[example(1)]))
    assert shown.expected(links) == {"query 1": "video"}
    assert shown.scores(links)["challenger"] == {"query 1": [1.0]}


def test_links_lead_to_where_people_open_the_product(product: Shown, run: TrackedRun) -> None:
    links = product.tracker(public_url="https://results.example/").publish(run)
    assert links.dataset.startswith("https://results.example/")
    assert links.comparison.startswith("https://results.example/")


def test_a_publication_that_broke_off_is_completed_not_repeated(product: Shown, run: TrackedRun, bad_server) -> None:
    for number, (failing, first) in enumerate(product.breaks_at.items()):
        broken, asked = replace(run, run_id=f"run-{number}", challenger_version=f"v-{number}"), list[str]()
        broken = replace(broken, states={broken.challenger_version: {"demos": []}})

        def fails(path: str, failing: str = failing, first: int = first, asked: list[str] = asked) -> bool:
            asked.append(path)
            return path.endswith(failing) and sum(each.endswith(failing) for each in asked) > first

        bad_server.behind, bad_server.applies, bad_server.script[0].status = product.url, fails, 500
        with pytest.raises(Unavailable):
            product.tracker(bad_server.url, patience=Patience(retries=0)).publish(broken)
        links = product.tracker().publish(broken)
        assert product.parts(links) == 2 * (number + 1), failing
        scores = product.scores(links)
        assert {role: set(map(len, found.values())) for role, found in scores.items()} == {
            "champion": {1}, "challenger": {1}
        }  # fmt: skip
