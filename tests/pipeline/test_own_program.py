"""A user's own program, by import path and with its own metric, goes through the very same loop."""

from __future__ import annotations

import sys
from datetime import timedelta
from types import ModuleType

import dspy
import pytest
from urgency import cautious, message, urgency
from world import START, World

from argotune.data.annotations import Annotation
from argotune.data.spans import Span
from argotune.data.stream import Stream
from argotune.errors import ConfigInvalid
from argotune.pipeline.module_pass import Request
from argotune.pipeline.passes import run_module
from argotune.programs import programs_of
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.registry import Registry


class Sometimes(dspy.Module):
    """Says nothing to messages that begin with typo; `style` may be left out."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = urgency(None)[0]

    def forward(self, query: str, *, style: str = "short") -> dspy.Prediction | None:
        assert style == "short"
        return None if query.startswith("typo") else self.answer(query=query)


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> str:
    module = ModuleType("shop_programs")
    module.urgency = urgency
    module.sometimes = lambda _config: (Sometimes(), cautious)
    monkeypatch.setitem(sys.modules, "shop_programs", module)
    return "shop_programs:urgency"


FEW_TO_LEARN_FROM = {"train": 0.1, "dev": 0.1, "test": 0.8}


def asked(world: World) -> None:
    """Traffic of `urgency`, and what people say of it."""
    for number in range(240):
        query, label = message(number)
        at = START - timedelta(minutes=20)
        attributes = {"routing.program": "urgency", "routing.query": query, "routing.urgency": "later"}
        span = Span(f"{number:016x}", f"{number:032x}", "cogniverse.urgency", at, at, attributes)
        world.traces.record("acme", [span])
        world.traces.annotate(
            Stream("acme", "urgency"), [Annotation(span.span_id, "urgency", label, "HUMAN", "ann", START)]
        )


def test_a_users_own_program_is_tuned_judged_and_promoted_by_the_same_loop(shop: str):
    world = World()
    config = world.tenant(programs={"urgency": shop}, modules=["urgency"], split=FEW_TO_LEARN_FROM)
    asked(world)
    (run,) = run_module(world.ports, config, "urgency", Request()).runs
    assert run.outcome == "promoted", run.sentence
    assert {score.champion for score in run.comparison.scores} == {0.0, 1.0}
    assert 0.5 in {score.challenger for score in run.comparison.scores}, "a false alarm, by the program's own metric"
    assert Registry(world.store, "acme").champion("urgency")[0].version == run.challenger


@pytest.mark.parametrize("optimizer", ["bootstrap", "nearest"])
def test_a_program_that_says_nothing_to_some_and_has_a_default_is_tuned_and_judged(shop: str, optimizer: str):
    world = World()
    own = {"urgency": shop.replace("urgency", "sometimes")}
    config = world.tenant(programs=own, modules=["urgency"], preferred_optimizer=optimizer)
    asked(world)
    (run,) = run_module(world.ports, config, "urgency", Request()).runs
    assert run.verdict is not None, run.sentence
    pages = ContestBook(world.store, "acme").pages(run.contest)
    answers = [pair.challenger.answers for page in pages for pair in page.pairs]
    assert 0 < answers.count({"urgency": ""}) < len(answers)


def test_a_field_that_would_overwrite_a_span_attribute_is_refused(monkeypatch: pytest.MonkeyPatch):
    module = ModuleType("shop_programs")
    module.bad = lambda _config: (dspy.Predict("propensity -> label"), lambda _e, _p: 1.0)
    monkeypatch.setitem(sys.modules, "shop_programs", module)
    config = World().tenant(programs={"bad": "shop_programs:bad"}, modules=["bad"])
    with pytest.raises(ConfigInvalid, match="cannot be called 'propensity'"):
        programs_of(config, "bad")
