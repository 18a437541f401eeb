"""An application that knows nothing of Argotune is tuned on the spans that OpenInference writes of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest
from urgency import message, urgency
from world import START, World

from argotune.data.annotations import Annotation
from argotune.data.archive import ExperienceLog
from argotune.data.openinference import INPUTS, KIND, OUTPUTS
from argotune.data.spans import Span
from argotune.data.stream import stream_of
from argotune.errors import ConfigInvalid
from argotune.labels.queue import AnnotationQueue
from argotune.pipeline.module_pass import Request
from argotune.pipeline.passes import run_module
from argotune.promotion.registry import Registry
from argotune.tenants.config import RoutingConfigUnified

BINDING = {"project": "shop", "tenant_key": "user.id", "programs": {"urgency": {"span": "Urgency"}}}
LABELLED = 200


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    module = ModuleType("shop_programs")
    module.urgency = urgency
    monkeypatch.setitem(sys.modules, "shop_programs", module)
    return World()


def bound(world: World, *modules: str, **traces: Any) -> RoutingConfigUnified:
    named = modules or ("urgency",)
    programs = dict.fromkeys(named, "shop_programs:urgency")
    return world.tenant(programs=programs, modules=list(named), traces={**BINDING, **traces})


def trace(number: int, *, user: str = "acme", **changes: Any) -> Iterator[Span]:
    """What OpenInference writes of one decision: the module, and what it asks."""
    query, _ = message(number)
    at = START - timedelta(minutes=20) + timedelta(milliseconds=number)
    said = {INPUTS: json.dumps({"query": query}), OUTPUTS: json.dumps({"urgency": "later", "confidence": 0.4})}
    names, above = ("Urgency.forward", "Predict.forward", "Predict(Ask).forward", "LM.__call__"), None
    for level, name in enumerate(names):
        attributes = {**said, "user.id": user, KIND: "LLM" if name.startswith("LM") else "CHAIN"}
        span_id = f"{number:014x}{level:02x}"
        span = Span(span_id, f"{number:032x}", name, at, at + timedelta(seconds=2), attributes, "OK", above)
        yield Span(**{**{n: getattr(span, n) for n in Span.__slots__}, **(changes if not level else {})})
        above = span_id


def application(world: World, config: RoutingConfigUnified) -> None:
    """Decisions, most with a person's thumb; some of another tenant, some that failed, some of an evaluation."""
    spans = [span for number in range(240) for span in trace(number)]
    spans += [span for number in range(300, 310) for span in trace(number, user="globex")]
    failed = {"status": "ERROR", "failure": "LMServerError: the server is away"}
    spans += [span for number in range(400, 412) for span in trace(number, **failed)]
    odd = {"attributes": {INPUTS: "__REDACTED__", "user.id": "acme", KIND: "CHAIN"}}
    spans += [span for number in range(500, 503) for span in trace(number, **odd)]
    tagged = {"attributes": {"tag.tags": ["evaluation"], "user.id": "acme", KIND: "CHAIN"}}
    spans += [span for number in range(600, 605) for span in trace(number, **tagged)]
    world.traces.record("", spans, config.traces.place)
    ids = [(f"{number:014x}00", message(number)[1]) for number in range(LABELLED)]
    labels = [Annotation(id, "urgency", label, "HUMAN", "ann", START) for id, label in ids]
    world.traces.annotate(stream_of(config, "urgency"), labels)


def test_an_application_as_it_is_is_tuned_from_its_spans_to_a_champion(world: World) -> None:
    config = bound(world)
    application(world, config)
    conditions = world.look(config, "urgency")
    assert (conditions.is_due, conditions.traces) == (True, 240 + 12 + 3)
    (run,) = run_module(world.ports, config, "urgency", Request()).runs
    assert run.outcome == "promoted", run.sentence
    assert Registry(world.store, "acme").champion("urgency")[0].version == run.challenger
    told = {
        "the program failed: LMServerError": 12,
        "span: the application hides inputs or outputs": 3,
        "span: left out by its tag": 5,
    }
    assert run.counts.items() >= told.items()
    assert run.counts["outcome: failed, right answer unknown"] == 12
    assert not any("another tenant" in name or "globex" in name for name in run.counts)


def test_what_a_program_failed_at_is_kept_with_its_question_and_may_be_put_before_people(world: World) -> None:
    config = bound(world, leave_out_tags=[])
    failed = {"status": "ERROR", "failure": "LMServerError: the server is away"}
    spans = [span for n in range(200) for span in trace(n, **(failed if n % 2 else {}))]
    world.traces.record("", spans, config.traces.place)
    run_module(world.ports, config, "urgency", Request(is_forced=True))
    kept = list(ExperienceLog(world.store, "acme").experiences("urgency"))
    assert {(bool(x.answers), x.failure, x.agent_success) for x in kept} == {
        (True, None, None),
        (False, "LMServerError", False),
    }
    queued = {item.span_id for item in AnnotationQueue(world.store, "acme").items()}
    assert queued & {x.span_id for x in kept if x.failure}
    marks = world.traces.annotations(stream_of(config, "urgency"), ["argotune.queue"], START - timedelta(days=9))
    assert {mark.span_id for mark in marks} == queued


def test_errors_of_any_number_are_counted_under_a_bounded_number_of_names(world: World) -> None:
    config = bound(world)
    spans = [s for n in range(30) for s in trace(n, status="ERROR", failure=f"Error{n if n > 4 else 0}: no")]
    world.traces.record("", spans, config.traces.place)
    (run,) = run_module(world.ports, config, "urgency", Request(is_forced=True)).runs
    counts = {name: n for name, n in run.counts.items() if name.startswith("the program failed")}
    assert (len(counts), counts["the program failed: Error0"], sum(counts.values())) == (21, 5, 30)


def test_decisions_that_start_in_the_future_are_counted(world: World) -> None:
    config = bound(world)
    later = {"started_at": START + timedelta(days=2), "ended_at": START + timedelta(days=2)}
    spans = [s for n in range(30) for s in trace(n, **(later if n < 3 else {}))]
    world.traces.record("", spans, config.traces.place)
    (run,) = run_module(world.ports, config, "urgency", Request(is_forced=True)).runs
    assert run.counts["span: it starts in the future"] == 3
    assert len(list(ExperienceLog(world.store, "acme").experiences("urgency"))) == 27


def test_two_programs_that_no_span_tells_apart_are_refused(world: World) -> None:
    programs = {name: {"span": "Urgency"} for name in ("urgency", "triage")}
    config = bound(world, "urgency", "triage", programs=programs)
    world.traces.record("", list(trace(1)), config.traces.place)
    told = "'urgency' and 'triage' are both Urgency with the same fields: name the signature of 'urgency'"
    with pytest.raises(ConfigInvalid, match=told):
        run_module(world.ports, config, "urgency", Request(is_forced=True))
    programs["urgency"]["signature"] = "Ask"
    config = config.model_copy(update={"traces": bound(world, "urgency", "triage", programs=programs).traces})
    assert run_module(world.ports, config, "urgency", Request(is_forced=True)).runs


def test_modules_that_are_not_bound_are_read_as_the_page_asks(world: World) -> None:
    config = world.tenant(modules=["routing"], programs={"urgency": "shop_programs:urgency"}, traces=BINDING)
    world.receive(120)
    (run,) = run_module(world.ports, config, "routing", Request()).runs
    assert run.counts["experiences"] == 120
