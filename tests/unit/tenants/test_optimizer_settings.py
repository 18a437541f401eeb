"""Optimizer settings: what is refused, and what a plan keeps of them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from argotune.errors import ConfigInvalid
from argotune.tenants.config import METHODS, parse_config
from argotune.tenants.optimizer_settings import OptimizerSettings, planned_settings


@pytest.mark.parametrize(
    ("set_", "told"),
    [
        ({"mipro": {"auto": "huge"}}, "optimizers.mipro.auto"),
        ({"mipro": {"auto": "light", "num_trials": 7}}, "`auto` sets num_candidates"),
        ({"mipro": {"auto": "light", "num_candidates": 7}}, "`auto` sets num_candidates"),
        ({"mipro": {"max_bootstrapped_demos": 0}}, "set both to 0, or none"),
        ({"mipro": {"max_errors": 10}}, "optimizers.mipro.max_errors"),
        ({"gepa": {"auto": "light", "max_metric_calls": 7}}, "`auto` sets max_metric_calls"),
        ({"bootstrap": {"max_bootstrapped_demos": 0, "max_labeled_demos": 0}}, "no demonstration"),
        ({"copro": {"breadth": 1}}, "optimizers.copro.breadth"),
        ({"nearest": {"k": 0}}, "optimizers.nearest.k"),
        ({"copro": {"init_temperature": float("nan")}}, "optimizers.copro.init_temperature"),
        ({"magic": {}}, "optimizers.magic"),
    ],
)
def test_a_setting_that_no_optimizer_takes_is_refused_by_its_name(set_: dict[str, Any], told: str):
    with pytest.raises(ConfigInvalid, match=re.escape(told)):
        parse_config({"tenant_id": "acme", "optimizers": set_})


def test_every_method_has_its_settings():
    assert set(OptimizerSettings.model_fields) <= set(METHODS)


def test_a_plan_keeps_what_is_set_of_its_method_and_nothing_of_others():
    found = OptimizerSettings.model_validate({"mipro": {"auto": "light"}, "nearest": {"k": 8}})
    assert found.only({"nearest", "copro"}) == {"nearest": {"k": 8}}
    assert planned_settings(found.only({"mipro", "nearest"})) == found
    assert planned_settings({"nearest": {"k": 8, "of_a_later_release": 1}}).nearest.k == 8
