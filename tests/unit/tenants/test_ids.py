"""Ids of tenants: which are usable, and their spellings in names of objects and keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from argotune.errors import ConfigInvalid
from argotune.tenants.ids import (
    MAX_TENANT_ID_CHARS,
    base64_of,
    check_tenant_id,
    from_base64,
    key_part,
    label_value,
    percent_encoded,
    pseudonym,
    record_id,
    slug,
)

IDS = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=80).filter(
    lambda text: text == text.strip()
)


@pytest.mark.parametrize("tenant_id", ["", " ", "a ", "a\x00b", "a\u2028b", "\ud800", "x" * (MAX_TENANT_ID_CHARS + 1)])
def test_unusable_ids_are_refused(tenant_id: str) -> None:
    with pytest.raises(ConfigInvalid, match="tenant_id"):
        check_tenant_id(tenant_id)


@pytest.mark.parametrize("tenant_id", ["acme_corp", "Größe/ä", "../../etc", "{{workflow.uid}}", "$(rm -rf .)", "日本"])
def test_free_text_is_a_usable_id(tenant_id: str) -> None:
    assert check_tenant_id(tenant_id) == tenant_id


@given(IDS)
def test_slugs_are_dns_safe(tenant_id: str) -> None:
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", slug(tenant_id))


@given(IDS, IDS)
def test_two_tenants_never_share_a_slug(one: str, other: str) -> None:
    assume(one != other)
    assert slug(one) != slug(other)


@pytest.mark.parametrize(
    "variant", ["acme", "Acme", "ACME", "acme_", "ac\u212ae", "acme corp", "acme-corp", "acme_corp"]
)
def test_ids_that_look_alike_keep_slugs_apart_from_their_own_slugs(variant: str) -> None:
    others = {"acme", "Acme", "ACME", "acme_", "ac\u212ae", "acme corp", "acme-corp", "acme_corp"} - {variant}
    assert slug(variant) not in {slug(other) for other in others}
    assert slug(slug(variant)) != slug(variant) or slug(variant) == variant


ANY_TEXT = st.one_of(
    st.text(st.characters(codec=None, categories=None), max_size=300),
    st.sampled_from(
        ["\ud800", "a\x00b", "💾" * 200, "\u202eمرحبا", "x" * 100_000, "", "t-6268ea83692106a5", "~", "a%20b"]
    ),
)
"""With lone surrogates, NUL, four bytes a character, right to left, and very long ones."""


@given(ANY_TEXT, ANY_TEXT)
def test_key_parts_are_reversible_and_hold_nothing_that_a_key_needs(one: str, other: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_.%-]*", key_part(one))
    assert (
        unquote(key_part(one), errors="surrogatepass") == unquote(percent_encoded(one), errors="surrogatepass") == one
    )
    assert (key_part(one) == key_part(other)) == (one == other)


@given(ANY_TEXT)
def test_what_manifests_pass_in_base64_is_the_id_again_or_is_refused(text: str) -> None:
    written = base64_of(text)
    assert re.fullmatch(r"[A-Za-z0-9+/]*=*", written)
    if any("\ud800" <= c <= "\udfff" for c in text):
        with pytest.raises(ConfigInvalid, match="base64"):
            from_base64(written)
    else:
        assert from_base64(written) == text


@pytest.mark.parametrize("text", ["%", "YQ", "YQ==\n", "/w==", "é"])
def test_what_is_no_base64_of_a_text_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        from_base64(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("written", [slug, label_value, record_id, pseudonym, base64_of, key_part, percent_encoded])
@given(one=ANY_TEXT, other=ANY_TEXT)
def test_no_spelling_is_shared_by_two_texts_or_changes(written: Callable[[str], str], one: str, other: str) -> None:
    assert written(one) == written(one)
    assert (written(one) == written(other)) == (one == other)


@given(ANY_TEXT)
def test_labels_are_those_that_kubernetes_takes(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", label_value(text))
    assert re.fullmatch(r"[0-9a-f]{64}", record_id(text))
    assert record_id(text).startswith(pseudonym(text))
