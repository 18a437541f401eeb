"""Pages by their URL: what it names, and the same again."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from argotune.dashboard.addresses import PageAddress, read_address

PARTS = st.none() | st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)


@given(st.builds(PageAddress, tenant=PARTS, program=PARTS, version=PARTS, run=PARTS))
def test_an_address_leads_to_where_it_was_made(address: PageAddress):
    query = dict(parse_qsl(urlsplit(f"http://dashboard/{address.path('tenant')}").query, strict_parsing=False))
    assert read_address(query) == address
    assert read_address(address.query) == address


def test_an_empty_parameter_and_an_unknown_one_name_nothing():
    assert read_address({"tenant": "", "embed": "true"}) == PageAddress()
    assert PageAddress().path("fleet") == "fleet"
