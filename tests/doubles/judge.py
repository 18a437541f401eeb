"""An LM annotator by script, behind the real meter, memory and rules of opening."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from dspy.lm15 import Message, Request, Response, TextPart, Usage
from world import START, WORDS

from argotune.lm.meter import Meter
from argotune.lm.named import AnnotatorLMs
from argotune.tenants.config import LMChoice


def right(query: str) -> str:
    """The agent whose words the query of world.traffic has."""
    return max(WORDS, key=lambda agent: len(set(WORDS[agent].split()) & set(query.split())))


def answer(label: str, reason: str = "it says so", confidence: str = "0.9") -> str:
    """What an obedient LM writes."""
    fields = {"label_reason": reason, "agent": label, "confidence": confidence}
    return "\n\n".join(f"[[ ## {name} ## ]]\n{text}" for name, text in fields.items()) + "\n\n[[ ## completed ## ]]"


@dataclass
class Judge:
    """Opens itself under any name; `say` turns the query into the text of the answer. `prompts` are what it saw."""

    say: Callable[[str], str] = lambda query: answer(right(query))
    error: Exception | None = None
    prompts: list[str] = field(default_factory=list)
    prefix: str = ""
    num_threads: int = 1
    temperature: float = 0.0
    max_tokens: int = 200
    supports_response_schema: bool = False
    supported_params: tuple[str, ...] = ()
    identity: dict[str, str] = field(default_factory=lambda: {"lm": "judge"})

    def scorer(self, _name: str, _paid: object) -> None:
        raise AssertionError("an annotator always writes")

    def writer(self, _name: str, _choice: LMChoice, _is_teacher: bool) -> Judge:
        return self

    def complete(self, request: Request, _draw: int, meter: Meter) -> Response:
        with meter.call(100) as bill:
            bill.tokens = 10
            if self.error:
                raise self.error
            prompt = "\n".join(message.text or "" for message in request.messages)
            self.prompts.append(f"{request.system}\n{prompt}")
            (query,) = re.findall(r'## query ## \]\]\n"(.*)"', prompt) or [""]
            message = Message.assistant([TextPart(self.say(query))])
        usage = Usage(input_tokens=8, output_tokens=2, total_tokens=10)
        return Response(id=None, model="judge", message=message, finish_reason="stop", usage=usage)


def annotator(judge: Judge, model: str | None = "openai/judge", *, has_key: bool = True) -> AnnotatorLMs:
    """What Ports.annotator is in an installation whose model this is."""
    return AnnotatorLMs([judge], model, has_key, lambda: START)
