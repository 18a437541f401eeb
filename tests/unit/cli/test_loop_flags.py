"""Flags of a run that concern its data: they reach the pipeline, for this run only."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace

import pytest

from argotune.adapters.memory.store import MemoryStore
from argotune.cli import main
from argotune.cli.commands import run as run_commands
from argotune.pipeline.module_pass import Request
from argotune.pipeline.operations import running
from argotune.tenants.catalog import Configs
from argotune.tenants.config import RoutingConfigUnified


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[RoutingConfigUnified, Request]]:
    """`argotune run` of a tenant with these flags, as far as the pipeline; what that was given."""

    def run(*flags: str) -> tuple[RoutingConfigUnified, Request]:
        store, seen = MemoryStore(), []
        Configs(store).save(RoutingConfigUnified(tenant_id="acme", modules=["routing"]))

        @contextmanager
        def ports_of(_arguments):
            yield SimpleNamespace(store=store, clock=lambda: pytest.fail("stopped before"))

        def run_module(_ports, config, _module, request):
            seen.append((config, request))
            raise KeyboardInterrupt

        monkeypatch.setattr(run_commands, "ports_of", ports_of)
        monkeypatch.setattr(running, "run_module", run_module)
        assert main(["run", "--tenant", "acme", *flags]) == 130
        assert Configs(store).get("acme") == RoutingConfigUnified(tenant_id="acme", modules=["routing"])
        (found,) = seen
        return found

    return run


@pytest.mark.parametrize(
    ("flags", "uses_synthetic", "is_forced"),
    [
        ((), True, False),
        (("--use-synthetic-data=config", "--force-training=false"), True, False),
        (("--use-synthetic-data=false", "--force-training"), False, True),
        (("--use-synthetic-data", "--force-training=true"), True, True),
    ],
)
def test_flags_of_the_data_reach_the_run(run, flags: tuple[str, ...], uses_synthetic: bool, is_forced: bool):
    config, request = run(*flags)
    assert (config.use_synthetic_data, request.is_training_forced) == (uses_synthetic, is_forced)


@pytest.mark.parametrize(("flags", "reach", "lookback"), [((), None, 24), (("--lookback-hours=72",), 72, 72)])
def test_a_lookback_for_this_run_reads_again(run, flags: tuple[str, ...], reach: float | None, lookback: float):
    config, request = run(*flags)
    assert (request.reach, config.phoenix_lookback_hours) == (reach and timedelta(hours=reach), lookback)
