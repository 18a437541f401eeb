"""The next round: a person labels what the last pass queued, and the labels reach the next run."""

from __future__ import annotations

from collections import Counter

from argotune.cli.demo.application import labels_of, span_id_of
from argotune.cli.demo.sample import queries
from argotune.cli.output import say
from argotune.data.archive import ExperienceLog
from argotune.labels.queue import AnnotationQueue, QueueItem
from argotune.pipeline.module_pass import Request
from argotune.pipeline.passes import run_module
from argotune.pipeline.ports import Ports
from argotune.programs import programs_of
from argotune.tenants.config import RoutingConfigUnified

LABELLED = "acme_corp"


def next_round(ports: Ports, config: RoutingConfigUnified) -> None:
    """Label the queued spans of a module as a person would in Phoenix or by `argotune annotate`, and run it again."""
    items = [item for item in AnnotationQueue(ports.store, config.tenant_id).items() if item.is_waiting]
    say()
    say(f"{LABELLED}: {len(items)} spans wait for a label (argotune annotate --tenant {LABELLED} --list)")
    if not items:
        return
    module = Counter(item.module for item in items).most_common(1)[0][0]
    chosen = [item for item in items if item.module == module]
    before = _labelled(ports, config, module)
    _label(ports, config, chosen)
    report = run_module(ports, config, module, Request(is_forced=True))
    after = _labelled(ports, config, module)
    say(f"  a person labels the {len(chosen)} of {module}: {before} labelled examples before, {after} in the next run")
    for line in report.lines:
        say(f"  {line}")


def _label(ports: Ports, config: RoutingConfigUnified, items: list[QueueItem]) -> None:
    asked = {span_id_of(query, name): query for query in queries(config.tenant_id) for name in query.decisions()}
    now = ports.clock()
    labels = [label for item in items for label in labels_of(asked[item.span_id], item.program, "demo-expert", now)]
    ports.traces.annotate(config.tenant_id, labels)


def _labelled(ports: Ports, config: RoutingConfigUnified, module: str) -> int:
    log = ExperienceLog(ports.store, config.tenant_id)
    examples = [example for program in programs_of(config, module) for example in log.examples(program.name)]
    return sum(example.source.is_trusted for example in examples)
