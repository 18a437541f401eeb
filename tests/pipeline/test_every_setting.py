"""Every field of a tenant's config and every setting of an installation changes something that can be seen.

A row: the field, another value than its default, and what to look at; it must differ. A field without a row fails.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from itertools import product
from pathlib import Path
from random import Random
from time import sleep
from typing import Any
from unittest.mock import patch

import bandit
import openai_server
import pytest
import vespa_server
from enhancing import WritingRouter
from factories import FIELDS, make_annotation, make_example, make_run, make_span
from judge import Judge, annotator
from loopback import Quiet, answering
from marked import mark
from pydantic import BaseModel
from replies import JudgeByRubric, WritingLMs, messages
from scripted_lm import like_the_nearest_demo, scripted_lms
from tuning import cascaded, scripted, task, taught, tuned, voting
from twin_embedders import EMBEDDERS
from world import START, World, decision, traffic

from argotune import wiring
from argotune.adapters.litellm.lms import RemoteLMs
from argotune.adapters.memory.store import MemoryStore
from argotune.adapters.memory.traces import MemoryTraces
from argotune.adapters.retrying import Patience
from argotune.data.annotations import Annotation, LabelSource
from argotune.data.archive import ExperienceLog
from argotune.data.bound_sources import BoundSources
from argotune.data.dataset import Dataset
from argotune.data.fields import Fields
from argotune.data.guards.masking import rules_digest
from argotune.data.live_quality import live_quality
from argotune.data.openinference import INPUTS, KIND, OUTPUTS, read_decision
from argotune.data.remarks import INCORRECT, VERDICT
from argotune.data.span_format import read_span
from argotune.data.splitting import Split
from argotune.data.stream import Stream
from argotune.data.vector_log import VectorLog
from argotune.decisions.active_model import Activation, ActiveModel
from argotune.decisions.context import context_of
from argotune.decisions.gain_model import Training, fit
from argotune.decisions.races import Race
from argotune.decisions.values import Action, ModelingContext, Strategy, TrainingHistory
from argotune.errors import ArgotuneError, BudgetSpent, ConfigInvalid, ProjectMissing
from argotune.labels.agreement import compare
from argotune.labels.annotator import DayBudget
from argotune.labels.annotator_book import report_of
from argotune.labels.queue import AnnotationQueue
from argotune.lm.effort import Effort
from argotune.lm.kept_answers import NothingKept
from argotune.lm.meter import Meter
from argotune.lm.named import NamedLMs
from argotune.lm.names import Keys
from argotune.optimizers import OPTIMIZERS
from argotune.pipeline.module_pass import Pass, Request
from argotune.pipeline.operations.asked import modules_of
from argotune.pipeline.operations.on_argo import link_of
from argotune.pipeline.operations.pooling import pool_programs
from argotune.pipeline.passes import run_module
from argotune.pipeline.refuted import refuted_spans
from argotune.pipeline.stages.collect import collect
from argotune.pipeline.stages.decide import DecisionInputs, decide
from argotune.pipeline.stages.forget import forget_old
from argotune.pipeline.stages.synthesize import synthesize
from argotune.pipeline.unlabelled import scored_spans
from argotune.programs import programs_of
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.efforts import with_efforts
from argotune.promotion.gate import judge
from argotune.promotion.measuring import Terms
from argotune.promotion.pairs import Answer, Pair
from argotune.promotion.registry import Registry
from argotune.promotion.verdicts import Comparison, Score, UnusableAnswers
from argotune.promotion.versions import Change
from argotune.runs.book import RunBook
from argotune.runs.module_book import ModuleBook
from argotune.runs.progress import PassState
from argotune.runs.run import Run, RunState
from argotune.scheduling.chores import Chore, Lane, ServiceRules
from argotune.scheduling.timetable import KnownTenant, Timetable
from argotune.service.loop import Service
from argotune.serving.client import Serving
from argotune.settings import Settings, VespaLayout, wants_json_logs
from argotune.store.collections import Collection
from argotune.synthetic.generation import QUERY_GENERATION
from argotune.tenants.binding import BoundProgram, TraceBinding, TraceProject
from argotune.tenants.catalog import Configs
from argotune.tenants.config import BudgetLimits, LMChoice, RoutingConfigUnified, parse_config

WORLD = {"agents": {"video": "", "audio": "", "text": ""}, "modules": ["routing"], "min_trace_confidence": 0.0}


def nested(dotted: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in dotted.items():
        *rooms, last = name.split(".")
        place = made
        for room in rooms:
            place = place.setdefault(room, {})
        place[last] = value
    return made


# What is decided


def decided(
    config: RoutingConfigUnified,
    *,
    n_train: int = 30,
    recent: float | None = None,
    chance: float = 1.0,
    has_writer: bool = True,
    days: float = 1.0,
    **history: Any,
) -> Any:
    """The decision and the plan on so many training examples and 40 test examples."""
    sizes = {Split.TRAIN: n_train, Split.DEV: 8, Split.TEST: 40}
    examples = tuple(make_example(f"{split} {n}", split=split) for split, size in sizes.items() for n in range(size))
    data = replace(Dataset.of("routing", examples, {"experiences": 400}, 0.7), recent_accuracy=recent)
    past = TrainingHistory(**{"last_at": START - timedelta(days=days), **history}) if history else TrainingHistory()
    context = context_of(config, data, past, 0.0125, START)
    found = decide(
        DecisionInputs(config, data, context, past, seed=1, chance=chance, has_writer=has_writer, level=0.0125)
    )
    return found.decision, found.plan and found.plan.model_dump(exclude={"train_ids", "dev_ids", "test_ids"})


AGAIN = {"trainings": 1, "last_train_count": 60, "champion_score": 0.6}
MEASURED = {**AGAIN, "compared": 100, "disagreed": 30}
many = partial(decided, n_train=60)


def optimizer(config: RoutingConfigUnified, **of: Any) -> str:
    """Of a plan on 60 training examples: its name alone, as reasons tell thresholds that nobody may look at."""
    return many(config, **of)[1]["optimizer"]


def first(config: RoutingConfigUnified, **of: Any) -> str:
    """What its portfolio tries first."""
    return many(config, **of)[1]["entrants"][0]["method"]


def raced(config: RoutingConfigUnified) -> Any:
    """What a portfolio tried."""
    races: list[Race] = []
    OPTIMIZERS["portfolio"].compile(task(scripted(), settings=config.optimizers, on_race=races.append))
    return [tried.candidate for race in races for tried in race.tried]


def known(config: RoutingConfigUnified, **history: int) -> ModelingContext:
    """What models decide on."""
    test = tuple(make_example(f"test {n}", split=Split.TEST) for n in range(200))
    return context_of(config, Dataset.of("routing", test, {}, None), TrainingHistory(**history), 0.0125, START)


# The gate


def judged(
    config: RoutingConfigUnified, *, wins: int = 0, losses: int = 0, same: int = 0, days: float = 0, **of: Any
) -> Any:
    """What the gate says of labels of people; all but the losses are in one language."""
    pairs = [(0.0, 1.0)] * wins + [(1.0, 0.0)] * losses
    scores = tuple(
        Score(
            f"e{n}",
            LabelSource.HUMAN,
            {"language": "de" if champion > challenger else "en"},
            champion,
            challenger,
            drawn=of.get("drawn", "sealed"),
        )
        for n, (champion, challenger) in enumerate(pairs)
    )
    differ = len(pairs)
    comparison = Comparison("routing", "v1", "v2", scores, differ + same, differ, of.get("unusable"))
    return judge(comparison, Terms(0.0125, START - timedelta(days=days), START, config, of.get("growth", 0.0)))


def taking(config: RoutingConfigUnified, seconds: float = 1.0, tokens: int = 10, usd: float | None = None) -> Any:
    """What is said of a challenger whose answers take so much, where the champion's take 1 s and 10 tokens."""
    known = Effort(1.0, 10, None if usd is None else 0.0)
    both = Answer({}, effort=known), Answer({}, effort=Effort(seconds, tokens, usd))
    pairs = [Pair(f"q{n}", f"s{n}", "lot", *both) for n in range(60)]
    found = with_efforts(Comparison("routing", "v1", "v2", (), 60, 0), pairs, config.contest)
    return judge(found, Terms(0.0125, START, START, config)).outcome


def as_good_for_less(config: RoutingConfigUnified) -> Any:
    """What is said of a challenger that wins as often as it loses, and takes 300 tokens in place of 1,000."""
    both = Answer({}, effort=Effort(1.0, 1000)), Answer({}, effort=Effort(1.0, 300))
    pairs = [Pair(f"q{n}", f"s{n}", "lot", *both) for n in range(200)]
    said = [(0.0, 1.0), (1.0, 0.0)] * 30
    scores = tuple(Score(f"e{n}", LabelSource.HUMAN, {}, *each, drawn="lot") for n, each in enumerate(said))
    compared = Comparison("routing", "v1", "v2", scores, 2060, 60, equal=2000, equal_questions=2000)
    return judge(with_efforts(compared, pairs, config.contest), Terms(0.0125, START, START, config)).outcome


def gathering(config: RoutingConfigUnified, later: timedelta | None = None) -> Any:
    """How a contest stands that people answer nothing in: level, answers, and what was left out."""
    world = a_world(config)
    new, _ = traffic(config.tenant_id, 60, first=2000)
    world.traces.record(config.tenant_id, [replace(s, attributes={**s.attributes, **UNKNOWN}) for s in new])
    run_module(world.ports, config, "routing", Request(is_forced=True))
    world.now += later or timedelta(0)
    (run,) = run_module(world.ports, config, "routing", Request(is_forced=True)).runs
    contest = ContestBook(world.store, config.tenant_id).contest(run.contest or "")
    return contest.level, contest.answers, {what: n for what, n in run.counts.items() if what.startswith("contest")}


def curved(config: RoutingConfigUnified) -> int:
    """How many points are kept of a contest that three passes gathered evidence for."""
    world = a_world(config)
    for _ in range(3):
        (run,) = run_module(world.ports, config, "routing", Request(is_forced=True)).runs
    return len(ContestBook(world.store, config.tenant_id).contest(run.contest or "").curve)


def silent(*, champion: int = 0, challenger: int = 0) -> UnusableAnswers:
    sides = {"champion": {"no content": champion}, "challenger": {"no content": challenger}}
    return UnusableAnswers(asked=100, **sides, champion_only=champion, challenger_only=challenger)


# Traces, examples, runs


def a_world(config: RoutingConfigUnified, n: int = 120, *, labelled: bool = True) -> World:
    world = World(lease_s=60.0)
    spans, labels = traffic(config.tenant_id, n)
    told = {"routing.search_quality": 0.9, "routing.user_satisfaction": 0.5, "routing.processing_time": 2.0}
    told |= {"routing.agent_success": True, "routing.confidence": 0.8}
    spans = [replace(s, attributes={**s.attributes, **told}) for s in spans]
    world.traces.record(config.tenant_id, spans)
    if labelled:
        world.traces.annotate(Stream(config.tenant_id, "routing"), labels)
    return world


def asked_to_run(config: RoutingConfigUnified, known: Mapping[str, Any] | None = None) -> Any:
    world = a_world(config)
    if known:
        mark(world.store, config.tenant_id, **known)
    found = world.look(config)
    return found.is_due, found.why_not, found.traces, found.traces_needed, found.labels_needed


def fallen(config: RoutingConfigUnified) -> tuple[str, ...]:
    """What is told of a champion of whose first 200 answers one in twenty failed, and of the next 120 every second."""
    world = World()
    Configs(world.store).save(config)
    for first, count, every in ((0, 200, 20), (1000, 120, 2)):
        world.later(hours=1)
        for number in range(first, first + count):
            span = decision(
                config.tenant_id, f"{number:016x}", f"{number * 7919:x}", "video", success=number % every > 0
            )
            world.traces.record(config.tenant_id, [replace(span, started_at=world.now, ended_at=world.now)])
        collected = collect(Pass(world.ports, config, "routing"), [p.fields for p in programs_of(config, "routing")])
    return collected.degradations.sentences


def untold(config: RoutingConfigUnified) -> tuple[str, ...]:
    """What is told of 60 answers of which one in twenty failed."""
    world = World()
    Configs(world.store).save(config)
    for number in range(60):
        span = decision(config.tenant_id, f"{number:016x}", f"{number * 7919:x}", "video", success=number % 20 > 0)
        world.traces.record(config.tenant_id, [replace(span, started_at=world.now, ended_at=world.now)])
    collected = collect(Pass(world.ports, config, "routing"), [p.fields for p in programs_of(config, "routing")])
    return collected.degradations.programs["routing"].unclear


def read_from(config: RoutingConfigUnified) -> Any:
    with suppress(ProjectMissing):
        return asked_to_run(config)


def pooled_of(config: RoutingConfigUnified) -> list[str]:
    """Which programs are not pooled for want of a second tenant that shares."""
    world = World()
    Configs(world.store).save(config)
    return list(pool_programs(world.ports).left_out)


def enhanced(config: RoutingConfigUnified) -> Any:
    """What a run by an LM that writes made of query enhancement."""
    world = World(lms=WritingRouter())
    world.receive(120, config.tenant_id)
    (run,) = run_module(world.ports, config, "routing", Request(is_forced=True)).runs
    return run.enhancement


def unified(config: RoutingConfigUnified) -> Any:
    """What a run made of the other module's outcomes."""
    world = World(lms=WritingRouter())
    world.receive(120, config.tenant_id)
    (run,) = run_module(world.ports, config, "routing", Request(is_forced=True)).runs
    return run.unified


def model_asked(config: RoutingConfigUnified) -> str:
    """Which model is missed where names are to be masked and none is installed."""
    with pytest.raises(ConfigInvalid) as raised:
        rules_digest(config.masking)
    return str(raised.value)


def gathered(config: RoutingConfigUnified, later: timedelta | None = None) -> Any:
    """The examples of unlabelled decisions, and after a while those that are left."""
    world = a_world(config, labelled=False)
    *_, (span, _) = world.traces.spans_after(Stream(config.tenant_id, "routing"), None)
    texts = "acme.com mail bo@acme.com or +1 202 456 1111 or 030 901820 now"
    span = replace(span, span_id="f" * 16, attributes={**span.attributes, "routing.query": texts})
    world.traces.record(config.tenant_id, [span])
    fields = [program.fields for program in programs_of(config, "routing")]
    collect(Pass(world.ports, config, "routing"), fields)
    if later:
        world.now += later
        recent = replace(span, span_id="e" * 16, started_at=world.now, ended_at=world.now)
        world.traces.record(config.tenant_id, [recent])
    collected = collect(Pass(world.ports, config, "routing"), fields)
    log = ExperienceLog(world.store, config.tenant_id)
    queries = sorted(experience.query for experience in log.experiences("routing"))
    return queries, [(e.id, e.weight, e.split) for e in collected.datasets["routing"].picked()]


def placed(config: RoutingConfigUnified, split: Split) -> Any:
    """The examples of a split."""
    _, examples = gathered(config)
    return [id for id, _, place in examples if place is split]


def ran(config: RoutingConfigUnified, change: Callable[[World], None] = lambda world: None) -> Run:
    world = a_world(config)
    change(world)
    (run,) = run_module(world.ports, config, "routing", Request(is_forced=True)).runs
    return run


def trained_on(config: RoutingConfigUnified) -> Any:
    """Of 300 labelled decisions, as the plan names and tells them."""
    world = a_world(config, 300)
    run_module(world.ports, config, "routing", Request(is_training_forced=True))
    plan = next(run.plan for run in RunBook(world.store, config.tenant_id).runs() if run.plan)
    return plan.train_ids, plan.dev_ids, plan.test_ids, plan.reason


def again_at(config: RoutingConfigUnified) -> Any:
    """When a training is repeated whose champion was moved meanwhile."""
    world = a_world(config)
    registry = Registry(world.store, config.tenant_id)

    def override() -> None:
        if world.lms.calls == 20:
            registry.override("routing", registry.versions()[0].id, who="ann", reason="why not", now=world.now)

    world.lms.on_call = override
    run_module(world.ports, config, "routing", Request(is_forced=True))
    return ModuleBook(world.store, config.tenant_id, "routing").read(PassState).again_at


def forgotten(config: RoutingConfigUnified, days: int, state: RunState) -> dict[str, int]:
    """What goes of a run that ended so long ago, and of the latest one."""
    store, at = MemoryStore(), START - timedelta(days=days)
    times = {"old": at, "latest": at + timedelta(minutes=1)}
    runs = [make_run(id=id, tenant_id=config.tenant_id, state=state, started_at=at) for id, at in times.items()]
    store.write(config.tenant_id, [RunBook.record_of(run) for run in runs])
    return forget_old(store, config, START)


def embedder_of(config: RoutingConfigUnified) -> str:
    """What finds neighbours for a tenant."""
    return Pass(World().ports, config, "routing").embedders(Meter(config.budget)).neighbours().name


def vectors_left(config: RoutingConfigUnified) -> int:
    """How many of twenty vectors are kept."""
    store = MemoryStore()
    VectorLog(store, config.tenant_id).keep("digest", {f"text {n}": b"1234" for n in range(20)}, START)
    forget_old(store, config, START)
    return sum(1 for _ in store.scan(config.tenant_id, Collection.VECTORS))


def days_left(config: RoutingConfigUnified) -> int:
    """Of how many days it is kept what live answers scored, whose outcomes came in on three days."""
    world = a_world(config, n=0)
    for day in range(3):
        world.now = START + timedelta(days=day)
        spans, _ = traffic(config.tenant_id, 5, first=100 * day)
        at = world.now - timedelta(minutes=30)
        world.traces.record(config.tenant_id, [replace(span, started_at=at, ended_at=at) for span in spans])
        run_module(world.ports, config, "routing", Request(is_forced=True))
    return len(live_quality(world.store, config.tenant_id, "routing").days)


def changes_left(config: RoutingConfigUnified) -> int:
    """How many of a program's twelve changes of champion are left."""
    store = MemoryStore()
    registry = Registry(store, config.tenant_id)
    for number in range(1, 13):
        change = Change(
            program="routing",
            sequence=number,
            version=f"v{number}",
            previous=None,
            at=START,
            how="promoted",
            who="gate",
            reason="test",
        )
        registry.set_champion(change, registry.champion("routing")[1])
    forget_old(store, config, START)
    return len(registry.history("routing"))


def by_whom(config: RoutingConfigUnified) -> str:
    def activate(world: World) -> None:
        action = Action(strategy=Strategy.PURE_REAL, optimizer="nearest")
        past = [Training(f"t{n % 10}", ModelingContext(test_count=n), action, 0.2 * (n % 2), 50) for n in range(80)]
        model = fit(past, seed=1)
        activation = Activation(number=1, at=START, model=model.id, reason="test", rows=80)
        ActiveModel(world.store).activate(activation, model, None)

    return ran(config, activate).decision.by


# Labels


def queued(config: RoutingConfigUnified) -> Any:
    world = a_world(config, labelled=False)
    run_module(world.ports, config, "routing", Request(is_forced=True))
    items = AnnotationQueue(world.store, config.tenant_id).items()
    return sorted((item.span_id, item.reason, item.split) for item in items)


def for_contest(config: RoutingConfigUnified) -> int:
    """How many of a day's questions are a contest's that has more disagreements than that."""
    world = a_world(config)
    run_module(world.ports, config, "routing", Request(is_forced=True))
    new, _ = traffic(config.tenant_id, 60, first=2000)
    world.traces.record(config.tenant_id, [replace(s, attributes={**s.attributes, **UNKNOWN}) for s in new])
    world.later(days=1)
    run_module(world.ports, config, "routing", Request(is_forced=True))
    return sum(bool(item.contest) for item in AnnotationQueue(world.store, config.tenant_id).items())


def annotates_with(config: RoutingConfigUnified) -> LMChoice:
    """The choice of an LM that the annotator is opened with."""
    chosen: list[LMChoice] = []

    class Source:
        def open(self, choice: LMChoice, *_: Any) -> Any:
            chosen.append(choice)
            raise ConfigInvalid("off")

    world = a_world(config)
    world.annotator = Source()
    run_module(world.ports, config, "routing", Request(is_forced=True))
    return chosen[0]


def compared_on(config: RoutingConfigUnified) -> int:
    """How many of the spans that people have labelled an annotator is asked about."""
    world = a_world(config)
    world.annotator = annotator(Judge())
    run_module(world.ports, config, "routing", Request(is_forced=True))
    given = world.traces.annotations(Stream(config.tenant_id, "routing"), ["agent"], START - timedelta(days=9))
    return sum(annotation.kind == "LLM" for annotation in given)


def praised(config: RoutingConfigUnified) -> int:
    """How many decisions have a label, where people gave thumbs up under a name of their own."""
    world = a_world(config, labelled=False)
    thumbs = [Annotation(f"{n:016x}", "thumbs", "\N{THUMBS UP SIGN}", "HUMAN", "kim", START) for n in range(20)]
    world.traces.annotate(Stream(config.tenant_id, "routing"), thumbs)
    fields = [program.fields for program in programs_of(config, "routing")]
    data = collect(Pass(world.ports, config, "routing"), fields).datasets["routing"]
    return sum(example.source is LabelSource.HUMAN for example in data.picked())


REPLYING = {"programs": {"replies": "replies:REPLY"}, "modules": ["replies"], "decisions.detectable_gain": 0}
SCORED = {
    **REPLYING,
    "annotation.rubrics": {"replies": "It is polite."},
    "annotation.remarks": {"t": {"means": "verdict"}},
}


def scored_by_rubric(config: RoutingConfigUnified) -> Any:
    """What is known of the rubric, where people have said that 40 of 80 answers are right."""
    world = World(lms=WritingLMs(), annotator=annotator(JudgeByRubric(score=lambda reply: f"0.{len(reply) % 2 + 7}")))
    spans = messages(world, 0, 80, success=True)
    world.traces.record(config.tenant_id, spans)
    said = [("up" if len(s.attributes["routing.reply"]) % 2 else "down", s.span_id) for s in spans]
    thumbs = [Annotation(span_id, "t", label, "HUMAN", "kim", START) for label, span_id in said]
    world.traces.annotate(Stream(config.tenant_id, "replies"), thumbs)
    run_module(world.ports, config, "replies", Request(is_forced=True))
    report = report_of(world.store, config.tenant_id, "replies")
    return report and report.rubric and report.rubric.obstacle


def taught_by_rubric(config: RoutingConfigUnified) -> Any:
    """How many of 80 requests without a right answer a rubric lets teach, and choose."""
    world = World(lms=WritingLMs())
    world.traces.record(config.tenant_id, messages(world, 0, 80, success=None))
    this, (program,) = Pass(world.ports, config, "replies"), programs_of(config, "replies")
    found = scored_spans(this, program, collect(this, [program.fields]).datasets["replies"], is_scored=True)
    return len(found.train), len(found.dev)


def taught_by_refuted(config: RoutingConfigUnified) -> Any:
    """By how many answers that people have said are wrong a training learns, and chooses."""
    world = World()
    world.receive(60, config.tenant_id)
    asked = [decision(config.tenant_id, f"f{n:015x}", f"quagga {n * 7919}", "video", success=False) for n in range(60)]
    world.traces.record(config.tenant_id, asked)
    said = [Annotation(span.span_id, VERDICT, INCORRECT, "HUMAN", "kim", START) for span in asked]
    world.traces.annotate(Stream(config.tenant_id, "routing"), said)
    this, (program,) = Pass(world.ports, config, "routing"), programs_of(config, "routing")
    found = refuted_spans(this, program, collect(this, [program.fields]).datasets["routing"])
    return len(found.train), len(found.dev)


def calls_of_a_day(config: RoutingConfigUnified) -> int:
    ports = World().ports
    meter = DayBudget(ports.store, ports.lms, ports.clock, config, "routing").meter
    with suppress(BudgetSpent):
        for _ in range(1000):
            with meter.call(1):
                pass
    return meter.spent.calls


def agreement(config: RoutingConfigUnified, n: int, hits: int) -> Any:
    """Of an LM that meets people on so many of n spans, whose labels are two."""
    agents = FIELDS.answers["agent"]

    def label(n: int, kind: str, right: bool) -> Annotation:
        given = agents[(n + (not right)) % 2]
        return make_annotation(given, span_id=f"{n:016x}", kind=kind, identifier=kind)

    both = [label(n, kind, kind == "HUMAN" or n < hits) for n, kind in product(range(n), ("HUMAN", "LLM"))]
    return compare(both, FIELDS, config.annotation)["LLM"].obstacle


# LMs


def asks(config: RoutingConfigUnified, *answers: openai_server.Answer) -> Any:
    """What a server at `lm.api_base`, or else at a fixed place, is asked."""
    server = openai_server.OpenAIServer()
    server.answers = answers or server.answers
    with openai_server.running(server):
        choice = config.lm.model_copy(update={"api_base": config.lm.api_base or server.url})
        lms = NamedLMs([RemoteLMs(Keys(task="k"), Patience(sleep=lambda _: None))], "openai/one", None, wiring.utc_now)
        opened = lms.open(choice, Meter(BudgetLimits()), NothingKept())
        told = ""
        try:
            opened.task("hello")
        except ArgotuneError as error:
            told = type(error).__name__
        return opened.names, [body["model"] for body in server.bodies], told


def content_of(config: RoutingConfigUnified) -> str:
    settings = read(ARGOTUNE_CONTENT_DIR=str(Path(__file__).parent))
    return type(wiring.open_content(settings, MemoryStore())(config)).__name__


def quality_asked(config: RoutingConfigUnified) -> float:
    world, (program,) = World(), programs_of(config, "routing")
    with patch("argotune.pipeline.stages.synthesize.make", side_effect=ConfigInvalid("seen")) as make:
        plan = ran(config).plan.model_copy(update={"synthetic_count": 3})
        data, lms = Dataset.of("routing", (), {}, None), world.lms.open(config.lm, Meter(config.budget), NothingKept())
        synthesize(Pass(world.ports, config, program.module), program, plan, data, lms, Meter(config.budget))
    return make.call_args.args[0].quality_threshold


def answers_of(config: RoutingConfigUnified, module: str) -> Any:
    return [program.fields.answers for program in programs_of(config, module)]


def has_program(config: RoutingConfigUnified) -> bool:
    with suppress(ConfigInvalid):
        return bool(programs_of(config, "writer"))
    return False


def whose(config: RoutingConfigUnified) -> Any:
    return read_span(make_span(), config.tenant_id, {"routing": FIELDS})


FIVE_HOURS_AGO = {"last_run_at": START - timedelta(hours=5)}


def explored(config: RoutingConfigUnified) -> Any:
    """What a hundred questions are answered with, and the propensities; passes have read 120 decisions before."""
    world = a_world(config)
    fields = [program.fields for program in programs_of(config, "routing")]
    collect(Pass(world.ports, config, "routing"), fields)
    ask = scripted_lms(like_the_nearest_demo)
    with Serving(world.store, config, ask, EMBEDDERS, lambda: START, 3600.0, rng=Random(7)) as serving:
        given = [serving.decide("routing", query=f"question {n}") for n in range(100)]
    return [(decision.answers["agent"], decision.propensity) for decision in given]


def policy(config: RoutingConfigUnified) -> str:
    """What a policy learns."""
    return bandit.learned_by(config.optimizers.policy)


@dataclass(frozen=True)
class Row:
    name: str
    other: Any
    look: Callable[[Any], Any]
    given: Mapping[str, Any] = field(default_factory=dict)
    with_it: Mapping[str, Any] = field(default_factory=dict)
    """What must change too, as shares sum to 1. The look must not see it."""


LATE = replace(openai_server.completion("hi"), after_s=0.3)
SMALL = {"decisions.detectable_gain": 0, "decisions.exploration_share": 0}
ROUTED = {**WORLD, **SMALL, "use_synthetic_data": False}
OPEN = {**ROUTED, "contest.min_people_labels": 1000, "annotation.daily_limit": 200}
UNKNOWN = {"routing.agent_success": False}
EXPLORING = {**ROUTED, "serving.exploration.enabled": True}
GLINER = "optimizers.ensemble.gliner"
VOTING = {
    "optimizers.ensemble.entity_model": "entity_models:find",
    "optimizers.ensemble.entity_labels": ["film", "writing", "music", "noise"],
}
SHORT = {"max_training_iterations": 8}
LONG = {"max_training_iterations": 60}
MINIBATCH = {**SHORT, "optimizers.mipro.minibatch": True}
LEARNING = {f"optimizers.policy.{name}": value for name, value in bandit.SHORT.items()}
PATIENT = {f"optimizers.policy.{name}": value for name, value in bandit.LONG.items()}
CONFIG = [
    Row(
        "tenant_id",
        "globex",
        lambda c: read_span(make_span(), c.tenant_id, {"routing": FIELDS}),
        {"tenant_id": "acme_corp"},
    ),
    Row("enable_auto_optimization", False, asked_to_run, ROUTED),
    Row("optimization_interval_seconds", 90_000, partial(asked_to_run, known=FIVE_HOURS_AGO), ROUTED),
    Row("min_samples_for_optimization", 121, asked_to_run, ROUTED),
    Row("preferred_optimizer", "bootstrap", optimizer),
    Row("max_training_iterations", 7, many, {"preferred_optimizer": "random_search"}),
    Row("max_training_iterations", 7, known),
    Row("shared", True, pooled_of),
    Row("enhancement", "off", enhanced, {**ROUTED, "preferred_optimizer": "labeled"}),
    Row("unified", "off", unified, {**ROUTED, "modules": ["routing", "workflow"], "preferred_optimizer": "labeled"}),
    Row("use_synthetic_data", False, decided),
    Row("synthetic_data_ratio", 0.4, decided),
    Row("synthetic_quality_threshold", 0.7, quality_asked, ROUTED),
    Row("content", "file", content_of),
    Row("phoenix_lookback_hours", 0.25, asked_to_run, ROUTED),
    Row("min_trace_confidence", 0.9, gathered, {"agents": WORLD["agents"]}),
    Row("example_retention_days", 5, partial(gathered, later=timedelta(days=10)), ROUTED),
    Row("agents", {"a": "", "b": ""}, partial(answers_of, module="routing")),
    Row("fusion_modalities", ["video+text"], partial(answers_of, module="cross_modal")),
    Row("fusion_strategies", ["score", "mine"], partial(answers_of, module="cross_modal")),
    Row("traces", {"project": "shop", "programs": {"routing": {"span": "Route"}}}, read_from, ROUTED),
    Row("modules", ["routing"], lambda c: modules_of(c, "all")),
    Row("programs", {"writer": QUERY_GENERATION}, has_program),
    Row("reward.search_quality_weight", 0.1, gathered, ROUTED),
    Row("reward.agent_success_weight", 0.1, gathered, ROUTED),
    Row("reward.user_satisfaction_weight", 0.1, gathered, ROUTED),
    Row("reward.processing_time_penalty", 0.5, gathered, ROUTED),
    Row("reward.processing_time_scale_s", 8.0, gathered, ROUTED),
    Row("split.train", 0.6, partial(placed, split=Split.TRAIN), ROUTED, {"split.dev": 0.1}),
    Row("split.dev", 0.4, partial(placed, split=Split.DEV), ROUTED, {"split.test": 0.1}),
    Row("split.test", 0.1, partial(placed, split=Split.TEST), ROUTED, {"split.dev": 0.4}),
    Row("gate.min_effect", 0.2, partial(judged, wins=30, same=170)),
    Row("gate.significance", 0.01, gathering, OPEN),
    Row("gate.min_slice_examples", 11, partial(judged, wins=40, losses=10)),
    Row("gate.slice_significance", 0.001, partial(judged, wins=40, losses=9)),
    Row("gate.max_unusable_share", 0.1, partial(judged, wins=30, unusable=silent(champion=15, challenger=15))),
    Row("gate.unusable_significance", 0.0001, partial(judged, wins=30, unusable=silent(challenger=12))),
    Row("contest.max_labels", 60, partial(judged, wins=30, losses=30, drawn="lot"), {"gate.min_slice_examples": 99}),
    Row("contest.max_days", 3, partial(judged, wins=3, losses=3, days=4)),
    Row("contest.overtaken_growth", 0.5, partial(judged, wins=3, losses=3, growth=0.7)),
    Row("contest.min_people_labels", 31, partial(judged, wins=30)),
    Row("contest.patience_days", 6, partial(gathering, later=timedelta(days=5)), OPEN),
    Row("contest.max_shadow_calls", 10, gathering, OPEN),
    Row("contest.shadow_calls_per_pass", 10, gathering, OPEN),
    Row("contest.lookback_days", 0.01, gathering, OPEN),
    Row("contest.curve_points", 2, curved, OPEN),
    Row("contest.give_up_significance", 0.2, partial(judged, wins=10, losses=10, same=300)),
    Row("contest.max_latency_ratio", 8, partial(taking, seconds=9.0)),
    Row("contest.max_cost_ratio", None, partial(taking, tokens=20_000)),
    Row("contest.margin_if_cheaper", 0.05, as_good_for_less),
    Row("contest.cheaper_ratio", 0.2, as_good_for_less, {"contest.margin_if_cheaper": 0.05}),
    Row("contest.short_answer_s", 4.0, partial(taking, seconds=9.0)),
    Row("contest.cheap_answer_usd", 0.001, partial(taking, usd=0.002)),
    Row("contest.cheap_answer_tokens", 5000, partial(taking, tokens=20_000)),
    Row("training.max_examples", 100, trained_on, ROUTED),
    Row("budget.max_lm_calls", 20, lambda c: ran(c).lm_calls, ROUTED),
    Row("budget.max_lm_tokens", 150, lambda c: ran(c).lm_calls, ROUTED),
    Row("decisions.synthetic_threshold", 31, decided),
    Row("decisions.hybrid_threshold", 30, decided),
    Row("decisions.labeled_below", 61, partial(first, has_writer=False)),
    Row("decisions.mipro_threshold", 61, first),
    Row("decisions.gepa_threshold", 59, first),
    Row("decisions.simba_below", 0.71, first),
    Row("decisions.performance_degradation_threshold", 0.6, fallen, ROUTED),
    Row("degradation.swing", 0.6, fallen, ROUTED),
    Row("degradation.drift", 0.03, untold, ROUTED),
    Row("decisions.growth_share", 0.25, partial(decided, n_train=72, **AGAIN)),
    Row("decisions.stale_days", 4.0, partial(many, days=5.0, **AGAIN)),
    Row("decisions.detectable_gain", 0, partial(many, **MEASURED)),
    Row("decisions.errors_less_by_doubling", 0, partial(decided, n_train=90, **AGAIN)),
    Row("decisions.detection_power", 0.9, partial(many, **MEASURED)),
    Row("decisions.detection_power", 0.9, partial(known, compared=100, disagreed=30)),
    Row("decisions.look_again_hours", 4, again_at, ROUTED),
    Row("decisions.exploration_share", 0, partial(many, chance=0.01)),
    Row("decisions.explored_optimizers", ["simba"], many),
    Row("decisions.use_meta_models", False, by_whom, ROUTED),
    Row("optimizers.bootstrap.max_bootstrapped_demos", 2, partial(tuned, method="bootstrap"), SHORT),
    Row("optimizers.bootstrap.max_labeled_demos", 3, partial(tuned, method="bootstrap"), SHORT),
    Row("optimizers.bootstrap.max_rounds", 3, partial(tuned, method="bootstrap"), SHORT),
    Row("optimizers.random_search.max_bootstrapped_demos", 1, partial(tuned, method="random_search"), SHORT),
    Row("optimizers.random_search.max_labeled_demos", 3, partial(tuned, method="random_search"), SHORT),
    Row("optimizers.random_search.max_rounds", 3, partial(tuned, method="random_search"), SHORT),
    Row("optimizers.random_search.num_candidate_programs", 1, partial(tuned, method="random_search"), SHORT),
    Row("optimizers.mipro.auto", "light", partial(tuned, method="mipro"), SHORT),
    Row("optimizers.mipro.num_candidates", 3, partial(tuned, method="mipro"), SHORT),
    Row("optimizers.mipro.init_temperature", 0.5, partial(tuned, method="mipro"), SHORT),
    Row("optimizers.mipro.max_bootstrapped_demos", 1, partial(tuned, method="mipro"), SHORT),
    Row("optimizers.mipro.max_labeled_demos", 2, partial(tuned, method="mipro"), SHORT),
    Row("optimizers.mipro.num_trials", 3, partial(tuned, method="mipro"), SHORT),
    Row("optimizers.mipro.minibatch", True, partial(tuned, method="mipro"), SHORT),
    Row("optimizers.mipro.minibatch_size", 5, partial(tuned, method="mipro"), MINIBATCH),
    Row("optimizers.mipro.minibatch_full_eval_steps", 2, partial(tuned, method="mipro"), MINIBATCH),
    Row("optimizers.simba.bsize", 8, partial(tuned, method="simba"), SHORT),
    Row("optimizers.simba.num_candidates", 2, partial(tuned, method="simba"), SHORT),
    Row("optimizers.simba.max_steps", 3, partial(tuned, method="simba"), SHORT),
    Row("optimizers.simba.max_demos", 1, partial(tuned, method="simba"), LONG),
    Row("optimizers.gepa.auto", "light", partial(tuned, method="gepa"), LONG),
    Row("optimizers.gepa.max_metric_calls", 30, partial(tuned, method="gepa"), SHORT),
    Row("optimizers.gepa.reflection_minibatch_size", 5, partial(tuned, method="gepa"), SHORT),
    Row("optimizers.copro.breadth", 7, partial(tuned, method="copro"), SHORT),
    Row("optimizers.copro.depth", 1, partial(tuned, method="copro"), {**SHORT, "optimizers.copro.breadth": 2}),
    Row("optimizers.copro.init_temperature", 0.5, partial(tuned, method="copro"), SHORT),
    Row("optimizers.labeled.k", 5, partial(tuned, method="labeled"), SHORT),
    Row("optimizers.nearest.k", 2, partial(tuned, method="nearest"), SHORT),
    Row("optimizers.nearest.embedder", "tfidf", partial(tuned, method="nearest"), SHORT),
    *(Row(f"optimizers.policy.{name}", other, policy, LEARNING) for name, other in bandit.OTHER_SETTINGS.items()),
    Row("optimizers.policy.early_stopping_patience", 60, policy, PATIENT),
    Row("optimizers.student.tutor_queries", 7, partial(taught, method="student")),
    Row("optimizers.student.tutor_weight", 0.01, partial(taught, method="student")),
    Row("optimizers.cascade.by", "agreement", cascaded),
    Row("optimizers.cascade.delta", 1e-9, cascaded),
    Row("optimizers.cascade.tolerance", 0.9, cascaded),
    Row("optimizers.cascade.max_other_answers", 0.9, cascaded, {"optimizers.cascade.by": "agreement"}),
    Row("optimizers.cascade.min_labels", 100, cascaded),
    Row("optimizers.cascade.agreement_queries", 7, cascaded, {"optimizers.cascade.by": "agreement"}),
    Row("optimizers.cascade.unfamiliar_share", 0.9, cascaded),
    Row("optimizers.cascade.landmarks", 3, cascaded),
    Row("optimizers.ensemble.tunes", ["words"], voting),
    Row("optimizers.ensemble.words", {"audio": ["tune"]}, voting),
    Row("optimizers.ensemble.entity_model", "entity_models:broken", voting, VOTING),
    Row("optimizers.ensemble.entity_labels", ["writing"], voting, VOTING),
    Row("optimizers.ensemble.entity_threshold", 0.85, voting, {**VOTING, f"{GLINER}_threshold_optimization": False}),
    Row(f"{GLINER}_threshold_optimization", False, voting, VOTING),
    Row(f"{GLINER}_label_optimization", False, voting, VOTING),
    Row(f"{GLINER}_threshold_step", 0.4, voting, VOTING),
    Row("optimizers.ensemble.bootstrap", False, voting),
    Row("optimizers.ensemble.temperatures", [1.5], voting),
    Row("optimizers.ensemble.chooses_by", "f1", voting),
    Row("optimizers.ensemble.learning_rate", 0.001, voting),
    Row("optimizers.ensemble.momentum", 0.0, voting, {"optimizers.ensemble.learning_rate": 0.001}),
    Row("optimizers.ensemble.weight_decay", 1.0, voting),
    Row("optimizers.portfolio.candidates", ["labeled"], partial(tuned, method="portfolio"), SHORT),
    Row("optimizers.portfolio.nearest_k", [3], raced, SHORT),
    Row("embedder", "tfidf", embedder_of),
    Row("lm.task_model", "openai/two", asks),
    Row("lm.teacher_model", "openai/three", asks),
    Row("lm.api_base", "http://127.0.0.1:9/v1", asks, {"lm.max_retries": 0}),
    Row("lm.timeout_s", 0.05, lambda c: asks(c, LATE), {"lm.max_retries": 0}),
    Row("lm.max_retries", 1, lambda c: asks(c, openai_server.failure(500))),
    Row("masking.enabled", False, gathered, ROUTED),
    Row("masking.kinds", ["phone"], gathered, ROUTED),
    Row("masking.phone_regions", ["US"], gathered, ROUTED),
    Row("masking.keep", ["bo@acme.com"], gathered, ROUTED),
    Row("masking.names_model", "no_such_model", model_asked, {"masking.kinds": ["name"]}),
    Row("annotation.daily_limit", 10, queued, ROUTED),
    Row("annotation.random_share", 1.0, queued, ROUTED),
    Row("annotation.share_beside_contest", 0.9, for_contest, {**OPEN, "annotation.daily_limit": 10}),
    Row("annotation.confidence_threshold", 0.85, queued, ROUTED),
    Row("annotation.min_annotations_for_optimization", 7, asked_to_run, ROUTED),
    Row("annotation.annotator_model", "openai/other", annotates_with, ROUTED),
    Row("annotation.api_base", "http://127.0.0.1:9", annotates_with, ROUTED),
    Row("annotation.max_lm_calls", 9, calls_of_a_day),
    Row("annotation.min_agreement", 0.95, partial(agreement, n=100, hits=95)),
    Row("annotation.min_kappa", 0.9, partial(agreement, n=100, hits=95)),
    Row("annotation.min_compared", 5, compared_on, {**ROUTED, "annotation.daily_limit": 0}),
    Row("annotation.min_compared", 101, partial(agreement, n=100, hits=99)),
    Row("annotation.rubrics", {"replies": "It is polite."}, scored_by_rubric, REPLYING),
    Row("annotation.rubric_threshold", 0.75, scored_by_rubric, SCORED),
    Row("annotation.rubric_questions", 5, taught_by_rubric, SCORED),
    Row("annotation.refuted_questions", 2, taught_by_refuted, ROUTED),
    Row("serving.exploration.enabled", True, explored, ROUTED),
    Row("serving.exploration.epsilon", 0.4, explored, EXPLORING),
    Row("serving.exploration.decay", 0.9, explored, EXPLORING),
    Row("serving.exploration.floor", 0.099, explored, EXPLORING),
    Row("serving.exploration.decisions_per_step", 20, explored, EXPLORING),
    Row("annotation.remarks", {"thumbs": {"means": "verdict"}}, praised, ROUTED),
    Row("retention.run_days", 500, partial(forgotten, days=400, state=RunState.REPORTED)),
    Row("retention.changes_kept", 10, changes_left),
    Row("retention.skipped_run_days", 200, partial(forgotten, days=100, state=RunState.SKIPPED)),
    Row("retention.vectors_kept", 3, vectors_left),
    Row("retention.live_days_kept", 1, days_left, ROUTED),
]


@pytest.fixture(scope="module")
def usual() -> Callable[[Callable[[], Any], object], Any]:
    """What a look shows where nothing is changed. Rows that begin alike look at that once, and once more to see that it
    does not change by itself."""
    seen: dict[str, Any] = {}

    def looked(look: Callable[[], Any], given: object) -> Any:
        key = repr(given)
        if key not in seen:
            seen[key] = look()
            assert seen[key] == look(), "what is looked at changes by itself"
        return seen[key]

    return looked


@pytest.mark.slow
@pytest.mark.parametrize("row", CONFIG, ids=lambda row: row.name)
def test_a_field_of_a_tenants_config_changes_what_it_says(row: Row, usual: Callable[..., Any]):
    given = {"tenant_id": "acme", **row.given}

    def look(**change: Any) -> Any:
        return row.look(parse_config(nested({**given, **change})))

    assert usual(look, (row.look, given)) != look(**{row.name: row.other, **row.with_it})


# Settings


@dataclass
class _Seen:
    """Any HTTP server: what it was asked, and a late answer that says nothing."""

    late_s: float
    asked: list[Any] = field(default_factory=list)
    url: str = ""

    def answer(self, request: Quiet, body: bytes) -> tuple[int, bytes]:
        self.asked.append((request.path, request.headers.get("Authorization"), body))
        sleep(self.late_s)
        return 200, b"{}"


@contextmanager
def seen(late_s: float = 0.0) -> Iterator[_Seen]:
    server = _Seen(late_s)
    with answering(server.answer) as server.url:
        yield server


def read(**environment: str) -> Settings:
    with patch.dict(os.environ, environment, clear=True):
        return Settings()


def store_opened(environment: Mapping[str, str]) -> Any:
    with patch("argotune.adapters.sqlite.SQLiteStore.from_url") as opened:
        wiring.open_store(read(**environment))
    return opened.call_args


def phoenix(environment: Mapping[str, str], late_s: float = 0.0) -> Any:
    with seen(late_s) as server:
        settings = read(**{"PHOENIX_ENDPOINT": server.url, **environment})
        try:
            told = str(wiring.open_traces(settings).count_after(Stream("acme", "routing"), None, 10))
        except ArgotuneError as error:
            told = type(error).__name__
        return told, server.asked


def lm(environment: Mapping[str, str], role: str) -> Any:
    with openai_server.running() as server:
        choice = LMChoice(api_base=server.url, max_retries=0)
        settings = read(**{"ARGOTUNE_TASK_MODEL": "openai/task", **environment})
        source = wiring.open_annotator_lms(settings) if role == "annotator" else wiring.open_lms(settings)
        try:
            lms = source.open(choice, Meter(BudgetLimits()), NothingKept())
            (lms.teacher if role == "teacher" else lms.task)("hello")
        except ArgotuneError as error:
            return str(error)
        return lms.names, server.keys, [body["model"] for body in server.bodies]


def embedded(environment: Mapping[str, str]) -> Any:
    with patch("argotune.adapters.llama_cpp.lm.EmbeddedLMs") as opener:
        wiring.open_lms(read(**environment))
    return opener.call_args


def vectors_by(environment: Mapping[str, str], name: str | None = None) -> Any:
    """What makes vectors, with which key."""
    wiring._embedders.cache_clear()
    with patch("argotune.adapters.litellm.embedder.RemoteSentences") as opener:
        try:
            opened = wiring.open_embedders(read(**environment)).sentences(name)
        except ConfigInvalid as error:
            return str(error)
    return opener.call_args, None if opener.called else opened.name


def vespa(environment: Mapping[str, str], layout: str = "{}", wait_s: float = 0.0) -> Any:
    document = {"tenant_id": "acme", "modality": "video", "title": "t", "text": "x", "caption": "c", "key": 1}
    server = vespa_server.VespaServer(documents=[("acme", document)], wait_s=wait_s)
    with vespa_server.running(server):
        given = {"VESPA_URL": server.url, "ARGOTUNE_VESPA_LAYOUT": layout, **environment}
        try:
            found = wiring.open_vespa(read(**given)).sample("acme", 3, ("video",))
        except ArgotuneError as error:
            return str(error).replace(server.url, "URL"), len(server.asked)
        return found, [
            (path, body, {k.lower(): v for k, v in headers.items()}.get("authorization"))
            for path, body, headers in server.asked
        ]


def runner(environment: Mapping[str, str]) -> Any:
    with patch("argotune.adapters.argo.ArgoRunner.from_environment") as opened:
        wiring.open_runner(read(**environment))
    return opened.call_args


def mlflow(environment: Mapping[str, str], late_s: float = 0.0) -> Any:
    """What is asked of an MLflow with one trace, and the cursor behind it."""
    server = _Mlflow(late_s)
    with answering(server.answer) as url:
        settings = read(**{"MLFLOW_TRACKING_URI": url, **environment})
        try:
            (found,) = wiring.open_traces(settings).spans_after(Stream("acme", "routing"), None)
            told = str(found.cursor)
        except ArgotuneError as error:
            told = type(error).__name__
        return told, server.asked


@dataclass
class _Mlflow(_Seen):
    def answer(self, request: Quiet, body: bytes) -> tuple[int, Any]:
        super().answer(request, body)
        path = request.path.partition("?")[0].rpartition("/")[2]
        tags = {"mlflow.trace.spansLocation": "TRACKING_STORE"}
        info = {"trace_id": "tr-1", "request_time": "2026-11-21T12:00:00Z", "tags": tags}
        span = {"span_id": "AAAAAAAAAAA=", "name": "cogniverse.routing", "start_time_unix_nano": 1}
        answers = {
            "version": b"3.1.0",
            "get-by-name": {"experiment": {"experiment_id": "7", "lifecycle_stage": "active"}},
        }
        traces = {"search": {"traces": [info]}, "batchGet": {"traces": [{"trace_info": info, "spans": [span]}]}}
        return 200, {**answers, **(traces if "/traces/" in request.path else {})}.get(path, {})


def opened(environment: Mapping[str, str], open_one: Callable[[Settings], Any]) -> str:
    """What of an installation with both products is opened."""
    both = {"PHOENIX_ENDPOINT": "http://127.0.0.1:9", "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    found = open_one(read(**both, **environment))
    return type(getattr(found, "_usual", found)).__name__ + str(getattr(found, "_usual", ""))


def page_of_mlflow(environment: Mapping[str, str]) -> str | None:
    given = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", **environment}
    with patch("argotune.adapters.mlflow.connection.MlflowHttp.experiment_id", return_value="7"):
        return wiring.open_tracker(read(**given)).project_link("acme")


def page_of_traces(environment: Mapping[str, str]) -> str | None:
    with patch("argotune.adapters.phoenix.connection.PhoenixHttp.project_id", return_value="p1"):
        return wiring.open_tracker(read(**environment)).project_link("acme")


def logs(environment: Mapping[str, str]) -> bool:
    with patch.dict(os.environ, environment, clear=True):
        return wants_json_logs()


def content_files(environment: Mapping[str, str]) -> str:
    try:
        return type(wiring.open_content_files(read(**environment))).__name__
    except ConfigInvalid as error:
        return str(error)


TEACHER = {"ARGOTUNE_TEACHER_MODEL": "openai/teacher", "ARGOTUNE_TASK_KEY": "task"}
ANNOTATOR = {"ARGOTUNE_ANNOTATION_MODEL": "openai/judge", "ANNOTATION_API_KEY": "judge"}


def rules_of(e: Mapping[str, str]) -> ServiceRules:
    return wiring.service_rules(read(**e))


def looks_at_once(e: Mapping[str, str]) -> int:
    return places_of(Lane.LOOKS, e)


def visits_at_once(e: Mapping[str, str]) -> int:
    return places_of(Lane.PASSES, e)


def places_of(lane: Lane, e: Mapping[str, str]) -> int:
    """Those that are begun of five tenants that are due."""
    service = Service(World().ports, rules_of(e), lambda _: None)
    service._table = timetable(e, "a", "b", "c", "d", "e")
    if lane is Lane.LOOKS:
        return len(service._table.begin(START, service._places(lane, START)))
    for due in service._table.begin(START, 9):
        service._table.found_work(due.tenant_id, START)
    return len(service._table.go_on(START, service._places(lane, START)))


def timetable(e: Mapping[str, str], *tenant_ids: str) -> Timetable:
    table = Timetable(rules_of(e).periods, rules_of(e).backoff)
    table.know([KnownTenant(tenant_id, {}, True) for tenant_id in tenant_ids], START)
    return table


def visits_within(chore: Chore, e: Mapping[str, str]) -> int:
    """In an hour."""
    table, visits = timetable(e, "acme"), 0
    for minute in range(60):
        now = START + timedelta(minutes=minute)
        for due in table.begin(now, 9):
            visits += chore in due.due_at
            table.done(due.tenant_id, now)
    return visits


def tries_of_a_failure(e: Mapping[str, str]) -> int:
    """In an hour."""
    table, tries = timetable(e, "acme"), 0
    for minute in range(60):
        now = START + timedelta(minutes=minute)
        for due in table.begin(now, 9):
            tries += 1
            table.failed(due.tenant_id, now)
    return tries


def lines_of_figures(e: Mapping[str, str]) -> int:
    """In ten minutes."""
    world, told = World(), []
    service = Service(world.ports, rules_of(e), told.append)
    for _ in range(11):
        service._report(world.now)
        world.later(minutes=1)
    return len(told)


def others_beside_a_hang(e: Mapping[str, str]) -> int:
    """Places left after five minutes, where as many visits hang as there are places."""
    service = Service(World().ports, rules_of(e), lambda _: None)
    tenants = [KnownTenant(f"t{n}", {}, True) for n in range(9)]
    service._table.know(tenants, START)
    for due in service._table.begin(START, 4):
        service._table.found_work(due.tenant_id, START)
    service._table.go_on(START, 4)
    return service._places(Lane.PASSES, START + timedelta(minutes=5))


SETTINGS = [
    Row("store_url", "sqlite:///other.db", store_opened),
    Row("phoenix_endpoint", "http://127.0.0.1:9", phoenix),
    Row("phoenix_project_prefix", "other", phoenix),
    Row("phoenix_api_key", "key", phoenix),
    Row("phoenix_timeout_s", "0.05", partial(phoenix, late_s=0.3)),
    Row("mlflow_uri", "http://127.0.0.1:9", mlflow),
    Row("mlflow_username", "lee", mlflow, {"MLFLOW_TRACKING_USERNAME": "kim", "MLFLOW_TRACKING_PASSWORD": "secret"}),
    Row("mlflow_password", "other", mlflow, {"MLFLOW_TRACKING_USERNAME": "kim", "MLFLOW_TRACKING_PASSWORD": "secret"}),
    Row("mlflow_token", "token", mlflow),
    Row("mlflow_timeout_s", "0.05", partial(mlflow, late_s=0.3)),
    Row("mlflow_overlap_s", "60", mlflow),
    Row("trace_source", "mlflow", partial(opened, open_one=wiring.open_traces)),
    Row("tracker", "mlflow", partial(opened, open_one=wiring.open_tracker)),
    Row("task_model", "openai/other", partial(lm, role="task"), {"ARGOTUNE_TASK_KEY": "task"}),
    Row("task_key", "other", partial(lm, role="task"), {"ARGOTUNE_TASK_KEY": "task"}),
    Row("teacher_model", "openai/other", partial(lm, role="teacher"), TEACHER),
    Row("teacher_key", "other", partial(lm, role="teacher"), TEACHER),
    Row("annotation_model", "openai/other", partial(lm, role="annotator"), ANNOTATOR),
    Row("annotation_key", "other", partial(lm, role="annotator"), ANNOTATOR),
    Row("lm_weights", "/some/weights", embedded),
    Row("lm_threads", "5", embedded),
    Row("embedder", "litellm:openai/other", vectors_by),
    Row("embedder_dir", "/no/models", partial(vectors_by, name="static:mine")),
    Row("embedder_key", "key", vectors_by, {"ARGOTUNE_EMBEDDER": "litellm:openai/one"}),
    Row("content_dir", str(Path(__file__).parent), content_files),
    Row("vespa_url", "http://127.0.0.1:9", vespa),
    Row("vespa_token", "token", vespa),
    Row("vespa_cert", "/no/cert", vespa),
    Row("vespa_key", "/no/key", vespa),
    Row("vespa_timeout_s", "0.05", partial(vespa, wait_s=0.3)),
    Row("vespa_layout", '{"cluster": "other", "namespace": "{tenant}"}', vespa),
    Row("lease_s", "7", lambda e: wiring.open_ports(read(**e, CONFIG_STORE_URL="memory://")).lease_s),
    Row("service_at_once", "1", visits_at_once),
    Row("service_looks_at_once", "1", looks_at_once),
    Row("service_spans_min", "1", partial(visits_within, Chore.SPANS)),
    Row("service_annotation_min", "1", partial(visits_within, Chore.ANNOTATION)),
    Row("service_feedback_min", "1", partial(visits_within, Chore.FEEDBACK)),
    Row("service_metrics_min", "1", lines_of_figures),
    Row("service_backoff_s", "600", tries_of_a_failure),
    Row("service_backoff_longest_s", "60", tries_of_a_failure),
    Row("service_patience_min", "1", others_beside_a_hang),
    Row("log_format", "json", logs),
    Row("namespace", "other", runner),
    Row("argo_url", "https://argo.example", lambda e: link_of(read(**e), "w1")),
    Row("phoenix_url", "https://phoenix.example", page_of_traces),
    Row("mlflow_url", "https://mlflow.example", page_of_mlflow),
]


@pytest.mark.slow
@pytest.mark.parametrize("row", SETTINGS, ids=lambda row: row.name)
def test_a_setting_of_an_installation_changes_what_it_says(row: Row, usual: Callable[..., Any]):
    variable = str(Settings.model_fields[row.name].validation_alias)
    as_it_is = usual(lambda: row.look(row.given), (row.look, row.given))
    assert as_it_is != row.look({**row.given, variable: row.other})


LAYOUT = {
    "schemas": ('{"schemas": ["other"]}', "{}"),
    "cluster": ('{"namespace": "{tenant}", "cluster": "other"}', '{"namespace": "{tenant}"}'),
    "tenant_field": ('{"tenant_field": "owner"}', "{}"),
    "namespace": ('{"namespace": "{tenant}"}', "{}"),
    "fields": ('{"fields": {"title": "caption"}}', "{}"),
}


@pytest.mark.parametrize("name", LAYOUT)
def test_a_part_of_the_vespa_layout_changes_what_is_asked(name: str):
    other, usual = LAYOUT[name]
    assert vespa({}, layout=other) != vespa({}, layout=usual)


def bound_to(**binding: Any) -> str:
    """What is read of three decisions by a binding: of kim's session, of an evaluation, and one with nothing beside."""
    said = {KIND: "CHAIN", INPUTS: '{"query": "hi"}', OUTPUTS: '{"agent": "video"}', "tag.tags": ["evaluation"]}
    whole = {**said, "tag.tags": ["prod"], "session.id": "acme:1", "user.id": "kim"}
    spans = [make_span(span_id="one", attributes=whole), make_span(span_id="two", attributes=said)]
    spans.append(make_span(span_id="three", attributes={**said, "tag.tags": None}))
    asked = make_span(span_id="below", name="Predict(Ask).forward", parent_id="one", attributes=said)
    traces = MemoryTraces()
    traces.record("", [*(replace(span, name="Route.forward") for span in spans), asked], TraceProject(project="shop"))
    usual = {"project": "shop", "programs": {"routing": {"span": "Route"}}}
    stream = Stream("acme", "routing", TraceBinding(**{**usual, **binding}))
    fields = Fields("routing", ("query",), {"agent": ("video",)})
    try:
        found = list(BoundSources("phoenix", {"phoenix": lambda: traces}).spans_after(stream, None))
        return str([(each.span.span_id, read_decision(each.span, stream, fields)) for each in found])
    except ArgotuneError as error:
        return str(error)


BINDING: dict[str, Any] = {
    "source": "mlflow",
    "project": "other",
    "tenant_key": "session.id",
    "leave_out_tags": [],
    "needs_session": True,
    "programs": {"routing": {"span": "Other"}},
}


@pytest.mark.parametrize("name", BINDING)
def test_a_part_of_a_binding_changes_what_is_read(name: str):
    assert bound_to(**{name: BINDING[name]}) != bound_to()


def test_the_other_parts_of_a_binding_change_what_is_read_too():
    key = {"tenant_key": "user.id"}
    assert bound_to(**key, tenant_value="kim") != bound_to(**key)
    asked = {"routing": {"span": "Route", "signature": "Ask"}}
    assert bound_to(programs=asked) != bound_to()
    assert {*BINDING, "tenant_value"} == set(TraceBinding.model_fields)
    assert {"span", "signature"} == set(BoundProgram.model_fields)


def names_of(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, known in model.model_fields.items():
        if isinstance(known.annotation, type) and issubclass(known.annotation, BaseModel):
            yield from names_of(known.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name


def test_every_field_and_every_setting_has_its_row():
    assert sorted({row.name for row in CONFIG}) == sorted(names_of(RoutingConfigUnified))
    assert sorted(row.name for row in SETTINGS) == sorted(Settings.model_fields)
    assert sorted(LAYOUT) == sorted(VespaLayout.model_fields)
