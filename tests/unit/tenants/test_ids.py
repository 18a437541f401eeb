"""Ids of tenants: which are usable, and their spellings in names of objects and keys."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from argotune.errors import ConfigInvalid
from argotune.tenants.ids import MAX_TENANT_ID_CHARS, check_tenant_id, key_part, slug

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


@given(IDS, IDS)
def test_key_parts_are_reversible_and_hold_nothing_that_a_key_needs(one: str, other: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_.%-]+", key_part(one))
    assert (key_part(one) == key_part(other)) == (one == other)
