"""Alerts and dashboard: every metric in them exists, every alert says what to do, and each fires when it should."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from factories import LATER, NOON, after, make_config, make_run
from prometheus_client.core import Metric
from required import lacking

from argotune.adapters.memory.store import MemoryStore
from argotune.adapters.prometheus import ServiceMetrics, StoreMetrics
from argotune.runs.book import RunBook
from argotune.runs.run import RunState, Skip
from argotune.runs.service_figures import Lateness, ServiceFigures, WorkNow
from argotune.runs.tallies import RoundRecord, keep_round, keep_tally
from argotune.tenants.catalog import Configs

MONITORING = Path(__file__).parents[2] / "monitoring"

ARGO = {
    # docs/metrics.md of Argo Workflows; seen at the controllers of 3.7 and 4.0.
    "argo_workflows_gauge": {"phase"},
    "argo_workflows_error_count": {"cause"},
    "argo_workflows_workflowtemplate_runtime_bucket": {"name", "namespace", "cluster_scope", "le"},
    # The counter of workflows/auto-optimization-multi-tenant.yaml: from /metrics, and over OTLP.
    "argo_workflows_argotune_tenant_runs": {"status"},
    "argo_workflows_argotune_tenant_runs_total": {"status"},
}
TARGET = {"job", "namespace", "instance"}
"""Labels that Prometheus adds to what it scrapes."""


class Strict(yaml.SafeLoader):
    """Refuses a key that is there twice, of which YAML's own reader keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"twice in {node.start_mark}"
        assert all(isinstance(key, str) for key in keys), f"no text in {node.start_mark}: {keys}"
        return super().construct_mapping(node, deep)


RESOURCE = yaml.load((MONITORING / "alerts.yaml").read_text(encoding="utf-8"), Strict)
RULES = [rule for group in RESOURCE["spec"]["groups"] for rule in group["rules"]]
ALERTS = [rule for rule in RULES if "alert" in rule]
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [rule["expr"] for rule in RULES] + [target["expr"] for panel in PANELS for target in panel["targets"]]


def exported() -> Iterator[Metric]:
    """What the exporter shows of a store in which everything has happened."""
    store = MemoryStore()
    Configs(store).save(make_config())
    over = make_run(id="r2", state=RunState.SKIPPED, skip=Skip(reason="not due"), ended_at=NOON)
    store.write("acme_corp", [RunBook.record_of(run) for run in (make_run(), over)])
    keep_tally(store, "acme_corp", LATER)
    keep_round(store, RoundRecord(name="r", started_at=NOON, ended_at=after(1), skipped={"not due": 1}))
    metrics = StoreMetrics(lambda: store, lambda: NOON)
    assert metrics.refresh() is None
    yield from metrics.collect()
    yield from ServiceMetrics(Busy()).collect()


class Busy:
    """A service in which everything has happened."""

    why_unwell = ""
    figures = ServiceFigures(
        tenants={"at work": 1},
        visits={"done": 1},
        lateness={"spans": Lateness(1, 1.0, 1.0)},
        waits_s={"looks": 1.0},
        work=(WorkNow("acme_corp", "training", 1, 2, NOON),),
    )


def labels_by_sample() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {name: set(labels) for name, labels in ARGO.items()}
    found |= {name: {"job", "namespace"} for name in RECORDED}
    for sample in (sample for family in exported() for sample in family.samples):
        found.setdefault(sample.name, set()).update(sample.labels)
    return found


KNOWN = labels_by_sample()


def metrics_in(expression: str) -> set[str]:
    """Names of the metrics in PromQL: what is neither a function, a word of the language, nor inside brackets."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^]]*\]|\b(?:by|without|on|ignoring)\s*\([^)]*\)', " ", expression)
    names = re.findall(r"\b[a-zA-Z_][\w:]*\b(?!\s*\()", bare)
    return set(names) - {"and", "or", "unless", "offset", "sum", "min", "max"}


def test_the_reader_of_expressions_sees_the_metrics():
    seen = metrics_in('sum by (a) (increase(b_total{c=~"d|e"}[5m] offset 1d)) / on (f) g:h1 > 3 * 2h and absent(i)')
    assert seen == {"b_total", "g:h1", "i"}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_metric_is_told_by_the_exporter_or_by_argo(expression: str):
    metrics = metrics_in(expression)
    assert metrics
    assert metrics <= KNOWN.keys()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_label_that_is_asked_for_is_on_its_metric(expression: str):
    for metric, matchers in re.findall(r"([\w:]+)\{([^}]*)\}", expression):
        assert set(re.findall(r"(\w+)\s*(?:=|!)", re.sub(r'"[^"]*"', "", matchers))) <= KNOWN[metric] | TARGET


def test_every_metric_of_the_exporter_is_in_the_dashboard_or_an_alert():
    used = set().union(*map(metrics_in, EXPRESSIONS))
    background = {
        "argotune_store_read_timestamp_seconds",
        "argotune_run_ended_timestamp_seconds",
        "argotune_round_tenants",
    }
    assert {name for name in KNOWN if name.startswith("argotune")} - used == background


def test_the_dashboard_shows_by_module_how_many_champions_answer_worse():
    shown = [target for panel in PANELS for target in panel["targets"] if "champions_degraded" in target["expr"]]
    assert [(target["expr"][:15], target["legendFormat"]) for target in shown] == [("max by (module)", "{{module}}")]


# Alerts


def test_the_alerts_are_a_rule_of_the_prometheus_operator_for_our_namespace():
    assert (RESOURCE["apiVersion"], RESOURCE["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert (RESOURCE["metadata"]["name"], RESOURCE["metadata"]["namespace"]) == ("argotune", "cogniverse")
    assert RESOURCE["metadata"]["labels"]["app.kubernetes.io/part-of"] == "argotune"
    names = [rule["alert"] for rule in ALERTS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_wrong_and_what_to_do(rule: dict[str, Any]):
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert set(rule["annotations"]) == {"summary", "description", "what_to_do"}
    assert all(len(text) > 30 or name == "summary" for name, text in rule["annotations"].items())
    assert "$" not in rule["annotations"]["what_to_do"]


UP = {'argotune_store_up{job="x",instance="i"}': "1x400"}
STARTED = 'argotune_round_started_timestamp_seconds{job="x",instance="i"}'
UNFINISHED = 'argotune_unfinished_run_started_timestamp_seconds{job="x",instance="i",module="routing"}'
DEGRADED = 'argotune_champions_degraded{job="x",instance="i",module="routing"}'
SERVED = 'argotune_service_store_up{job="s",instance="i"}'
WAITS = 'argotune_service_longest_wait_seconds{job="s",instance="i",lane="%s"}'
CALLS = 'argotune_lm_calls_total{job="x",module="routing"}'
RUNS, ERRORS = "argo_workflows_argotune_tenant_runs", 'argo_workflows_error_count{cause="CronWorkflowSpecError"}'


def runs(succeeded: str, failed: str, name: str = RUNS) -> dict[str, str]:
    return {f'{name}{{status="Succeeded"}}': succeeded, f'{name}{{status="Failed"}}': failed}


FIRES = [  # alert, minutes after the start, series with a value each minute from then on (0 is also when time() is 0)
    ("ArgotuneExporterMissing", 20, {}),
    ("ArgotuneStoreUnreachable", 15, {"argotune_store_up": "0x20"}),
    ("ArgotuneRecordsUnreadable", 20, {'argotune_records_unreadable{collection="runs"}': "2x30"}),
    ("ArgotuneNoRound", 130, {**UP, STARTED: "0x200"}),
    ("ArgotuneNoRoundYet", 125, UP),
    ("ArgotuneRoundFailures", 1, {"argotune_round_failed": "3x5"}),
    ("ArgotuneRoundsCutShort", 190, {"argotune_round_complete": "0x200"}),
    ("ArgotuneRunsUnfinished", 380, {**UP, UNFINISHED: "0x400"}),
    ("ArgotuneChampionDegraded", 20, {**UP, DEGRADED: "0x5 1x60"}),
    ("ArgotuneServiceWithoutStore", 15, {SERVED: "0x20"}),
    ("ArgotuneServiceStuck", 20, {"argotune_service_stuck": "1x30"}),
    ("ArgotuneServiceLate", 40, {SERVED: "1x60", WAITS % "looks": "0x5 1000x60"}),
    ("ArgotuneServiceLate", 40, {SERVED: "1x60", WAITS % "passes": "0x5 7300x60"}),
    ("ArgotuneLMCallsUnusual", 1545, {CALLS: "0+10x1480 14900+100x90"}),
    ("ArgotuneWorkflowsFailing", 200, runs("0+2x240", "0+1x240")),
    ("ArgotuneWorkflowsFailing", 200, runs("0+2x240", "0+1x240", f"{RUNS}_total")),
    ("ArgotuneCronWorkflowRefused", 40, {ERRORS: "0x30 1x30"}),
]
STAYS_SILENT = [
    ("ArgotuneExporterMissing", 20, {"argotune_store_up": "0x30"}),
    ("ArgotuneStoreUnreachable", 15, {"argotune_store_up": "0x8 1x1 0x20"}),
    ("ArgotuneRecordsUnreadable", 20, {'argotune_records_unreadable{collection="runs"}': "0x30"}),
    ("ArgotuneNoRound", 120, {**UP, STARTED: "0x200"}),
    ("ArgotuneNoRound", 150, {"argotune_store_up": "0x200", STARTED: "0x200"}),  # another alert tells why
    ("ArgotuneNoRoundYet", 150, {**UP, STARTED: "0x200"}),
    ("ArgotuneNoRound", 150, {**UP, STARTED: "0x200", SERVED: "1x200"}),  # the service is at work, of another job
    ("ArgotuneNoRoundYet", 150, {**UP, SERVED: "1x200"}),
    ("ArgotuneServiceWithoutStore", 15, {SERVED: "0x8 1x1 0x20"}),
    ("ArgotuneServiceStuck", 20, {"argotune_service_stuck": "1x5 0x30"}),
    ("ArgotuneServiceLate", 40, {SERVED: "1x60", WAITS % "looks": "800x60", WAITS % "passes": "7000x60"}),
    ("ArgotuneServiceLate", 40, {SERVED: "0x60", WAITS % "looks": "1000x60"}),  # another alert tells why
    ("ArgotuneRoundFailures", 1, {"argotune_round_failed": "0x5"}),
    ("ArgotuneRoundsCutShort", 190, {"argotune_round_complete": "0x60 1x60 0x100"}),
    ("ArgotuneRunsUnfinished", 350, {**UP, UNFINISHED: "0x400"}),
    ("ArgotuneChampionDegraded", 20, {**UP, DEGRADED: "0x5 1x5 0x60"}),
    ("ArgotuneLMCallsUnusual", 1545, {CALLS: "0+100x1600"}),
    ("ArgotuneLMCallsUnusual", 200, {CALLS: "0x100 0+100x200"}),  # a new installation
    ("ArgotuneLMCallsUnusual", 1545, {CALLS: "0x1480 0+10x90"}),  # few
    ("ArgotuneWorkflowsFailing", 200, runs("0+10x240", "0+1x240")),
    ("ArgotuneWorkflowsFailing", 200, runs("0x240", "0x100 1x140")),
    ("ArgotuneCronWorkflowRefused", 40, {ERRORS: "1x60"}),
]


def test_every_alert_is_tried_both_ways():
    assert {case[0] for case in FIRES} == {case[0] for case in STAYS_SILENT} == {rule["alert"] for rule in ALERTS}


def test_alerts_fire_when_they_should_and_only_then(tmp_path: Path):
    promtool = shutil.which("promtool")
    if promtool is None:
        lacking("promtool is not on PATH: it comes with Prometheus, `apt-get install prometheus`")
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(RESOURCE["spec"]))
    cases = [(*case, 1) for case in FIRES] + [(*case, 0) for case in STAYS_SILENT]
    tests = {"rule_files": ["rules.yaml"], "evaluation_interval": "5m", "tests": [as_test(*case) for case in cases]}
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(tests))
    done = subprocess.run(
        [promtool, "test", "rules", "tests.yaml"], cwd=tmp_path, capture_output=True, text=True, timeout=170
    )
    assert done.returncode == 0, done.stdout + done.stderr


def as_test(alert: str, minutes: int, series: dict[str, str], firing: int) -> dict[str, Any]:
    fired = f'count(ALERTS{{alertname="{alert}", alertstate="firing"}}) or vector(0)'
    return {
        "name": f"{alert}, {minutes} min, {series}",
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {"expr": fired, "eval_time": f"{minutes}m", "exp_samples": [{"labels": "{}", "value": firing}]}
        ],
    }


# The dashboard


def test_the_dashboard_fits_grafana_11_and_belongs_to_no_installation():
    assert DASHBOARD["schemaVersion"] == 39
    assert "id" not in DASHBOARD
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    asking = [
        *PANELS,
        *(target for panel in PANELS for target in panel["targets"]),
        variables["job"],
        variables["module"],
    ]
    assert all(one["datasource"] == {"type": "prometheus", "uid": "${datasource}"} for one in asking)


def test_panels_are_described_and_do_not_overlap():
    assert PANELS
    assert all(panel["title"] and panel["description"] for panel in PANELS)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
