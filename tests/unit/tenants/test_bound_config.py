"""A config that binds programs keeps what it said."""

from __future__ import annotations

import pytest

from argotune.errors import ConfigInvalid
from argotune.tenants.binding import BoundProgram, TraceBinding
from argotune.tenants.bound_config import changes_between, rebound
from argotune.tenants.config import parse_config
from argotune.tenants.remark_names import RemarkMeaning

SUPPORT = TraceBinding(project="shop", programs={"support": BoundProgram(span="Support")})
PATHS = {"support": "shop.programs:Support"}


def test_a_new_tenant_has_the_bound_programs_alone() -> None:
    config = rebound(None, "acme", PATHS, SUPPORT, {"thumb": RemarkMeaning(means="verdict")})
    assert (config.modules, config.programs, config.traces) == (["support"], PATHS, SUPPORT)
    assert changes_between(None, config) == {
        "programs": PATHS,
        "modules": ["support"],
        "traces": {"project": "shop", "programs": {"support": {"span": "Support"}}},
        "annotation.remarks": {"thumb": {"means": "verdict"}},
    }


def test_what_is_bound_already_is_no_change() -> None:
    config = rebound(None, "acme", PATHS, SUPPORT, {})
    assert changes_between(config, rebound(config, "acme", PATHS, SUPPORT, {})) == {}


def test_another_program_does_not_lose_its_traces() -> None:
    before = rebound(None, "acme", PATHS, SUPPORT, {})
    other = TraceBinding(project="other", programs={"reply": BoundProgram(span="Reply")})
    with pytest.raises(ConfigInvalid, match="'support' of project 'shop' would lose their traces"):
        rebound(before, "acme", {"reply": "shop:Reply"}, other, {})
    both = TraceBinding(project="other", programs={**other.programs, **SUPPORT.programs})
    moved = rebound(before, "acme", {"reply": "shop:Reply", **PATHS}, both, {})
    assert moved.traces is not None
    assert moved.traces.project == "other"


def test_a_name_that_no_program_can_have_is_refused() -> None:
    binding = TraceBinding(project="shop", programs={"Support": BoundProgram(span="Support")})
    with pytest.raises(ConfigInvalid, match="'Support' is a shipped module"):
        rebound(parse_config({"tenant_id": "acme"}), "acme", {"Support": "shop:Support"}, binding, {})
