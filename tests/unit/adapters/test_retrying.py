"""Retrying: how often, how long and until when an adapter tries again."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from failing import failing

from argotune.adapters.retrying import Passing, Patience, seconds_asked
from argotune.errors import ArgotuneError, ConfigInvalid, RateLimited, Unavailable


def pauses_of(work: Callable[[], str], chance: float = 0.0, **patience: float) -> tuple[list[float], object]:
    """The pauses that were made, and what it came to: the answer or the error."""
    pauses: list[float] = []
    try:
        return pauses, Patience(**patience, sleep=pauses.append, chance=lambda: chance).call(work)  # type: ignore[arg-type]
    except ArgotuneError as error:
        return pauses, error


AWAY = Passing(Unavailable("away"))


@pytest.mark.parametrize(("chance", "expected"), [(0.0, [0.25, 0.5, 1.0, 1.5]), (1.0, [0.5, 1.0, 2.0, 3.0])])
def test_pauses_double_up_to_the_longest_and_half_is_chance(chance: float, expected: list[float]):
    assert pauses_of(failing(*[AWAY] * 4), chance, longest_pause_s=3.0) == (expected, "done")


def test_the_error_of_the_last_attempt_is_raised_with_its_cause():
    cause, last = ConnectionError("reset"), Passing(RateLimited("slow down"))
    last.__cause__ = cause
    pauses, error = pauses_of(failing(AWAY, last), retries=1)
    assert (len(pauses), error) == (1, last.error)
    assert last.error.__cause__ is cause


def test_what_cannot_succeed_is_not_tried_again():
    assert pauses_of(failing(wrong := ConfigInvalid("key"), AWAY)) == ([], wrong)


@pytest.mark.parametrize(
    ("asked_s", "expected"), [(7.0, [7.0]), (0.0, [0.0]), (60.0, [60.0]), (61.0, []), (float("inf"), [])]
)
def test_a_server_is_left_alone_as_long_as_it_asks_and_given_up_when_that_is_too_long(
    asked_s: float, expected: list[float]
):
    pauses, found = pauses_of(failing(Passing(error := RateLimited(), asked_s)))
    assert (pauses, found) == (expected, "done" if expected else error)


def test_no_attempt_begins_when_the_time_is_over():
    def slow() -> str:
        time.sleep(0.02)
        raise AWAY

    pauses, error = pauses_of(slow, total_s=0.05, first_pause_s=0.001, retries=100)
    assert error is AWAY.error
    assert 1 <= len(pauses) <= 3
    assert pauses_of(failing(AWAY), total_s=0.2) == ([], AWAY.error), "nor is a pause begun that would end after it"


def test_a_time_limit_of_attempts_takes_no_retry_away():
    assert Patience(total_s=10).for_retries(20, limit_s=3600) == Patience(total_s=10 + 20 * 3600, retries=20)


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        ("7", 7, 7),
        (" 0 ", 0, 0),
        ("9" * 400, float("inf"), float("inf")),
        (email.utils.format_datetime(datetime.now(UTC) - timedelta(days=1)), 0, 0),
        ("Mon, 01 Jan 2001 00:00:00 -0000", 0, 0),
    ],
    ids=["seconds", "none", "for ever", "yesterday", "long ago"],
)
def test_retry_after_is_seconds_or_a_date(value: str, low: float, high: float):
    assert (found := seconds_asked(value)) is not None
    assert low <= found <= high


def test_retry_after_a_date_to_come_is_the_time_until_then():
    found = seconds_asked(email.utils.format_datetime(datetime.now(UTC) + timedelta(hours=1)))
    assert found is not None
    assert 3000 <= found <= 3600


@pytest.mark.parametrize("value", [None, "", "soon", "-3", "7.5", "²", "Mon, 99 Foo 2001"])
def test_a_retry_after_that_says_nothing_is_none(value: str | None):
    assert seconds_asked(value) is None
