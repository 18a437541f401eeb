"""Texts: what of a text a store, a server or a trace can hold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from argotune.store.texts import storable


@given(st.text(st.characters(codec=None, categories=None)))
def test_storable_text_is_utf_8_without_nul_and_stays_so(text: str):
    found = storable(text)
    assert found.encode().decode() == found
    assert "\x00" not in found
    assert storable(found) == found


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00")))
def test_text_that_can_be_held_is_not_changed(text: str):
    assert storable(text) == text
