"""Servers, pods and the controller go away in mid-run: it goes on where it was, and nothing is done twice."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from cluster.installed import RUN_LIMIT_S, Installed, described, is_running, pods, step
from nearest_demo_lm import NearestDemoLM

from argotune.errors import Unavailable
from argotune.promotion.contest_book import ContestBook
from argotune.runs.book import RunBook
from argotune.scheduling.workflow import Workflow

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3 * RUN_LIMIT_S)]
OUTAGE_S = 30
AT_ONCE = 4
"""LM calls that a pod has open at a time: those a killed pod never heard the answers of are asked again."""

KILL = """import os
for pid in filter(str.isdigit, os.listdir("/proc")):
    if open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1] == "1":
        os.kill(int(pid), 9)
"""
"""Kills what Argo's executor, process 1 of the container, has started.

Deleting a pod by force only forgets its object: the process may end first, or Argo waits for it.
"""

DROP = {
    "redis": ("redis-cli", "client", "kill", "type", "normal"),
    "phoenix": ("python", "-c", "import os; os.kill(1, 15)"),
}
"""Ends connections that are open: a Service without endpoints refuses only new ones."""


@contextmanager
def without(site: Installed, name: str) -> Iterator[None]:
    """The Service has no endpoints for a while; what the server has stored stays."""
    where = site.get("service", name)["spec"]["selector"]
    _select(site, name, {**where, "app.kubernetes.io/name": "nobody"})
    try:
        site.kubectl("exec", f"deployment/{name}", "--", *DROP[name], may_fail=True)
        yield
    finally:
        _select(site, name, where)


def _select(site: Installed, name: str, labels: dict[str, str]) -> None:
    pairs = ",".join(f'"{key}":"{value}"' for key, value in labels.items())
    site.kubectl("patch", "service", name, "--type=merge", "-p", f'{{"spec":{{"selector":{{{pairs}}}}}}}')


def until(is_so: Callable[[], bool], what: str, limit_s: float = 240) -> None:
    deadline_s = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < deadline_s, f"not within {limit_s} s: {what}"
        time.sleep(0.2)


def asking(site: Installed, lm: NearestDemoLM, tenant_id: str) -> tuple[str, int]:
    """The run of a new tenant that asks the LM, which answers slowly; how often the LM was asked before it."""
    before = lm.calls
    site.tenant(tenant_id)
    lm.delay_s = 0.4
    name = site.submit(tenant_id, force="true")
    until(lambda: lm.calls >= before + 20, "the run asks the LM")
    return name, before


def promoted_once(site: Installed, tenant_id: str, run: Workflow) -> None:
    """The run ended as if nothing had happened: one record, one look at the sealed examples, one promotion."""
    assert run.phase == "Succeeded", described(run)
    assert step(run, "routing").outcome.startswith("routing: promoted v"), described(run)
    book = RunBook(site.store, tenant_id)
    (record,) = book.runs()
    assert record.outcome == "promoted"
    assert len(ContestBook(site.store, tenant_id).contests("routing")) == 1
    assert site.champion_of(tenant_id) == record.challenger
    assert "/compare?" in run.outputs["links"]


def test_a_process_killed_in_training_is_replaced_and_no_lm_call_is_paid_twice(
    site: Installed, lm: NearestDemoLM, new_id: str
) -> None:
    tenant_id, before = f"killed_{new_id}", lm.calls
    site.tenant(tenant_id, preferred_optimizer="random_search")
    lm.delay_s = 0.4
    name = site.submit(tenant_id, force="true")
    site.when(name, is_running("routing"), "trains")
    until(lambda: lm.calls >= before + 40, "training asks the LM")
    (victim,) = site.get(
        "pods", "-l", f"workflows.argoproj.io/workflow={name}", "--field-selector=status.phase=Running"
    )["items"]
    assert "optimize-module" in victim["metadata"]["name"]
    site.kubectl("exec", victim["metadata"]["name"], "-c", "main", "--", "python", "-c", KILL)
    lm.delay_s = 0.0
    run = site.ended(name)
    promoted_once(site, tenant_id, run)
    assert [(pod.phase, pod.exit_code) for pod in pods(run, "routing")] == [("Failed", 137), ("Succeeded", 0)], (
        described(run)
    )
    assert lm.asked_again(before) <= AT_ONCE


def test_thirty_seconds_without_redis_cost_attempts_and_nothing_else(
    site: Installed, lm: NearestDemoLM, new_id: str
) -> None:
    tenant_id = f"patient_{new_id}"
    name, before = asking(site, lm, tenant_id)
    with without(site, "redis"):
        round_name = site.start_round(dry_run="true")
        time.sleep(OUTAGE_S)
    lm.delay_s = 0.0
    run = site.ended(name)
    promoted_once(site, tenant_id, run)
    failed = [pod for pod in pods(run, "routing") if pod.phase != "Succeeded"]
    assert failed
    assert all(pod.exit_code == Unavailable.exit_code and "redis" in pod.message.lower() for pod in failed)
    assert lm.asked_again(before) <= AT_ONCE
    told = site.ended(round_name)
    first, *_, last = pods(told)
    assert (first.exit_code, last.phase) == (Unavailable.exit_code, "Succeeded"), described(told)
    assert not last.outcome.startswith("0 tenants")


def test_thirty_seconds_without_phoenix_cost_attempts_and_nothing_else(
    site: Installed, lm: NearestDemoLM, new_id: str
) -> None:
    tenant_id = f"unseen_{new_id}"
    name, before = asking(site, lm, tenant_id)
    with without(site, "phoenix"):
        lm.delay_s = 0.0
        time.sleep(OUTAGE_S)
    run = site.ended(name)
    promoted_once(site, tenant_id, run)
    failed = [pod for pod in pods(run, "routing") if pod.phase != "Succeeded"]
    assert all(pod.exit_code == Unavailable.exit_code and "phoenix" in pod.message.lower() for pod in failed)
    assert lm.asked_again(before) == 0


def test_runs_and_their_mutex_outlive_the_controller(site: Installed, lm: NearestDemoLM, new_id: str) -> None:
    command = os.environ.get("ARGOTUNE_TEST_CONTROLLER_RESTART")
    if not command:
        pytest.skip(
            "ARGOTUNE_TEST_CONTROLLER_RESTART names no command that kills Argo's controller and starts it again"
        )
    tenant_id, before = f"steady_{new_id}", lm.calls
    site.tenant(tenant_id)
    lm.delay_s = 0.4
    of_that_controller = ("--instanceid", id) if (id := os.environ.get("ARGOTUNE_TEST_CONTROLLER_ID")) else ()
    first, second = (site.submit(tenant_id, *of_that_controller, force="true") for _ in range(2))
    until(lambda: lm.calls >= before + 20, "the first run asks the LM")
    subprocess.run(command, shell=True, check=True, timeout=120, stdin=subprocess.DEVNULL)
    lm.delay_s = 0.0
    runs = [site.ended(name) for name in (first, second)]
    assert [run.phase for run in runs] == ["Succeeded", "Succeeded"], "\n".join(map(described, runs))
    assert runs[0].finished_at is not None
    starts = [pod.started_at for pod in pods(runs[1]) if pod.started_at]
    assert starts
    assert min(starts) >= runs[0].finished_at
    assert len(pods(runs[0])) == 3
    found = {record.group: record.outcome for record in RunBook(site.store, tenant_id).runs()}
    assert found[first] == "promoted"
    assert found[second] in ("rejected", "skipped")
    assert site.champion_of(tenant_id)
    assert lm.asked_again(before) == 0
