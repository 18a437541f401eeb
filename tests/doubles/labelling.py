"""A tenant whose decisions wait for labels: its queue, people who label, and what has been said."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from judge import right
from world import START, World, traffic

from argotune.data.annotations import Annotation
from argotune.data.archive import ExperienceLog
from argotune.data.stream import Stream
from argotune.labels.agreement import AnnotatorReport
from argotune.labels.annotator import IDENTIFIER
from argotune.labels.annotator_book import reports_of
from argotune.labels.queue import AnnotationQueue, QueueItem
from argotune.pipeline.module_pass import Request
from argotune.pipeline.passes import run_module
from argotune.tenants.config import RoutingConfigUnified

FORCED = Request(is_forced=True)
JUDGE = f"{IDENTIFIER} openai/judge"


def unlabelled(n: int = 200, **fields) -> tuple[World, RoutingConfigUnified]:
    """A tenant with n decisions that nobody has labelled, every third of them unsure."""
    world = World()
    config = world.tenant(**fields)
    spans, _ = traffic("acme", n)
    confidence = {span.span_id: 0.3 if number % 3 == 0 else 0.9 for number, span in enumerate(spans)}
    silent = {"routing.agent_success": None}
    spans = [
        replace(s, attributes={**s.attributes, **silent, "routing.confidence": confidence[s.span_id]}) for s in spans
    ]
    world.traces.record("acme", spans)
    return world, config


def run(world: World, config: RoutingConfigUnified):
    return run_module(world.ports, config, "routing", FORCED)


def queue(world: World) -> list[QueueItem]:
    return AnnotationQueue(world.store, "acme").items()


def waiting(world: World) -> list[QueueItem]:
    return [item for item in queue(world) if item.is_waiting]


def query(world: World, span_id: str) -> str:
    return ExperienceLog(world.store, "acme").experience("routing", span_id).query


def label(world: World, items: list[QueueItem], who: str = "kim", agent: str | None = None) -> None:
    given = [(item.span_id, agent or right(query(world, item.span_id))) for item in items]
    world.traces.annotate(
        Stream("acme", "routing"), [Annotation(id, "agent", name, "HUMAN", who, world.now) for id, name in given]
    )


def report(world: World) -> AnnotatorReport:
    (found,) = reports_of(world.store, "acme")
    return found


def annotated(world: World, kind: str, name: str = "agent") -> list[Annotation]:
    found = world.traces.annotations(Stream("acme", "routing"), [name], START - timedelta(days=9))
    return [annotation for annotation in found if annotation.kind == kind]
