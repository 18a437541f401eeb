"""What several acceptance tests start from: the sample traffic of one tenant in a real Phoenix, and its config."""

from __future__ import annotations

from pathlib import Path

import pytest

from argotune import wiring
from argotune.cli.demo import sample
from argotune.cli.demo.application import serve
from argotune.lm.kept_answers import NothingKept
from argotune.lm.meter import Meter
from argotune.pipeline.ports import silent
from argotune.serving.client import Serving
from argotune.settings import read_settings
from argotune.tenants.catalog import Configs
from argotune.tenants.config import USUAL_MODULES, BudgetLimits, LMChoice, parse_config

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
SAMPLE = "initech"
PREFIX = "acceptance"


@pytest.fixture(scope="session")
def served(phoenix_url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The settings of a Phoenix that has SAMPLE's queries, served once by the untuned programs."""
    folder = tmp_path_factory.mktemp("served")
    settings = read_settings(
        store_url=f"sqlite:///{folder}/store.db", phoenix_endpoint=phoenix_url, phoenix_project_prefix=PREFIX
    )
    store = wiring.open_store(settings)
    config = sample.config(SAMPLE).model_copy(update={"modules": list(USUAL_MODULES)})
    Configs(store).save(config)
    lms = wiring.open_lms(settings).open(LMChoice(), Meter(BudgetLimits()), NothingKept())
    with Serving(store, config, lms, wiring.open_embedders(read_settings()), wiring.utc_now) as serving:
        serve(SAMPLE, serving, wiring.open_sink(settings), PREFIX, wiring.utc_now(), silent, config.modules)
    return {"PHOENIX_ENDPOINT": phoenix_url, "PHOENIX_PROJECT_PREFIX": PREFIX}


@pytest.fixture(scope="module")
def sample_env(served: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a command: what was served, and a store of its own in which SAMPLE has a config."""
    folder = tmp_path_factory.mktemp("store")
    store_url = f"sqlite:///{folder}/store.db"
    fields = {"modules": ["routing"], "min_samples_for_optimization": 20}
    fields["decisions"] = {"exploration_share": 0}
    fields["contest"] = {"max_labels": 0}  # the sealed examples alone judge, at once
    config = parse_config({"tenant_id": SAMPLE, "agents": sample.config(SAMPLE).agents, **fields})
    Configs(wiring.open_store(read_settings(store_url=store_url))).save(config)
    return {"PATH": "/usr/bin:/bin", "HOME": str(folder), "CONFIG_STORE_URL": store_url, **served}
