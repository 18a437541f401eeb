"""Flags of a run that concern its data: they reach the pipeline, for this run only."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from argotune import pipeline
from argotune.adapters.memory_store import MemoryStore
from argotune.cli import loop, main
from argotune.configs import Configs
from argotune.tenants import RoutingConfigUnified


@pytest.mark.parametrize(
    ("flags", "uses_synthetic", "is_forced"),
    [
        ((), True, False),
        (("--use-synthetic-data=config", "--force-training=false"), True, False),
        (("--use-synthetic-data=false", "--force-training"), False, True),
        (("--use-synthetic-data", "--force-training=true"), True, True),
    ],
)
def test_flags_of_the_data_reach_the_run(
    monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], uses_synthetic: bool, is_forced: bool
):
    store, seen = MemoryStore(), []
    Configs(store).save(RoutingConfigUnified(tenant_id="acme", modules=["routing"]))

    @contextmanager
    def ports_of(_arguments):
        yield SimpleNamespace(store=store, clock=lambda: pytest.fail("stopped before"))

    def run_module(_ports, config, _module, request):
        seen.append((config.use_synthetic_data, request.is_training_forced))
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "ports_of", ports_of)
    monkeypatch.setattr(pipeline, "run_module", run_module)
    assert main(["run", "--tenant", "acme", *flags]) == 130
    assert seen == [(uses_synthetic, is_forced)]
    assert Configs(store).get("acme").use_synthetic_data
