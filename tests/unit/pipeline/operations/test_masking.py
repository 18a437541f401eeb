"""One operation masks by a tenant's own rules."""

from __future__ import annotations

import pytest
from factories import make_config

from argotune.adapters.memory.store import MemoryStore
from argotune.errors import NotFound
from argotune.pipeline.operations.masking import mask_for_tenant, mask_texts
from argotune.tenants.catalog import Configs
from argotune.tenants.masking_rules import MaskingRules


def test_texts_are_masked_by_the_tenants_rules_and_without_a_tenant_by_the_default_ones():
    store, text = MemoryStore(), "ask jo@acme.com"
    Configs(store).save(make_config(masking=MaskingRules(enabled=False)))
    (found,) = mask_for_tenant(store, "acme_corp", [text])
    (by_default,) = mask_texts([text])
    assert (found.text, by_default.text) == (text, "ask <EMAIL>")
    with pytest.raises(NotFound, match="nobody"):
        mask_for_tenant(store, "nobody", [text])
