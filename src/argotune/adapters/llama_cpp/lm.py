"""The embedded LM as DSPy sees it.

`local/smollm2` scores labels for closed sets (a DSPy decision client) and writes text as a teacher;
`local/smollm2:chat` writes text as the task LM too.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TextIO

from dspy._vendor.lm15.serde import request_to_dict
from dspy.clients.base_lm import LM_CLASS_STATE_KEY
from dspy.dsp.utils.settings import settings as dspy_settings
from dspy.lm15 import Message, Request, Response, TextPart, Usage
from dspy.utils.callback import with_callbacks
from dspy.utils.inspect_history import pretty_print_history

from argotune.adapters.llama_cpp.server import (
    ALL_PIECES,
    CONTEXT_TOKENS,
    NAME,
    TOP_PIECES,
    LlamaServer,
    PromptTooLong,
    Reply,
    find_weights,
    load_runtime,
    shared_server,
)
from argotune.errors import ConfigInvalid, NoContent
from argotune.lm.kept_answers import PaidAnswers
from argotune.lm.label_scoring import (
    Case,
    ClosedQuestion,
    Written,
    clip,
    fitted_prompt,
    longest_answers_bytes,
    option_texts,
    sampled,
    shares,
)
from argotune.lm.meter import Meter
from argotune.store.sealing import digest
from argotune.tenants.config import LMChoice

CHAT_NAME = f"{NAME}:chat"
MAX_HISTORY = 100

SPARE_TOKENS = 64
"""Kept free for what the runtime puts around a prompt."""

MAX_PROMPT_CHARS = 6000
"""Of a prompt to write from: some 1,500 tokens, six seconds of reading on two cores; small LMs make nothing of more."""
SHORT_PROMPT_TOKENS = 2000
"""What a prompt of rare characters is cut to, when those MAX_PROMPT_CHARS are more tokens than the context has."""
MAX_ANSWER_TOKENS = 640
JSON_TOKENS = 100
"""Of which a JSON answer may need as many for its names, numbers and labels."""
MIN_STRING_CHARS = 40
MAX_LIST_ITEMS = 4
TEACHER_TEMPERATURE = 0.7


@dataclass(frozen=True)
class EmbeddedModel:
    """Weights in use, and the threads to run them on."""

    weights: Path
    threads: int

    @cached_property
    def identity(self) -> dict[str, str | int]:
        """Name and size of the weights, to tell their answers from those of others."""
        return {"lm": NAME, "weights": self.weights.name, "bytes": self.weights.stat().st_size}

    def server(self) -> LlamaServer:
        """The server of this process, loaded when it is asked for the first time (0.4 s)."""
        return shared_server(self.weights, self.threads)


class LabelScorer:
    """A DSPy decision client: gives each label of a closed set its probability, so no answer is ever unusable.

    Several questions are asked one after the other in one prompt, each seeing the answers before it. With
    `rollout_id` and `temperature` in its settings (lm.copy) the answer is a draw, and no further call is paid.
    """

    supports_decision_requests = True

    def __init__(
        self,
        model: EmbeddedModel,
        paid: PaidAnswers,
        kwargs: Mapping[str, Any] | None = None,
        callbacks: Sequence[Any] | None = None,
    ) -> None:
        self.model = NAME
        self.kwargs: dict[str, Any] = dict(kwargs or {})
        self.callbacks = list(callbacks or [])
        self.history: list[dict[str, Any]] = []
        self._model = model
        self._paid = paid

    @with_callbacks  # type: ignore[untyped-decorator]  # DSPy annotates nothing of it
    def __call__(self, state: Mapping[str, Any], questions: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Answers by name of the question. Raises BudgetSpent, NoContent, ConfigInvalid for labels that do not fit."""
        case = read_case(state, questions)
        prompt = fitted_prompt(case, CONTEXT_TOKENS - SPARE_TOKENS - longest_answers_bytes(case))
        answers, text = {}, prompt
        for question in case.questions:
            odds = self._odds(f"{text}{question.name}:", question)
            answers[question.name] = evidence(questions[question.name]["type"], odds)
            text += f"{question.name}: {question.options[max(odds, key=odds.__getitem__)]}\n"
        self._remember(prompt, answers)
        return answers

    async def acall(self, state: Mapping[str, Any], questions: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """The same, away from the event loop."""
        return await asyncio.to_thread(self, state, questions)

    def _odds(self, text: str, question: ClosedQuestion) -> dict[str, float]:
        asked = {**self._model.identity, "prompt": text, "options": list(question.options.items())}
        found = self._paid.get(asked, lambda: {"shares": self._score(text, question)})["shares"]
        odds = {answer: float(found[answer]) for answer in question.options}
        temperature, rollout = self.kwargs.get("temperature") or 0, self.kwargs.get("rollout_id")
        if temperature <= 0 or rollout is None:
            return odds
        return sampled(odds, temperature, seed=int(digest([asked, rollout])[:12], 16))

    def _score(self, text: str, question: ClosedQuestion) -> dict[str, float]:
        server, lengths = self._model.server(), []

        def peek(written: Written, everything: bool) -> Mapping[bytes, float]:
            found = server.next_pieces(text, written, ALL_PIECES if everything else TOP_PIECES)
            lengths.append(found.prompt_tokens)
            if not found.pieces or any(math.isnan(odds) for odds in found.pieces.values()):
                raise NoContent(f"{NAME}: no probabilities")
            return found.pieces

        with self._paid.meter.call(len(text.encode()) + SPARE_TOKENS) as bill:
            found = shares(question.options, server.piece_ids, peek)
            bill.tokens = max(lengths, default=0) + len(lengths)
        return found

    def _remember(self, prompt: str, answers: Mapping[str, Any]) -> None:
        if dspy_settings.disable_history:
            return
        self.history.append({"messages": None, "prompt": prompt, "outputs": [json.dumps(answers)]})
        del self.history[:-MAX_HISTORY]

    def copy(self, **kwargs: Any) -> LabelScorer:
        """The same LM with other settings (None removes one) and an empty history."""
        callbacks = kwargs.pop("callbacks", self.callbacks)
        merged = {name: value for name, value in {**self.kwargs, **kwargs}.items() if value is not None}
        return LabelScorer(self._model, self._paid, merged, callbacks)

    def __deepcopy__(self, _memo: dict[int, Any]) -> LabelScorer:
        """Copies of a program share their LM."""
        return self

    def dump_state(self) -> dict[str, str]:
        """The name only: an LM is bound when a program is loaded."""
        return {LM_CLASS_STATE_KEY: f"{type(self).__module__}.{type(self).__qualname__}", "model": self.model}

    def inspect_history(self, n: int = 1, file: TextIO | None = None) -> None:
        """Print the last `n` prompts with their answers."""
        pretty_print_history(self.history, n, file=file)


def read_case(state: Mapping[str, Any], questions: Mapping[str, Any]) -> Case:
    """What DSPy's decision adapter sends (dspy/adapters/decision.py) as a Case."""
    read = {name: _read_question(name, question) for name, question in questions.items()}
    inputs = {name: _said(value) for name, value in state["inputs"].items()}
    demos = [
        {**{name: _said(demo[name]) for name in inputs if name in demo}, **_known_answers(demo, read)}
        for demo in state.get("demos", ())
    ]
    return Case(_said(state["instructions"]), inputs, demos, list(read.values()))


def _read_question(name: str, question: Mapping[str, Any]) -> ClosedQuestion:
    kind, criteria = question["type"], question.get("criteria") or {}
    about: Mapping[str, Any] = {}
    if kind == "score":
        options = option_texts({str(level): _said(text) for level, text in enumerate(criteria)})
    elif kind == "noul":
        options, about = {"true": "yes", "false": "no"}, criteria
    else:
        options, about = option_texts({label: label for label in criteria}), criteria
    return ClosedQuestion(
        name, options, {key: _said(text) for key, text in about.items()}, _said(question["instructions"])
    )


def _known_answers(demo: Mapping[str, Any], questions: Mapping[str, ClosedQuestion]) -> dict[str, str]:
    values = {name: demo[name] for name in questions if name in demo}
    values = {name: value["value"] if isinstance(value, Mapping) else value for name, value in values.items()}
    keys = {name: _option_key(value, questions[name].options) for name, value in values.items()}
    return {name: questions[name].options[key] for name, key in keys.items() if key is not None}


def _option_key(value: Any, options: Mapping[str, str]) -> str | None:
    """The option that a demonstration's value means: a label, a bool as true or false, a score as its level."""
    names = [str(value), str(value).lower()]
    if isinstance(value, float):
        names.append(str(round(value)))
    return next((name for name in names if name in options), None)


def _said(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def evidence(kind: str, odds: Mapping[str, float]) -> dict[str, Any]:
    """Probabilities in the form in which DSPy decodes an answer of this kind."""
    if kind == "noul":
        return {"noul": odds["true"]}
    choice = max(odds, key=odds.__getitem__)
    if kind == "score":
        return {"probabilities": {int(level): p for level, p in odds.items()}, "confidence": odds[choice]}
    return {"probabilities": dict(odds), "confidence": odds[choice], "choice": choice}


class LlamaWriter:
    """Writes text by the same server, for search methods that want instructions written."""

    supports_response_schema = True
    supported_params = ("response_format", "temperature", "max_tokens", "stop", "top_p")

    def __init__(self, model: EmbeddedModel, temperature: float) -> None:
        self.temperature = temperature
        self.max_tokens = MAX_ANSWER_TOKENS
        self.identity = model.identity
        self._model = model

    def complete(self, request: Request, draw: int, meter: Meter) -> Response:
        """One answer; `draw` seeds the sampling. Long messages lose their middles. Raises BudgetSpent or NoContent."""
        max_tokens = min(request.config.max_tokens or MAX_ANSWER_TOKENS, CONTEXT_TOKENS // 2)
        with meter.call(CONTEXT_TOKENS) as bill:
            reply = self._write(messages_of(request), {"max_tokens": max_tokens, **_chat_settings(request, draw)})
            bill.tokens = reply.prompt_tokens + reply.answer_tokens
        if not reply.text.strip() and not reply.is_cut:
            raise NoContent(f"{NAME}: an answer without content")
        return _response(request, reply)

    def _write(self, messages: Sequence[dict[str, str]], body: Mapping[str, Any]) -> Reply:
        server = self._model.server()
        try:
            return server.write({"messages": shortened(messages, MAX_PROMPT_CHARS), **body})
        except PromptTooLong as error:
            max_chars = MAX_PROMPT_CHARS * SHORT_PROMPT_TOKENS // error.tokens
            return server.write({"messages": shortened(messages, max_chars), **body})


def messages_of(request: Request) -> list[dict[str, str]]:
    """The texts of a request, as a chat without control characters that would end it early."""
    system = request.system or ""
    text = system if isinstance(system, str) else "".join(getattr(part, "text", "") for part in system)
    said = [("system", text), *((message.role, message.text or "") for message in request.messages)]
    return [{"role": role, "content": content.replace("<|", "< |")} for role, content in said if content]


def shortened(messages: Sequence[Mapping[str, str]], max_chars: int) -> list[dict[str, str]]:
    """The messages in at most about `max_chars` characters in all; the longest are cut first, to one length."""
    lengths, left = sorted(len(message["content"]) for message in messages), max_chars
    level = max_chars
    for others, length in zip(range(len(lengths), 0, -1), lengths, strict=True):
        level = left // others
        if length > level:
            break
        left -= length
    else:
        return [dict(message) for message in messages]
    return [{**message, "content": clip(message["content"], level)} for message in messages]


def _chat_settings(request: Request, draw: int) -> dict[str, Any]:
    config = request.config
    settings: dict[str, Any] = {
        "temperature": config.temperature or 0.0,
        "seed": int(digest([request_to_dict(request), draw])[:7], 16),
        "top_p": config.top_p,
        "stop": list(config.stop) or None,
        "response_format": _grammar_of(config.response_format),
    }
    return {name: value for name, value in settings.items() if value is not None}


def _grammar_of(response_format: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if response_format is None or response_format["type"] == "json_object":
        return dict(response_format) if response_format else None
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": bounded(response_format["schema"])}}


def bounded(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON schema whose free strings and lists end, so that a small LM that rambles still closes its JSON.

    The characters are shared out so that all strings together fit into MAX_ANSWER_TOKENS at a token a character.
    """
    chars = (MAX_ANSWER_TOKENS - JSON_TOKENS) // max(1, _count_strings(schema))
    ended: dict[str, Any] = _with_ends(schema, max(chars, MIN_STRING_CHARS))
    return ended


def _is_free_string(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "string" and not schema.keys() & {"enum", "const", "pattern", "format"}


def _count_strings(schema: Any) -> int:
    if isinstance(schema, list):
        return sum(map(_count_strings, schema))
    if not isinstance(schema, Mapping):
        return 0
    inside = sum(map(_count_strings, schema.values())) * (MAX_LIST_ITEMS if schema.get("type") == "array" else 1)
    return inside + _is_free_string(schema)


def _with_ends(schema: Any, max_chars: int) -> Any:
    if isinstance(schema, list):
        return [_with_ends(part, max_chars) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    ends = {"maxLength": max_chars} if _is_free_string(schema) else {}
    ends |= {"maxItems": MAX_LIST_ITEMS} if schema.get("type") == "array" else {}
    return {**ends, **{name: _with_ends(part, max_chars) for name, part in schema.items()}}


def _response(request: Request, reply: Reply) -> Response:
    usage = Usage(input_tokens=reply.prompt_tokens, output_tokens=reply.answer_tokens)
    message = Message.assistant([TextPart(reply.text)])
    return Response(
        id=None, model=request.model, message=message, finish_reason="length" if reply.is_cut else "stop", usage=usage
    )


class EmbeddedLMs:
    """Opens `local/smollm2` and `local/smollm2:chat`."""

    prefix = "local/"
    num_threads = 1
    """The model itself uses the cores."""

    def __init__(self, weights: Path | None = None, threads: int = 2) -> None:
        self._weights = weights
        self._threads = threads

    def scorer(self, name: str, paid: PaidAnswers) -> LabelScorer | None:
        """The decision client, None for the name that asks for text. Raises ConfigInvalid when nothing is installed."""
        model = self._model(name)
        return None if name == CHAT_NAME else LabelScorer(model, paid)

    def writer(self, name: str, _choice: LMChoice, is_teacher: bool) -> LlamaWriter:
        """The LM that writes. Raises ConfigInvalid when nothing is installed."""
        return LlamaWriter(self._model(name), TEACHER_TEMPERATURE if is_teacher else 0.0)

    def _model(self, name: str) -> EmbeddedModel:
        if name not in (NAME, CHAT_NAME):
            raise ConfigInvalid(f"lm: {name!r} is no embedded LM; there are {NAME} and {CHAT_NAME}")
        load_runtime()
        return EmbeddedModel(find_weights(self._weights), self._threads)
