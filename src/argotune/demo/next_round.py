"""The next round: a person labels what the last pass queued, and the labels reach the next run."""

from __future__ import annotations

from argotune.annotation_queue import AnnotationQueue, QueueItem
from argotune.cli.output import say
from argotune.demo.application import labels_of, span_id_of
from argotune.demo.sample import queries
from argotune.experience_log import ExperienceLog
from argotune.pipeline import Request, run_module
from argotune.ports import Ports
from argotune.tenants import RoutingConfigUnified

LABELLED, PROGRAM = "acme_corp", "routing"


def next_round(ports: Ports, config: RoutingConfigUnified) -> None:
    """Label the program's queued spans as a person would in Phoenix or by `argotune annotate`, and run it again."""
    waiting = [item for item in AnnotationQueue(ports.store, config.tenant_id).items(PROGRAM) if item.is_waiting]
    say()
    say(f"{LABELLED} {PROGRAM}: {len(waiting)} spans wait for a label (argotune annotate --tenant {LABELLED} --list)")
    if not waiting:
        return
    before = _labelled(ports, config)
    _label(ports, config, waiting)
    report = run_module(ports, config, PROGRAM, Request(is_forced=True))
    say(f"  a person labelled them; labelled examples before {before}, in the next run {_labelled(ports, config)}")
    for line in report.lines:
        say(f"  {line}")


def _label(ports: Ports, config: RoutingConfigUnified, waiting: list[QueueItem]) -> None:
    asked = {span_id_of(query, PROGRAM): query for query in queries(config.tenant_id)}
    now = ports.clock()
    labels = [label for item in waiting for label in labels_of(asked[item.span_id], PROGRAM, "demo-expert", now)]
    ports.traces.annotate(config.tenant_id, labels)


def _labelled(ports: Ports, config: RoutingConfigUnified) -> int:
    examples = ExperienceLog(ports.store, config.tenant_id).examples(PROGRAM)
    return sum(example.source.is_trusted for example in examples)
