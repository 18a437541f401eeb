"""What a page works on, and whose page it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from argotune.dashboard.addresses import PageAddress
from argotune.dashboard.arguments import DashboardArguments
from argotune.dashboard.desk import open_desk, whose_page
from argotune.errors import ConfigInvalid, NotFound
from argotune.pipeline.operations.tenants import add_tenant
from argotune.settings import read_settings
from argotune.wiring import open_store

pytestmark = pytest.mark.usefixtures("no_variables")


def test_a_dashboard_makes_no_store(tmp_path: Path):
    with pytest.raises(NotFound, match="there is no file"):
        open_desk(DashboardArguments(store_url=f"sqlite:///{tmp_path}/store.db"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", [{"phoenix_endpoint": "localhost"}, {"store_url": "nowhere"}])
def test_a_wrong_setting_is_told(wrong: dict[str, str]):
    with pytest.raises(ConfigInvalid):
        open_desk(DashboardArguments(**{"store_url": "memory://", **wrong}))


def test_all_tenants_are_offered_or_those_that_it_was_started_for(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/store.db"
    for name in ("b", "a"):
        add_tenant(open_store(read_settings(store_url=url)), name, {})
    assert open_desk(DashboardArguments(store_url=url)).tenant_ids() == ["a", "b"]
    assert open_desk(DashboardArguments(("c", "b"), store_url=url)).tenant_ids() == ["b", "c"]


@pytest.mark.parametrize(
    ("address", "shown", "remembered", "expected"),
    [
        (PageAddress(tenant="x"), ["a", "b"], "a", "x"),
        (PageAddress(), ["a", "b"], "b", "b"),
        (PageAddress(), ["a", "b"], "gone", None),
        (PageAddress(), ["a"], None, "a"),
        (PageAddress(), [], None, None),
    ],
)
def test_the_url_names_whose_page_it_is_before_what_was_looked_at_last(
    address: PageAddress, shown: list[str], remembered: str | None, expected: str | None
):
    assert whose_page(address, shown, remembered) == expected
