"""Runs on Argo, asked without a command line: an argument that cannot be meant is named, and nothing is submitted."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import pytest

from argotune.adapters.memory.runner import MemoryRunner
from argotune.errors import ConfigInvalid, NotFound
from argotune.pipeline.operations.on_argo import logs_of, newest_run, retry_run, submit_run
from argotune.scheduling.rounds import RoundRequest
from argotune.scheduling.workflow import Submission

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def runner() -> MemoryRunner:
    return MemoryRunner(lambda: NOW)


@pytest.mark.parametrize(
    ("asked", "argument"),
    [
        ({"modules": "mine"}, "module"),
        ({"optimizer": "magic"}, "optimizer"),
        ({"max_lm_calls": 0}, "max_lm_calls"),
        ({"cpu": "lots"}, "cpu"),
        ({"memory": "4 Gi"}, "memory"),
    ],
)
def test_an_argument_that_cannot_be_meant_is_named_and_nothing_is_submitted(runner: MemoryRunner, asked, argument):
    with pytest.raises(ConfigInvalid) as told:
        submit_run(runner, Submission("acme", **asked), lambda: "id")
    assert told.value.argument == argument
    assert runner.manifests == {}


@pytest.mark.parametrize(
    ("asked", "argument"), [({"max_submissions": -1}, "max_submissions"), ({"rate_per_s": 0.0}, "rate_per_s")]
)
def test_a_round_that_cannot_be_meant_is_told_by_its_argument(asked, argument):
    with pytest.raises(ConfigInvalid) as told:
        RoundRequest("name", "uid", "template", **asked)
    assert told.value.argument == argument


def test_a_submitted_run_is_the_newest_and_one_id_is_one_workflow(runner: MemoryRunner):
    names = [submit_run(runner, Submission("acme"), partial(str, occasion)) for occasion in ("a", "a", "b")]
    assert (names[0] == names[1], len(runner.manifests)) == (True, 2)
    assert newest_run(runner, "acme").name in names
    with pytest.raises(NotFound):
        newest_run(runner, "nobody")


def test_a_retry_checks_its_size_before_it_asks_the_cluster(runner: MemoryRunner):
    with pytest.raises(ConfigInvalid, match="cpu: 'many' is not an amount"):
        list(retry_run(runner, "auto-opt-nobody-12345", lambda: "id", cpu="many"))
    with pytest.raises(NotFound):
        list(logs_of(runner, "auto-opt-nobody-12345"))
