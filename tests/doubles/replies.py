"""A program that writes replies, without a metric: its LM is polite where it has seen a polite reply."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from types import ModuleType

import dspy
import pytest
from dspy.lm15 import Message, Request, Response, TextPart, Usage
from judge import Judge
from scripted_lm import scripted_writer
from world import World

from argotune.data.spans import Span
from argotune.lm.kept_answers import KeptAnswers
from argotune.lm.meter import Meter
from argotune.lm.port import LMs
from argotune.pipeline.module_pass import Request as PassRequest
from argotune.pipeline.operations.annotating import WaitingSpan, waiting
from argotune.pipeline.passes import run_module
from argotune.runs.run import Run
from argotune.tenants.config import LMChoice, RoutingConfigUnified

THINGS = ("invoice", "login", "search", "report", "export", "billing", "theme", "button", "page", "mail")
TROUBLES = ("is lost", "hangs", "looks odd", "costs too much", "came twice", "is slow", "vanished", "is empty")
POLITE, CURT = "Dear customer, we look into it: ", "No. "
PREFERENCE = "replies.preference"
REPLY = dspy.Predict("message -> reply")
MOOD = dspy.Predict("message -> angry: bool")


@dataclass
class WritingLMs:
    """Curt without demonstrations, polite with them."""

    calls: list[str] = field(default_factory=list)

    def open(self, _choice: LMChoice, _meter: Meter, _answers: KeptAnswers) -> LMs:
        def write(prompt: str) -> str:
            self.calls.append(prompt)
            asked = prompt.rpartition("[[ ## message ## ]]")[2].strip().split("\n")[0]
            return json.dumps({"reply": (POLITE if "Dear customer" in prompt else CURT) + asked})

        lm, _ = scripted_writer(write)
        return LMs(task=lm, teacher=None, adapter=dspy.JSONAdapter(), names={"task": "scripted/writer"})


def replying(monkeypatch: pytest.MonkeyPatch, **fields) -> tuple[World, RoutingConfigUnified]:
    """A tenant whose program of replies was right 60 times, and has answered 60 messages since."""
    module = ModuleType("reply_programs")
    module.replies = lambda _config: dspy.Predict("message -> reply")
    monkeypatch.setitem(sys.modules, "reply_programs", module)
    world = World(lms=WritingLMs())
    usual = {"preferred_optimizer": "labeled", "contest": {"min_people_labels": 5}}
    config = world.tenant(programs={"replies": "reply_programs:replies"}, modules=["replies"], **{**usual, **fields})
    world.traces.record("acme", [*messages(world, 0, 60, success=True), *messages(world, 60, 120, success=None)])
    return world, config


def messages(world: World, first: int, last: int, *, success: bool | None) -> list[Span]:
    at, spans = world.now - timedelta(minutes=20), []
    for n in range(first, last):
        text = f"my {THINGS[n % 10]} {TROUBLES[n // 10 % 8]} since {n * 7919} and {THINGS[n * 7 % 10]} {n * 104729}"
        attributes = {"routing.program": "replies", "routing.message": text, "routing.reply": POLITE + text}
        attributes |= {} if success is None else {"routing.agent_success": success}
        spans.append(Span(f"{n:016x}", f"{n:032x}", "cogniverse.replies", at, at, attributes))
    return spans


def passed(world: World, config: RoutingConfigUnified) -> Run:
    world.later(hours=2)
    (run,) = run_module(world.ports, config, "replies", PassRequest(is_forced=True)).runs
    return run


def pairs(world: World) -> list[WaitingSpan]:
    """What people are asked of two answers."""
    return [span for span in waiting(world.store, "acme").spans if span.pair]


def politer(span: WaitingSpan) -> str:
    """What a person prefers who wants politeness."""
    return choice_of(span.pair.first["reply"], span.pair.second["reply"])


@dataclass
class JudgeOfPairs(Judge):
    """Says of two answers what `choose` says of them as they are shown."""

    choose: Callable[[str, str], str] = lambda first, second: choice_of(first, second)

    def complete(self, request: Request, _draw: int, meter: Meter) -> Response:
        with meter.call(100) as bill:
            bill.tokens = 10
            prompt = "\n".join(message.text or "" for message in request.messages)
            self.prompts.append(prompt)
            first, second = (
                re.findall(rf'## {name} ## \]\]\n"(.*)"', prompt)[0] for name in ("first_answer", "second_answer")
            )
            fields = {"label_reason": "it is so", "better_answer": self.choose(first, second)}
            text = "\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in fields.items())
            message = Message.assistant([TextPart(text + "\n\n[[ ## completed ## ]]")])
        usage = Usage(input_tokens=8, output_tokens=2, total_tokens=10)
        return Response(id=None, model="judge", message=message, finish_reason="stop", usage=usage)


@dataclass
class JudgeByRubric(JudgeOfPairs):
    """Scores an answer by a script that sees its text; of two it knows no better one."""

    choose: Callable[[str, str], str] = lambda _first, _second: "neither"

    score: Callable[[str], str] = lambda reply: "1.0" if reply.startswith("Dear") else "0.1"

    def complete(self, request: Request, draw: int, meter: Meter) -> Response:
        if "first_answer" in (request.system or ""):
            return super().complete(request, draw, meter)
        with meter.call(100) as bill:
            bill.tokens = 10
            if self.error:
                raise self.error
            prompt = "\n".join(message.text or "" for message in request.messages)
            self.prompts.append(f"{request.system}\n{prompt}")
            reply = json.loads(re.findall(r"## answer ## \]\]\n(.*)", prompt)[-1])["reply"]
            fields = {"feedback": f"Why: {reply[:20]}", "score": self.score(reply)}
            text = "\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in fields.items())
            message = Message.assistant([TextPart(text + "\n\n[[ ## completed ## ]]")])
        usage = Usage(input_tokens=8, output_tokens=2, total_tokens=10)
        return Response(id=None, model="judge", message=message, finish_reason="stop", usage=usage)


def choice_of(first: str, second: str) -> str:
    """The polite one."""
    both = first.startswith("Dear"), second.startswith("Dear")
    return "neither" if both[0] == both[1] else "first" if both[0] else "second"
