"""Which tenants a round is asked for: ids are free text, commas included."""

from __future__ import annotations

import pytest

from argotune.cli.flags import tenant_list
from argotune.errors import ConfigInvalid


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", ()),
        (" acme , globex,", ("acme", "globex")),
        ('["acme, inc", "globex"]', ("acme, inc", "globex")),
        (' ["[1]"]', ("[1]",)),
    ],
)
def test_ids_stand_between_commas_or_in_a_json_list(text: str, ids: tuple[str, ...]):
    assert tenant_list(text) == ids


@pytest.mark.parametrize("text", ["[acme]", '["acme"', "[]", "[1]", '[""]', '["acme"] globex', "[" * 100_000])
def test_what_begins_like_a_list_and_is_none_is_refused_by_name(text: str):
    with pytest.raises(ConfigInvalid, match="tenants: '\\["):
        tenant_list(text)
