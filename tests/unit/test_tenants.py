"""Tenant ids, slugs and configs."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from argotune.errors import ConfigInvalid
from argotune.tenants.config import parse_config
from argotune.tenants.ids import MAX_TENANT_ID_CHARS, check_tenant_id, key_part, slug

IDS = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=80).filter(
    lambda text: text == text.strip()
)

NO_WEIGHT = {"search_quality_weight": 0, "agent_success_weight": 0, "user_satisfaction_weight": 0}


def config_error(**fields: Any) -> str:
    with pytest.raises(ConfigInvalid) as caught:
        parse_config({"tenant_id": "acme_corp", **fields})
    return str(caught.value)


def test_defaults_are_the_documented_ones() -> None:
    config = parse_config({"tenant_id": "acme_corp"})
    assert config.enable_auto_optimization is True
    assert config.optimization_interval_seconds == 3600
    assert config.min_samples_for_optimization == 100
    assert config.preferred_optimizer == "auto"
    assert config.max_training_iterations == 100
    assert config.use_synthetic_data is True
    assert config.synthetic_data_ratio == 0.3
    assert config.phoenix_lookback_hours == 24
    assert config.min_trace_confidence == 0.7


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"intervall": 5}, "intervall: unknown field"),
        ({"gate": {"min_effct": 0.1}}, "gate.min_effct: unknown field"),
        ({"evil\nfield": 1}, "'evil\\nfield': unknown field"),
        ({"optimization_interval_seconds": -1}, "optimization_interval_seconds: .* (got -1)"),
        ({"optimization_interval_seconds": 10**30}, "optimization_interval_seconds: .*"),
        ({"min_trace_confidence": 1.5}, "min_trace_confidence: .* (got 1.5)"),
        ({"min_trace_confidence": math.nan}, "min_trace_confidence: .* (got nan)"),
        ({"phoenix_lookback_hours": math.inf}, "phoenix_lookback_hours: .* (got inf)"),
        ({"preferred_optimizer": "magic"}, "preferred_optimizer: .* (got 'magic')"),
        ({"tenant_id": "a\nb"}, "tenant_id: .*"),
        ({"tenant_id": " a"}, "tenant_id: .*"),
        ({"agents": {"only": "one"}}, "agents: .*"),
        ({"split": {"train": 0.9, "dev": 0.2, "test": 0.3}}, "split: .* must be 1, not 1.4 .*"),
        ({"reward": NO_WEIGHT}, "reward: .* at least one weight must be above 0 .*"),
        ({"modules": ["routing", "teleport"]}, ".*'teleport'.*"),
        ({"programs": {"routing": "a:b"}}, "programs: .*'routing' is a shipped module.*"),
        ({"programs": {"support": "os.system('x')"}}, "programs: .* not of the form package.module:factory .*"),
    ],
)
def test_a_bad_config_is_refused_in_one_line_that_names_field_and_value(fields: dict[str, Any], message: str) -> None:
    pattern = re.escape(message).replace(r"\.\*", ".*")
    assert re.fullmatch(pattern, config_error(**fields))


@pytest.mark.parametrize("data", [None, [], "x", 7, {}])
def test_what_is_no_config_at_all_is_refused(data: object) -> None:
    with pytest.raises(ConfigInvalid):
        parse_config(data)


def test_an_assignment_is_validated_too() -> None:
    config = parse_config({"tenant_id": "acme_corp"})
    with pytest.raises(ValueError, match="synthetic_data_ratio"):
        config.synthetic_data_ratio = 2


def test_own_programs_become_modules() -> None:
    config = parse_config({"tenant_id": "a", "programs": {"triage": "shop.triage:build"}, "modules": ["triage"]})
    assert config.modules == ["triage"]


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
