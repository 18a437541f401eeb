"""When a module is due, and the sentence people read when it is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from factories import NOON, after, make_conditions
from hypothesis import given
from hypothesis import strategies as st

HOUR = timedelta(hours=1)
DUE = make_conditions(traces=100)
LATELY = {"last_run_at": after(-600)}
MICROSECOND = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("changes", "is_due"),
    [
        ({}, True),
        ({"last_run_at": NOON - HOUR}, True),
        ({"last_run_at": NOON - HOUR + MICROSECOND}, False),
        ({"last_run_at": NOON, "period": timedelta(0)}, True),
        ({"last_run_at": NOON + HOUR}, False),
        (LATELY, False),
        ({"traces": 101}, True),
        ({"traces": 99}, False),
        ({"traces": 0, "traces_needed": 1}, False),
        ({"is_enabled": False}, False),
        ({"is_enabled": False, "is_forced": True}, True),
        ({"traces": 0, "is_forced": True}, True),
        ({**LATELY, "is_forced": True}, True),
        ({"traces": 0, "is_unfinished": True}, True),
        ({**LATELY, "is_unfinished": True}, True),
        ({"is_enabled": False, "is_unfinished": True}, True),
    ],
    ids=str,
)
def test_a_module_is_due_or_says_why_not(changes: dict[str, object], is_due: bool):
    conditions = replace(DUE, **changes)
    assert conditions.is_due is is_due
    assert (conditions.why_not == "") is is_due


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"is_enabled": False}, "enable_auto_optimization is off"),
        ({"traces": 42}, "58 traces short: 42 new, 100 needed"),
        ({"traces": 99, "labels": 4, "labels_needed": 5}, "1 trace short: 99 new, 100 needed, or 1 label: 4 new"),
        (
            {**LATELY, "older": 1, "counted_up_to": 9},
            "next run is due in 50 min; 1 trace is older than phoenix_lookback_hours",
        ),
        (LATELY, "next run is due in 50 min"),
        ({**LATELY, "period": timedelta(minutes=11)}, "next run is due in 60 s"),
        ({**LATELY, "period": timedelta(seconds=600.2)}, "next run is due in 1 s"),
        ({**LATELY, "period": timedelta(seconds=690)}, "next run is due in 2 min"),
        ({**LATELY, "period": timedelta(days=1)}, "next run is due in 23.8 hours"),
        (
            {**LATELY, "is_enabled": False, "traces": 0},
            "enable_auto_optimization is off; next run is due in 50 min; 100 traces short: 0 new, 100 needed",
        ),
    ],
)
def test_the_sentence_names_every_obstacle_and_how_far_it_is(changes: dict[str, object], sentence: str):
    assert replace(DUE, **changes).why_not == sentence


@pytest.mark.parametrize(
    ("last_run_at", "text"),
    [
        (None, "never"),
        (NOON, "0 s ago"),
        (after(-89), "89 s ago"),
        (after(-90), "2 min ago"),
        (after(-5399), "90 min ago"),
        (after(-5400), "1.5 hours ago"),
        (after(-720 * 3600), "720.0 hours ago"),
        (after(60), "0 s ago"),
    ],
)
def test_the_last_run_is_told_in_words(last_run_at: object, text: str):
    assert replace(DUE, last_run_at=last_run_at).last_run_text == text


@pytest.mark.parametrize(("traces", "text"), [(0, "0"), (999, "999"), (1000, "1000+")])
def test_a_plus_says_that_counting_stopped(traces: int, text: str):
    assert replace(DUE, traces=traces).traces_text == text


@given(st.booleans(), st.integers(-10_000, 10_000), st.integers(0, 10_000), st.integers(0, 200), st.integers(1, 200))
def test_due_and_why_not_never_disagree(is_enabled: bool, ago_s: int, period_s: int, traces: int, needed: int):
    conditions = replace(
        DUE,
        is_enabled=is_enabled,
        last_run_at=after(-ago_s),
        period=timedelta(seconds=period_s),
        traces=traces,
        traces_needed=needed,
    )
    assert conditions.is_due is (conditions.why_not == "") is (is_enabled and ago_s >= period_s and traces >= needed)
    assert "-" not in conditions.why_not


def test_what_is_passed_over_and_not_believed_is_told_whether_or_not_it_is_due():
    known = replace(DUE, older=300, notes=("the last run is dated in the future",))
    assert known.remarks == ["300 traces are older than phoenix_lookback_hours", "the last run is dated in the future"]
    assert known.why_not == ""
    assert replace(known, traces=99).why_not.endswith("; ".join(["", *known.remarks]))
    assert replace(known, older=1000).remarks[0].startswith("1000+ traces are older")
