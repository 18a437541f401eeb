"""A whole world for the pipeline: memory adapters, a scripted LM, a clock that tests move, and a tenant's traffic."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import dspy
from scripted_lm import Answer, ScriptedDecisions, like_the_nearest_demo
from twin_embedders import EMBEDDERS

from argotune.adapters.memory.content import MemoryContent
from argotune.adapters.memory.store import MemoryStore
from argotune.adapters.memory.traces import MemoryTraces, MemoryTracker
from argotune.data.annotations import Annotation
from argotune.data.spans import Span
from argotune.data.stream import Stream
from argotune.lm.kept_answers import KeptAnswers, PaidAnswers
from argotune.lm.meter import Meter
from argotune.lm.port import LMs, LMSource
from argotune.pipeline.module_pass import Request
from argotune.pipeline.passes import run_module
from argotune.pipeline.ports import Ports
from argotune.pipeline.stages.trigger import trigger
from argotune.programs.embedder import Embedders
from argotune.runs.module_book import ModuleBook
from argotune.runs.run import Run
from argotune.scheduling.trigger_check import Conditions
from argotune.store.port import Store
from argotune.store.sealing import digest
from argotune.synthetic.source import ContentSource
from argotune.tenants.catalog import Configs
from argotune.tenants.config import LMChoice, RoutingConfigUnified

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
AGENTS = {"video": "finds videos", "audio": "finds podcasts", "text": "finds documents"}
WORDS = {
    "video": "footage clip watch film scene camera",
    "audio": "podcast song listen radio voice track",
    "text": "contract paper pdf memo letter report",
}
TOPICS = [
    "alps",
    "tax",
    "budget",
    "robots",
    "election",
    "cooking",
    "whales",
    "harbour",
    "chess",
    "comet",
    "bridge",
    "violin",
    "glacier",
    "museum",
    "tram",
]


class MeteredDecisions(ScriptedDecisions):
    """A scripted decision client that pays and remembers as the real adapters do."""

    meter: Meter
    answers: KeptAnswers

    def __call__(self, state, questions):
        question = ["scripted", state, questions]

        def ask():
            with self.meter.call(100) as bill:
                found = super(MeteredDecisions, self).__call__(state, questions)
                bill.tokens = 10
            return found

        return PaidAnswers(self.answers, self.meter, lambda: START).get(question, ask)


@dataclass
class ScriptedLMs:
    """An LMSource over one script; `task` is the client last opened."""

    answer: Answer = like_the_nearest_demo
    calls: int = 0
    on_call: Callable[[], None] = lambda: None

    def open(self, _choice: LMChoice, meter: Meter, answers: KeptAnswers) -> LMs:
        def counted(inputs, labels, demos):
            self.calls += 1
            self.on_call()
            return self.answer(inputs, labels, demos)

        task = MeteredDecisions(counted)
        task.meter, task.answers = meter, answers
        return LMs(task=task, teacher=None, adapter=dspy.JSONAdapter(), names={"task": "scripted"})


@dataclass
class World:
    """Ports plus what tests want to reach in them."""

    store: Store = field(default_factory=MemoryStore)
    traces: MemoryTraces = field(default_factory=MemoryTraces)
    tracker: MemoryTracker = field(default_factory=MemoryTracker)
    lms: ScriptedLMs = field(default_factory=ScriptedLMs)
    content: ContentSource = field(default_factory=lambda: MemoryContent({}))
    annotator: LMSource | None = None
    embedders: Embedders = EMBEDDERS
    now: datetime = START
    lease_s: float = 30.0
    seconds: float = 0.0
    _ids: itertools.count = field(default_factory=lambda: itertools.count(1))

    @property
    def ports(self) -> Ports:
        return Ports(
            store=self.store,
            traces=self.traces,
            tracker=self.tracker,
            lms=self.lms,
            embedders=lambda: self.embedders,
            content=lambda _config: self.content,
            clock=lambda: self.now,
            new_id=lambda: f"id-{next(self._ids):04d}",
            lease_s=self.lease_s,
            stopwatch=lambda: self.seconds,
            annotator=self.annotator,
        )

    def tenant(self, tenant_id: str = "acme", **fields) -> RoutingConfigUnified:
        """A tenant that trains whenever it can, on its own data; `fields` of its config go before that."""
        usual = {
            "agents": AGENTS,
            "modules": ["routing"],
            "min_trace_confidence": 0.0,
            "use_synthetic_data": False,
            # `auto` is one method, and so one story.
            "optimizers": {"portfolio": {"candidates": ["nearest"]}, "nearest": {"embedder": "tfidf"}},
            "decisions": {"detectable_gain": 0, "growth_share": 0.001, "exploration_share": 0},
        }
        config = RoutingConfigUnified(tenant_id=tenant_id, **{**usual, **fields})
        Configs(self.store).save(config)
        return config

    def receive(self, n: int, tenant_id: str = "acme", *, first: int = 0, noise: bool = False) -> None:
        """Labelled decisions come in, as `traffic` makes them."""
        spans, annotations = traffic(tenant_id, n, first=first, noise=noise)
        self.traces.record(tenant_id, spans)
        self.traces.annotate(Stream(tenant_id, "routing"), annotations)

    def look(self, config: RoutingConfigUnified, module: str = "routing") -> Conditions:
        """What the trigger says of a module that nobody forces."""
        state = ModuleBook(self.store, config.tenant_id, module).state
        return trigger(state, self.traces, config, module, forced=False, now=self.now)

    def later(self, **delta: float) -> None:
        self.now += timedelta(**delta)


def traffic(tenant_id: str, n: int, *, first: int = 0, noise: bool = False) -> tuple[list[Span], list[Annotation]]:
    """Routing decisions of a champion that always says `video`, each with a person's label.

    The wording tells the right agent, unless `noise`: then the labels are drawn by a hash.
    """
    spans, annotations = [], []
    for number in range(first, first + n):
        key = int(digest([tenant_id, number])[:8], 16)
        label = list(AGENTS)[key % 3]
        words = WORDS[label if not noise else list(AGENTS)[key // 7 % 3]].split()
        first_topic, second_topic = TOPICS[key // 11 % 15], TOPICS[key // 17 % 15]
        query = f"{words[key // 3 % 6]} {first_topic} {words[key // 13 % 6]} {second_topic} {key % 9973}"
        spans.append(decision(tenant_id, f"{number:016x}", query, "video", success=label == "video"))
        annotations.append(Annotation(f"{number:016x}", "agent", label, "HUMAN", "tester", START))
    return spans, annotations


def right_agent(query: str) -> str:
    """The one that the wording of `traffic` tells."""
    return next(agent for agent, words in WORDS.items() if set(words.split()) & set(query.split()))


def half_right(inputs: Mapping[str, str], labels: Sequence[str], _demos: object) -> str:
    """An LM that is right on every other question."""
    right = right_agent(inputs["query"])
    return right if len(inputs["query"]) % 2 else next(label for label in labels if label != right)


def decision(tenant_id: str, span_id: str, query: str, agent: str, *, success: bool) -> Span:
    attributes = {
        "routing.tenant_id": tenant_id,
        "routing.program": "routing",
        "routing.query": query,
        "routing.chosen_agent": agent,
        "routing.confidence": 0.9,
        "routing.agent_success": success,
        "routing.language": "en",
    }
    at = START - timedelta(minutes=30)
    return Span(span_id, span_id * 2, "cogniverse.routing", at, at + timedelta(seconds=1), attributes)


def filled(n: int = 300, *, noise: bool = False, **fields) -> tuple[World, RoutingConfigUnified]:
    """A world with one tenant and n labelled decisions."""
    world = World()
    config = world.tenant(**fields)
    world.receive(n, config.tenant_id, noise=noise)
    return world, config


def run_once(world: World, config: RoutingConfigUnified, *, forced: bool = False, seen: Sequence[Span] = ()) -> Run:
    """One pass of `routing` after these spans have come in."""
    world.traces.record(config.tenant_id, seen)
    (run,) = run_module(world.ports, config, "routing", Request(is_forced=forced)).runs
    return run
