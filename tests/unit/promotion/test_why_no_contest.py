"""Versions for which no contest is opened: the one that serves, and those that were rolled back."""

from __future__ import annotations

from factories import NOON, make_version

from argotune.promotion.versions import Bar, why_no_contest


def test_what_serves_already_opens_no_contest_with_itself():
    version = make_version(reason="the LM program alone")
    assert why_no_contest(version, version.id, None) == "what was trained is what serves: the LM program alone"
    assert why_no_contest(version, "v0", None) == ""


def test_what_was_rolled_back_opens_none_either():
    version = make_version()
    bar = Bar(program="routing", version=version.id, at=NOON, who="ann", reason="wrong on fees")
    assert "was rolled back" in why_no_contest(version, "v0", bar)
