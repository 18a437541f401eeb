"""An ordinary DSPy application that OpenInference traces into Phoenix is connected and tuned in one run, as it is."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import dspy
import httpx
import pytest
from desk import Nested, RewriteThenClassify
from scripted_lm import scripted_writer
from world import World

from argotune.data.archive import ExperienceLog
from argotune.data.project_survey import ProjectSurvey
from argotune.errors import ProjectMissing
from argotune.lm.kept_answers import KeptAnswers
from argotune.lm.meter import Meter
from argotune.lm.port import LMs
from argotune.pipeline.module_pass import Request
from argotune.pipeline.operations.connecting import Wanted, connect, write_connection
from argotune.pipeline.passes import run_module
from argotune.promotion.registry import Registry
from argotune.settings import read_settings
from argotune.tenants.binding import TraceProject
from argotune.tenants.config import LMChoice
from argotune.wiring import open_survey, open_traces, open_tracker, utc_now

pytest.importorskip("openinference.instrumentation.dspy")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http")

import tracing
from openinference.instrumentation import using_tags
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

pytestmark = [pytest.mark.phoenix, pytest.mark.usefixtures("no_variables")]

ASKED, CORRECTED, LIKED, DISLIKED, EVALUATED = 200, 160, 5, 9, 6
SIGNS = {"billing": "charged twice", "shipping": "parcel late", "technical": "app crashes", "other": "opening hours"}
AWAY = "the LM is away"
MEANINGS = {"right_intent": ("answer", "intent"), "user_feedback": ("verdict", None)}
TOLD = {
    "experiences": ASKED + 1,
    "the program failed: LMUnexpectedError": 1,
    "span: inside another module": 1,
    "span: left out by its tag": EVALUATED,
    "said to be wrong, right answer unknown": DISLIKED,
}


def message(number: int) -> tuple[str, str]:
    """What a customer writes, and what it is about."""
    intent = list(SIGNS)[number % 4]
    return f"{SIGNS[intent]}, case {number} of customer {number * 7 % 50}", intent


def write(prompt: str) -> str:
    """An LM that without a demonstration knows bills alone, and everything with one."""
    asked = re.findall(r"\[\[ ## (?:query|rewritten) ## \]\]\n(.*)", prompt)[-1]
    if asked == AWAY:
        raise RuntimeError(AWAY)
    right = next((intent for intent, signs in SIGNS.items() if signs in asked), "other")
    knows = right == "billing" or re.search(rf'"intent": "({"|".join(SIGNS)})"', prompt)
    said = {"rewritten": asked, "reasoning": "so", "intent": right if knows else "other"}
    fields = re.findall(r"`(\w+)`", prompt.rpartition("Respond with a JSON object")[2])
    return json.dumps({name: said[name] for name in fields})


class WritingLMs:
    """An LMSource over that LM."""

    def open(self, _choice: LMChoice, _meter: Meter, _answers: KeptAnswers) -> LMs:
        return LMs(task=scripted_writer(write)[0], teacher=None, adapter=dspy.JSONAdapter(), names={"task": "scripted"})


def application() -> None:
    """The decisions of a day: one whose LM was away, one inside a larger program, and some of an evaluation."""
    desk = RewriteThenClassify()
    with dspy.context(lm=scripted_writer(write)[0], adapter=dspy.JSONAdapter()):
        for number in range(ASKED):
            desk(query=message(number)[0])
        with pytest.raises(dspy.LMError):
            desk(query=AWAY)
        Nested()(query="opening hours, in a larger program")
        with using_tags(["evaluation"]):
            for number in range(EVALUATED):
                desk(query=f"evaluated: {message(number)[0]}")


def remarks(spans: Sequence[ReadableSpan]) -> Iterator[dict[str, Any]]:
    """What people say in Phoenix: mostly what would have been right, under a name of theirs; thumbs on others, of which
    one lies on what the program asked inside."""
    decisions = [span for span in spans if span.name == "RewriteThenClassify.forward"][:ASKED]
    inside = {span.parent.span_id: span for span in spans if span.name == "ChainOfThought.forward"}
    rest = range(CORRECTED, ASKED)
    known = [n for n in rest if message(n)[1] in ("billing", "other")][:LIKED]
    missed = [n for n in rest if message(n)[1] in ("shipping", "technical")][:DISLIKED]
    for number, span in enumerate(decisions[:CORRECTED]):
        yield remark(span, "right_intent", message(number)[1])
    for number in known:
        yield remark(decisions[number], "user_feedback", "thumbs-up")
    for number in missed[1:]:
        yield remark(decisions[number], "user_feedback", "thumbs-down")
    yield remark(inside[decisions[missed[0]].context.span_id], "user_feedback", "thumbs-down")


def remark(span: ReadableSpan, name: str, label: str) -> dict[str, Any]:
    said = {"name": name, "annotator_kind": "HUMAN", "identifier": "kim", "result": {"label": label}}
    return {"span_id": f"{span.context.span_id:016x}", **said}


@dataclass
class Application:
    """The application's project in Phoenix. `spans`: those that it has sent, as long as it is traced."""

    place: TraceProject
    survey: ProjectSurvey
    exporter: InMemorySpanExporter
    sender: BatchSpanProcessor

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        return self.exporter.get_finished_spans()

    def stored(self) -> int:
        """How many spans Phoenix has when it has all that were sent."""
        assert self.sender.force_flush()
        until = time.monotonic() + 60
        while (there := self._there()) < len(self.spans) and time.monotonic() < until:
            time.sleep(0.2)
        return there

    def _there(self) -> int:
        try:
            return self.survey.count_spans(self.place) or 0
        except ProjectMissing:  # until the first of its spans is stored
            return 0


@pytest.fixture
def world(phoenix_url: str, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("PHOENIX_ENDPOINT", phoenix_url)
    settings = read_settings()
    return World(traces=open_traces(settings), tracker=open_tracker(settings), lms=WritingLMs())


@pytest.fixture
def desk(world: World, phoenix_url: str) -> Iterator[Application]:
    """Traced from before its first question until after our last run."""
    project = f"desk {os.urandom(4).hex()}"
    sender = BatchSpanProcessor(OTLPSpanExporter(f"{phoenix_url}/v1/traces"))
    with tracing.traced(sender, project=project) as exporter:
        place, survey = TraceProject(project=project), open_survey(read_settings(), "phoenix")
        desk = Application(place, survey, exporter, sender)
        application()
        desk.stored()
        said = {"data": list(remarks(desk.spans))}
        httpx.post(f"{phoenix_url}/v1/span_annotations?sync=true", json=said, timeout=60).raise_for_status()
        yield desk


def test_an_application_that_knows_nothing_of_us_is_connected_and_comes_to_a_champion(
    world: World, desk: Application, phoenix_url: str
) -> None:
    sent, tenant = desk.stored(), desk.place.project
    wanted = Wanted(desk.place, tenant, {"support": "desk:RewriteThenClassify"})
    config = write_connection(world.store, connect(world.store, desk.survey, wanted))
    assert {name: (m.means, m.field) for name, m in config.annotation.remarks.items()} == MEANINGS
    world.now = utc_now() + timedelta(minutes=1)
    conditions = world.look(config, "support")
    assert (conditions.is_due, conditions.traces) == (True, ASKED + 1)

    (run,) = run_module(world.ports, config, "support", Request()).runs
    assert run.outcome == "promoted", run.sentence
    assert Registry(world.store, tenant).champion("support")[0].version == run.challenger
    assert run.counts.items() >= TOLD.items()
    assert 0 < run.counts["said to be right: trains, judges nothing"] <= LIKED
    assert run.comparison_link is not None
    assert run.comparison_link.startswith(phoenix_url)

    assert not world.look(config, "support").is_due, "what was read is not read again"
    (again,) = run_module(world.ports, config, "support", Request(is_forced=True)).runs
    assert again.counts["experiences"] == ASKED + 1
    kept = [each.span_id for each in ExperienceLog(world.store, tenant).experiences("support")]
    assert (len(kept), len(set(kept))) == (ASKED + 1, ASKED + 1)
    assert desk.stored() == len(desk.spans) == sent, "our own runs left no spans"
