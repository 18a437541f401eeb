"""Tenant reports: which of several failures is the end, whatever order they came in."""

from __future__ import annotations

from itertools import permutations

import pytest
from factories import NOON

from argotune.errors import ArgotuneError, ConfigInvalid, Corrupt, ProjectMissing, Unavailable
from argotune.runs.tenant_report import TenantReport

MISSING, WRONG, AWAY, BAD = ProjectMissing("none"), ConfigInvalid("wrong"), Unavailable("away"), Corrupt("bad")


@pytest.mark.parametrize(
    ("asked", "failures", "gravest"),
    [
        (["a", "b"], {}, None),
        (["a", "b"], {"a": MISSING}, None),
        (["a", "b"], {"a": MISSING, "b": MISSING}, "a"),
        (["a", "b"], {"a": MISSING, "b": WRONG}, "b"),
        (["a", "b", "c"], {"a": WRONG, "b": AWAY}, "b"),
        (["a", "b", "c"], {"a": BAD, "b": WRONG}, "b"),
        (["a"], {"a": MISSING}, "a"),
        ([], {}, None),
    ],
)
def test_what_is_worth_a_retry_goes_first_and_a_missing_project_counts_only_for_all(
    asked: list[str], failures: dict[str, ArgotuneError], gravest: str | None
):
    for order in permutations(failures.items()):
        if gravest == "a" and failures.get("b") is MISSING:
            gravest = order[0][0]
        assert TenantReport("acme", NOON, tuple(asked), (), dict(order)).gravest == gravest
