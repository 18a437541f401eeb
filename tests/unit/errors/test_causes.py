"""Errors that threads share may name each other as causes."""

from __future__ import annotations

from argotune.errors.causes import causes_of
from argotune.errors.known_secrets import is_clean, remember
from argotune.programs.failures import own_error


def ring() -> tuple[Exception, Exception]:
    first, second = OSError("refused"), OSError("refused again")
    first.__cause__, second.__context__ = second, first
    return first, second


def test_a_ring_of_errors_is_gone_through_once():
    first, second = ring()
    assert list(causes_of(first, with_context=True)) == [first, second]
    assert list(causes_of(first)) == [first, second]
    second.__cause__ = first
    assert list(causes_of(second)) == [second, first]
    assert own_error(first) is None


def test_an_error_is_clean_where_neither_it_nor_what_it_came_from_says_a_secret():
    first, second = ring()
    assert is_clean(first)
    remember("canary-of-a-ring")
    second.args = ("login canary-of-a-ring",)
    assert not is_clean(first)
