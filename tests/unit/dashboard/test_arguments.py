"""The documented command lines, and a sentence for each that is wrong."""

from __future__ import annotations

import pytest

from argotune.dashboard.arguments import DashboardArguments, read_arguments
from argotune.errors import ConfigInvalid, NotFound


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ([], DashboardArguments()),
        (
            ["--tenant-id", "default", "--phoenix-endpoint", "http://localhost:6006"],
            DashboardArguments(("default",), "http://localhost:6006"),
        ),
        (["--tenants", "b", "a", "b"], DashboardArguments(("b", "a"))),
        (["--tenant", "a b", "--store-url", "memory://"], DashboardArguments(("a b",), None, "memory://")),
    ],
)
def test_what_the_dashboard_was_started_with(line: list[str], expected: DashboardArguments):
    assert read_arguments(line) == expected


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (["--tenant-id", "a", "--tenants", "b"], "not allowed with"),
        (["--tenants"], "expected at least one argument"),
        (["--tenant-id", " "], "it is empty"),
        (["--tenant-id", "\udcff"], "not UTF-8"),
        (["--tennants", "a"], "unrecognized arguments: --tennants a"),
        (["--phoenix-endpoint"], "expected one argument"),
    ],
)
def test_a_wrong_argument_is_a_sentence_and_ends_no_process(line: list[str], told: str):
    with pytest.raises(ConfigInvalid, match=told):
        read_arguments(line)


def test_a_dashboard_of_some_tenants_shows_no_other():
    read_arguments([]).check_shown("anybody")
    read_arguments(["--tenants", "a", "b"]).check_shown("b")
    with pytest.raises(NotFound, match="started for others than 'c'"):
        read_arguments(["--tenants", "a", "b"]).check_shown("c")
