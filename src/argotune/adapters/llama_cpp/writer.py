"""Writing: the embedded LM as what answers in text, such as instructions and queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dspy._vendor.lm15.serde import request_to_dict
from dspy.lm15 import Message, Request, Response, TextPart, Usage

from argotune.adapters.llama_cpp.model import EmbeddedModel
from argotune.adapters.llama_cpp.server import (
    CONTEXT_TOKENS,
    NAME,
    PromptTooLong,
    Reply,
)
from argotune.errors import NoContent
from argotune.lm.label_scoring import (
    clip,
)
from argotune.lm.meter import Meter
from argotune.store.sealing import digest

MAX_PROMPT_CHARS = 6000
"""Of a prompt to write from: some 1,500 tokens, six seconds of reading on two cores; small LMs make nothing of more."""


SHORT_PROMPT_TOKENS = 2000
"""What a prompt of rare characters is cut to, when those MAX_PROMPT_CHARS are more tokens than the context has."""


MAX_ANSWER_TOKENS = 640


JSON_TOKENS = 100
"""Of which a JSON answer may need as many for its names, numbers and labels."""


MIN_STRING_CHARS = 40


MAX_LIST_ITEMS = 4


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
            bill.tokens, bill.answer_tokens = reply.prompt_tokens + reply.answer_tokens, reply.answer_tokens
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
