"""An ordinary DSPy application that MLflow traces is tuned in one run, on MLflow alone: no Phoenix is asked."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from mlflow_writer import MlflowWriter
from urgency import message, urgency
from world import START, World

from argotune.adapters.mlflow.connection import MlflowHttp
from argotune.data.stream import stream_of
from argotune.errors import ConfigInvalid
from argotune.pipeline.module_pass import Request
from argotune.pipeline.operations.checkup import check_all
from argotune.pipeline.passes import run_module
from argotune.promotion.registry import Registry
from argotune.settings import read_settings
from argotune.tenants.catalog import Configs
from argotune.tenants.config import RoutingConfigUnified
from argotune.wiring import installation_of, open_store, open_traces, open_tracker

pytestmark = [pytest.mark.mlflow, pytest.mark.usefixtures("no_variables")]

DUMP = Path(__file__).parents[1] / "data/spans/mlflow/03_traces_get_with_spans.json"
ROUTE = json.loads(DUMP.read_text())["pipeline"]
TRACED, EXPECTED, THUMBED = 160, 140, 10
PERSON = {"source_type": "HUMAN", "source_id": "kim@example.com"}
THUMBS = {"thumbs": {"means": "verdict"}}


@pytest.fixture
def world(mlflow_url: str, monkeypatch: pytest.MonkeyPatch) -> World:
    module = ModuleType("shop_programs")
    module.urgency = urgency
    monkeypatch.setitem(sys.modules, "shop_programs", module)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_url)
    settings = read_settings()
    return World(traces=open_traces(settings), tracker=open_tracker(settings))


@pytest.fixture
def tenant() -> str:
    return f"shop {os.urandom(4).hex()}"


@pytest.fixture
def writer(mlflow_url: str) -> Iterator[MlflowWriter]:
    writer = MlflowWriter(mlflow_url, "cogniverse")
    yield writer
    writer.close()


def typed(**values: str | float) -> dict[str, Any]:
    kinds = {name: "string_value" if isinstance(value, str) else "double_value" for name, value in values.items()}
    return {"kvlist_value": {"values": [{"key": k, "value": {kinds[k]: value}} for k, value in values.items()]}}


def trace(number: int) -> dict[str, Any]:
    """A trace of the dump, of another module and with other words in it, and what a person says of it in MLflow."""
    made, (query, right) = deepcopy(ROUTE), message(number)
    root = made["spans"][0]
    root["name"] = made["trace_info"]["tags"]["mlflow.traceName"] = "Urgency.forward"
    said = {"mlflow.spanInputs": typed(query=query), "mlflow.spanOutputs": typed(urgency="later", confidence=0.4)}
    for each in root["attributes"]:
        each["value"] = said.get(each["key"], each["value"])
    said_at = {"create_time": "2026-11-21T12:00:00Z", "last_update_time": "2026-11-21T12:00:00Z", "valid": True}
    made["trace_info"]["assessments"] = [{**each, **said_at} for each in said_of(number, right)]
    return made


def said_of(number: int, right: str) -> Iterator[dict[str, Any]]:
    if number < EXPECTED:
        yield {"assessment_name": "urgency", "source": PERSON, "expectation": {"value": right}}
    elif number < EXPECTED + THUMBED:
        yield {"assessment_name": "thumbs", "source": PERSON, "feedback": {"value": right == "later"}}


@pytest.fixture
def config(world: World, writer: MlflowWriter, tenant: str) -> RoutingConfigUnified:
    """The traces of a day, one that failed among them, and others that an evaluation left there."""
    made = [(trace(n), START - timedelta(minutes=20) + timedelta(seconds=n)) for n in range(TRACED)]
    failed = trace(TRACED)
    failed["spans"][0] |= {"status": {"code": "STATUS_CODE_ERROR"}, "events": [exception("LMServerError", "away")]}
    evaluated = trace(TRACED + 1)
    evaluated["trace_info"]["trace_metadata"]["mlflow.sourceRun"] = "r1"
    made += [(each, START - timedelta(minutes=10)) for each in (failed, evaluated)]
    writer.replay_all(tenant, made)
    return world.tenant(
        tenant,
        programs={"urgency": "shop_programs:urgency"},
        modules=["urgency"],
        traces={"source": "mlflow", "project": tenant, "programs": {"urgency": {"span": "Urgency"}}},
        annotation={"remarks": THUMBS},
    )


def exception(name: str, message: str) -> dict[str, Any]:
    told = {"exception.type": name, "exception.message": message}
    return {"name": "exception", "attributes": [{"key": k, "value": {"string_value": v}} for k, v in told.items()]}


def test_traces_with_expectations_and_thumbs_come_to_a_champion_whose_contest_mlflow_shows(
    world: World, config: RoutingConfigUnified, mlflow_url: str
) -> None:
    conditions = world.look(config, "urgency")
    assert (conditions.is_due, conditions.traces) == (True, TRACED + 1)
    (run,) = run_module(world.ports, config, "urgency", Request()).runs
    assert run.outcome == "promoted", run.sentence
    assert Registry(world.store, config.tenant_id).champion("urgency")[0].version == run.challenger
    told = {"the program failed: LMServerError": 1, "span: left out by its tag": 1, "experiences": TRACED + 1}
    assert {name: run.counts[name] for name in told} == told
    assert run.comparison_link is not None
    assert run.comparison_link.startswith(f"{mlflow_url}/#/compare-runs?runs=")
    shown = runs_of(mlflow_url, f"{config.tenant_id}/urgency")
    assert shown["challenger"]["score"] > shown["champion"]["score"]
    assert not world.look(config, "urgency").is_due, "what was read is not read again"
    (again,) = run_module(world.ports, config, "urgency", Request(is_forced=True)).runs
    assert again.counts["experiences"] == TRACED + 1
    marks = list(world.traces.annotations(stream_of(config, "urgency"), ["argotune.queue"], START - timedelta(days=9)))
    assert {mark.kind for mark in marks} == {"CODE"}, "what people are asked for is marked in MLflow"


def runs_of(url: str, experiment: str) -> dict[str, dict[str, float]]:
    """The metrics of each role."""
    with MlflowHttp(url) as http:
        ids = [http.experiment_id(experiment)]
        rows = http.post("api/2.0/mlflow/runs/search", {"experiment_ids": ids})["runs"]
    found = {}
    for row in rows:
        tags = {tag["key"]: tag["value"] for tag in row["data"]["tags"]}
        found[tags["argotune.role"]] = {metric["key"]: metric["value"] for metric in row["data"]["metrics"]}
    return found


def test_doctor_tries_mlflow_and_phoenix_only_where_a_setting_or_a_binding_names_it(
    mlflow_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked() -> dict[str, str]:
        there = replace(installation_of(read_settings()), lms=_away, annotator=_away)
        return {check.what: check.detail for check in check_all(there)}

    monkeypatch.setenv("CONFIG_STORE_URL", f"sqlite:///{tmp_path}/store.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_url)
    alone = asked()
    assert alone["mlflow"].startswith("version 3.")
    assert alone["mlflow"].endswith(f" at {mlflow_url}")
    assert "phoenix" not in alone
    monkeypatch.setenv("PHOENIX_ENDPOINT", "http://127.0.0.1:9")
    assert {"phoenix", "mlflow"} & asked().keys() == {"phoenix"}
    binding = {"source": "mlflow", "project": "shop", "programs": {"routing": {"span": "Route"}}}
    Configs(open_store(read_settings())).save(RoutingConfigUnified(tenant_id="acme", traces=binding))
    assert {"phoenix", "mlflow"} <= asked().keys()


def _away() -> Any:
    raise ConfigInvalid("no LM is asked here")
