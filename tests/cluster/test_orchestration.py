"""The step `orchestration` of a tenant's run: a tenant whose config has the module `workflow`."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cluster.installed import RUN_LIMIT_S, Installed, described, step
from orchestrated import AGENTS, query_of, right_plan, traffic
from world import START

from argotune import wiring
from argotune.data.annotations import Annotation
from argotune.data.spans import Span
from argotune.data.stream import Stream
from argotune.promotion.registry import Registry
from argotune.runs.book import RunBook
from argotune.store.sealing import digest

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3 * RUN_LIMIT_S)]
REQUESTS = 150


def requests(site: Installed, tenant_id: str) -> None:
    """Trees of requests that `video` answered alone, and what people say of each."""
    sink, later = wiring.open_sink(site.settings), wiring.utc_now() - START

    def own(id: str, length: int = 16) -> str:
        return digest([tenant_id, id])[:length]

    def moved(span: Span) -> Span:
        ids = {"span_id": own(span.span_id), "trace_id": own(span.trace_id or "", 32)}
        above = own(span.parent_id) if span.parent_id else None
        times = {"started_at": span.started_at + later, "ended_at": span.ended_at + later}
        return replace(span, **ids, parent_id=above, **times)

    sink.record(tenant_id, list(map(moved, traffic(REQUESTS))))
    labels = []
    for number in range(REQUESTS):
        pattern, agents = right_plan(query_of(number))
        joined = (" + " if pattern == "parallel" else " -> ").join(agents)
        said = {"pattern": pattern, "agent_sequence": joined}
        labels += [Annotation(own(f"{number:014x}00"), n, text, "HUMAN", "tester", START) for n, text in said.items()]
    sink.annotate(Stream(tenant_id, "workflow"), labels)


def test_a_forced_run_of_the_module_workflow_promotes_a_plan_of_agents(site: Installed, new_id: str) -> None:
    tenant_id = f"orchestrated_{new_id}"
    site.tenant(tenant_id, spans=0, modules=["workflow"], agents=AGENTS)
    requests(site, tenant_id)
    run = site.ended(site.submit(tenant_id, force="true"))
    assert run.phase == "Succeeded", described(run)
    orchestration = step(run, "orchestration")
    assert orchestration.phase == "Succeeded"
    assert orchestration.outcome.startswith("workflow: promoted v"), described(run)
    (record,) = RunBook(site.store, tenant_id).runs()
    champion, _ = Registry(site.store, tenant_id).champion("workflow")
    assert (record.outcome, record.challenger) == ("promoted", champion.version)
