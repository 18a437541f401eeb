"""Configs of tenants: what is read, and what is refused by name."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from argotune.errors import ConfigInvalid
from argotune.tenants.config import parse_config

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


def bound(module: str = "routing", **of: str) -> dict[str, Any]:
    """A binding of one module."""
    return {"project": "shop", "programs": {module: {"span": "Route", **of}}}


BOUND = bound()


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
        ({"traces": {"project": ""}}, "traces.project: .* (got '')"),
        ({"traces": {"project": "shop"}}, "traces.programs: .*"),
        ({"traces": {**BOUND, "source": "jaeger"}}, "traces.source: .* (got 'jaeger')"),
        ({"traces": {**BOUND, "tenant_key": "a\nb"}}, "traces.tenant_key: .*"),
        ({"traces": {"project": "shop", "programs": {}}}, "traces.programs: .*"),
        ({"traces": bound(span="Route.forward")}, "traces.programs.routing.span: .*without `.forward`.*"),
        ({"traces": bound(signature="a -> b")}, "traces.programs.routing.signature: .* (got 'a -> b')"),
        ({"traces": bound("workflow", signature="Ask")}, "traces.programs: .*workflow: signature: .*"),
        ({"traces": bound("workflow", span="a\nb")}, "traces.programs: .*workflow: span: .*"),
        ({"traces": bound("modality")}, ".*traces.programs: 'modality' has a program for each modality.*"),
        ({"traces": bound("support")}, ".*traces.programs: ['support'] are neither shipped .*"),
        ({"programs": {"support": "os.system('x')"}}, "programs: .* not of the form package.module:name .*"),
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
