"""A program of types, named by its class alone, is tuned on what people say in their own spelling."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, field
from datetime import timedelta
from types import ModuleType

import dspy
import pytest
from replies import THINGS, TROUBLES
from scripted_lm import scripted_writer
from world import START, World

from argotune.data.annotations import Annotation
from argotune.data.spans import Span
from argotune.data.stream import Stream
from argotune.errors import ConfigInvalid
from argotune.lm.kept_answers import KeptAnswers
from argotune.lm.meter import Meter
from argotune.lm.port import LMs
from argotune.pipeline.module_pass import Request
from argotune.pipeline.passes import run_module
from argotune.tenants.config import LMChoice, RoutingConfigUnified


@dataclass
class ReadingLMs:
    """Finds no order without a demonstration that has one, and all of them with it."""

    calls: list[str] = field(default_factory=list)

    def open(self, _choice: LMChoice, _meter: Meter, _answers: KeptAnswers) -> LMs:
        def write(prompt: str) -> str:
            self.calls.append(prompt)
            text = prompt.rpartition("[[ ## text ## ]]")[2].partition("[[ ##")[0]
            found = [int(number) for number in re.findall(r"order (\d+)", text)]
            has_seen = re.search(r'"order_ids": \[\s*1', prompt)
            return json.dumps({"order_ids": found if has_seen else [], "is_angry": "!" in text})

        lm, _ = scripted_writer(write)
        return LMs(task=lm, teacher=None, adapter=dspy.JSONAdapter(), names={"task": "scripted/writer"})


def desk(path: str) -> tuple[World, RoutingConfigUnified]:
    """A tenant with 240 messages, each labelled as people write it: lists in any spelling, yes for true."""
    world = World(lms=ReadingLMs())
    config = world.tenant(programs={"orders": path}, modules=["orders"], preferred_optimizer="labeled")
    at = START - timedelta(minutes=20)
    for number in range(240):
        thing, trouble = THINGS[number % 10], TROUBLES[number // 10 % 8]
        text = f"The {thing} of order {1000 + number} {trouble}{'!' if number % 2 else '.'} Case {number // 80}."
        said = {"text": text, "order_ids": [], "is_angry": bool(number % 2)}
        attributes = {"routing.program": "orders", **{f"routing.{name}": value for name, value in said.items()}}
        if number == 0:
            attributes["routing.order_ids"] = "many"
        span = Span(f"{number:016x}", f"{number:032x}", "cogniverse.orders", at, at, attributes)
        world.traces.record("acme", [span])
        right = {"order_ids": f"[{1000 + number}]" if number % 3 else f"[ {1000 + number}.0 ]"}
        right["is_angry"] = ("no", "yes")[number % 2] if number % 5 else ("false", "true")[number % 2]
        labels = [Annotation(span.span_id, n, label, "HUMAN", "ann", START) for n, label in right.items()]
        world.traces.annotate(Stream("acme", "orders"), labels)
    return world, config


def test_a_signature_of_types_is_tuned_by_its_import_path_alone():
    world, config = desk("desk:Orders")
    (run,) = run_module(world.ports, config, "orders", Request()).runs
    assert run.outcome == "promoted", run.sentence
    assert run.counts["span: a value is not of its field's type"] == 1
    assert {score.champion for score in run.comparison.scores} == {0.5}, "the orders were missed"
    assert {score.challenger for score in run.comparison.scores} == {1.0}
    (tracked,) = world.tracker.runs.values()
    judged = next(example for example in tracked.examples if example.challenger_answers)
    assert judged.expected == judged.challenger_answers
    assert [type(judged.expected[name]) for name in ("order_ids", "is_angry")] == [list, bool]
    assert type(judged.expected["order_ids"][0]) is int


def test_a_metric_that_compares_a_number_with_its_text_ends_the_run_before_an_lm_is_asked(
    monkeypatch: pytest.MonkeyPatch,
):
    from desk import Orders

    shop = ModuleType("shop_programs")
    shop.orders = lambda _config: (dspy.Predict(Orders), lambda e, p: float(str(p.order_ids) == e.order_ids))
    monkeypatch.setitem(sys.modules, "shop_programs", shop)
    world, config = desk("shop_programs:orders")
    told = r"its metric gives 0.0 to the right answer itself: order_ids of example and prediction is \[1\d+\] \(list\)"
    with pytest.raises(ConfigInvalid, match=told):
        run_module(world.ports, config, "orders", Request())
    assert world.lms.calls == []
