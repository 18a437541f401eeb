"""Sealing a body and getting it back; finding every change that was made in between."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argotune.errors import Corrupt
from argotune.store.sealing import SCHEMA, canonical, digest, seal, tag_of, unseal

TEXTS = st.text(st.characters())  # lone surrogates too: a trace can hold any JSON string
BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(BODIES)
def test_a_sealed_body_comes_back_as_it_was(body: object) -> None:
    text = seal("thing", body)
    assert unseal("thing", text) == body
    assert seal("thing", unseal("thing", text)) == text
    assert "\n" not in text


@given(st.dictionaries(TEXTS, st.integers()))
def test_equal_bodies_give_equal_documents(body: dict[str, int]) -> None:
    assert seal("thing", dict(reversed(body.items()))) == seal("thing", body)


@given(BODIES)
def test_the_tag_is_the_hash_of_the_rest(body: object) -> None:
    text = seal("thing", body)
    inner = json.loads(text)
    assert tag_of(text) == text[9:73] == inner.pop("hash") == digest(inner)


@given(BODIES, st.data())
def test_a_changed_record_is_found_or_says_the_same(body: object, data: st.DataObject) -> None:
    text = seal("thing", body)
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + data.draw(st.characters().filter(lambda c: c != text[at])) + text[at + 1 :]
    try:
        assert canonical(unseal("thing", changed)) == canonical(body)  # 1e+16 may be spelled 1E+16
    except Corrupt:
        return


@given(BODIES, st.data())
def test_a_cut_or_extended_record_is_found(body: object, data: st.DataObject) -> None:
    text = seal("thing", body)
    cut = data.draw(st.integers(0, len(text) - 1))
    for changed in (text[:cut], text + "}", text + text):
        with pytest.raises(Corrupt):
            unseal("thing", changed)


def resealed(**fields: object) -> str:
    """A record with a right hash and some fields that are not."""
    inner = {"body": 1, "kind": "thing", "schema": SCHEMA, **fields}
    return f'{{"hash":"{digest(inner)}",{canonical(inner)[1:]}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (resealed(kind="other"), "expected a thing record of schema 1, found other 1"),
        (resealed(schema=SCHEMA + 1), "a thing record of schema 2 is of a newer release, this one reads 1"),
        (resealed(schema=0), "expected a thing record of schema 1, found thing 0"),
        (resealed().replace('"body":1', '"body":2'), "a thing record does not match its hash"),
        ("", "does not begin with its hash"),
        ("{}", "does not begin with its hash"),
        ("null", "does not begin with its hash"),
        ('{"hash":"' + "0" * 64 + '",', "a thing record does not match its hash"),
        ('{"hash":"' + "0" * 64 + '","body":1}', "a thing record does not match its hash 000000000000"),
    ],
)
def test_a_record_that_is_not_what_it_should_be_is_corrupt(text: str, message: str) -> None:
    with pytest.raises(Corrupt, match=message):
        unseal("thing", text)


def test_the_untampered_form_of_those_is_accepted() -> None:
    assert unseal("thing", resealed()) == 1
