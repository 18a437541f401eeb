"""Named LMs: picks who opens a name, and puts the meter and the tenant's kept answers around what writes text.

Knows DSPy but no product behind it: those are given as openers (adapters/llama_cpp/lm.py, adapters/litellm/lms.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol

import dspy
from dspy._vendor.lm15.serde import request_to_dict, response_from_dict, response_to_dict
from dspy.lm15 import Request, Response, response_to_events
from dspy.utils.exceptions import AdapterParseError, LMConfigurationError, LMError

from argotune.errors import ArgotuneError, BadAnswer, ConfigInvalid, NoContent, RequestRefused, Unanswered
from argotune.lm.kept_answers import KeptAnswers, NothingKept, PaidAnswers, note_cut, reading
from argotune.lm.lack import CUT
from argotune.lm.meter import Meter
from argotune.lm.names import Defaults, Keys, is_embedded, refuse_unused_fields, settled
from argotune.lm.port import LMs
from argotune.lm.streaks import Streak
from argotune.store.texts import storable
from argotune.tenants.config import LMChoice

REASONING_TOKENS = 16_000
"""The least that DSPy accepts for models that think before they answer."""


class Writer(Protocol):
    """An LM that writes text, without meter or memory."""

    temperature: float
    max_tokens: int

    @property
    def identity(self) -> Mapping[str, Any]:
        """What tells its answers from those of others."""

    @property
    def supports_response_schema(self) -> bool:
        """Whether it can be held to a JSON schema; may load what is needed to know."""

    @property
    def supported_params(self) -> Collection[str]:
        """Names of the OpenAI parameters it takes."""

    def complete(self, request: Request, draw: int, meter: Meter, /) -> Response:
        """One answer, reserved with the meter before it is asked. Equal draws may give equal answers.

        Raises NoContent or RequestRefused where this one request got none, and what the product raises.
        """


class Opener(Protocol):
    """One product that opens LMs whose names begin with `prefix`."""

    prefix: str
    num_threads: int

    def scorer(self, name: str, paid: PaidAnswers, /) -> Any | None:
        """A DSPy decision client, None where the LM can only write. Raises ConfigInvalid for an unusable name."""

    def writer(self, name: str, choice: LMChoice, is_teacher: bool, /) -> Writer:
        """The LM that writes; `choice` names both models. Raises ConfigInvalid for an unusable name."""


class NamedLMs:
    """An LMSource over openers; the one with the longest fitting prefix opens a name.

    A task LM that writes is its own teacher where none is named (names.py). With `scores` false an LM that could
    score labels writes its answers all the same.
    """

    def __init__(
        self,
        openers: Sequence[Opener],
        default_task: str | None,
        default_teacher: str | None,
        now: Callable[[], datetime],
        *,
        keys: Keys | None = None,
        scores: bool = True,
    ) -> None:
        self._scores = scores
        self._openers = sorted(openers, key=lambda opener: len(opener.prefix), reverse=True)
        self._defaults = Defaults(default_task, default_teacher, keys or Keys())
        self._now = now

    def open(self, choice: LMChoice, meter: Meter, answers: KeptAnswers | NothingKept) -> LMs:
        """The LMs of a tenant. Raises ConfigInvalid for a name that cannot be used or a field that does nothing."""
        both = settled(choice, self._defaults)
        refuse_unused_fields(both)
        task_name, teacher_name = both.task_model or "", both.teacher_model
        paid = PaidAnswers(answers, meter, self._now)
        opener = self._opener(task_name)
        scorer = opener.scorer(task_name, paid) if self._scores else None
        written = self._writing(task_name, both, paid, is_teacher=False)
        teacher = self._writing(teacher_name, both, paid, is_teacher=True) if teacher_name else None
        names = {"task": task_name} | ({"teacher": teacher_name} if teacher_name else {})
        writer = written if scorer else None
        return LMs(scorer or written, teacher, SchemaWhereSupported(), names, opener.num_threads, writer)

    def _opener(self, name: str) -> Opener:
        if not name or name != name.strip() or not name.isprintable():
            raise ConfigInvalid(f"lm: {name[:60]!r} is no name of an LM")
        found = next((opener for opener in self._openers if name.startswith(opener.prefix)), None)
        if found is None:
            raise ConfigInvalid(f"lm: nothing here opens {name[:60]!r}")
        return found

    def _writing(self, name: str, choice: LMChoice, paid: PaidAnswers, *, is_teacher: bool) -> dspy.LM:
        writer = self._opener(name).writer(name, choice, is_teacher)
        engine = PaidEngine(writer, paid)
        try:
            return _lm(name, engine, temperature=writer.temperature, max_tokens=writer.max_tokens)
        except LMConfigurationError:
            return _lm(name, engine, temperature=None, max_tokens=REASONING_TOKENS)


def _lm(name: str, engine: PaidEngine, **settings: Any) -> dspy.LM:
    try:
        both: dict[str, Any] = {"engine": engine, "async_engine": AwaitedEngine(engine)}
        return dspy.LM(name, **both, cache=False, num_retries=0, **settings)
    except (ValueError, TypeError) as error:
        raise ConfigInvalid(f"lm: {name[:60]!r} cannot be used: {error}") from error


class AnnotatorLMs:
    """An LMSource for the LM that labels: it always writes, as it is asked for reasons, and has a key of its own.

    Without a model, or without a key for one outside this process, it is off: opening raises ConfigInvalid.
    """

    def __init__(
        self, openers: Sequence[Opener], default_model: str | None, has_key: bool, now: Callable[[], datetime]
    ) -> None:
        self._named = NamedLMs(openers, default_model or "", None, now, scores=False)
        self._default_model = default_model
        self._has_key = has_key

    def open(self, choice: LMChoice, meter: Meter, answers: KeptAnswers | NothingKept) -> LMs:
        """The annotator as `task`. Raises ConfigInvalid."""
        name = choice.task_model or self._default_model
        if not name:
            raise ConfigInvalid("neither ARGOTUNE_ANNOTATION_MODEL nor annotation.annotator_model names one")
        if not self._has_key and not is_embedded(name):
            raise ConfigInvalid(f"{name[:60]} needs a key: set ANNOTATION_API_KEY")
        if is_embedded(name):  # the tenant's time limit is its task model's, and says nothing of this one
            if choice.api_base:
                raise ConfigInvalid(f"annotation.api_base: {name} runs in this process and takes none")
            choice = LMChoice(task_model=name)
        lms = self._named.open(choice, meter, answers)
        return replace(lms, teacher=None, names={"task": lms.names["task"]})


SECOND_TRIES = 10
"""So often in a row an unreadable answer is asked for again as JSON before that is known to be of no use."""


class SchemaWhereSupported(dspy.ChatAdapter):
    """Closed sets and types as a JSON schema where the LM is held to it; else chat, and JSON when that fails.

    An answer is kept once it was read. One that was cut off would be cut off again, and an LM that is unreadable
    either way is asked one way only.
    """

    def __init__(self) -> None:
        super().__init__(use_json_adapter_fallback=False)
        self._with_schema = dspy.JSONAdapter()
        self._second = Streak(SECOND_TRIES)

    def __call__(self, lm: Any, lm_kwargs: Any, signature: Any, demos: Any, inputs: Any) -> list[dict[str, Any]]:
        asked = (lm, lm_kwargs, signature, [sendable(demo) for demo in demos], sendable(inputs))
        if lm.supports_response_schema:
            return _read(self._with_schema, *asked)
        try:
            return _read(super().__call__, *asked)
        except AdapterParseError as error:
            if error.code == CUT or self._second.is_long:
                raise
        return self._again(*asked)

    async def acall(self, lm: Any, lm_kwargs: Any, signature: Any, demos: Any, inputs: Any) -> list[dict[str, Any]]:
        """The same, away from the event loop."""
        return await asyncio.to_thread(self, lm, lm_kwargs, signature, demos, inputs)

    def _again(self, *asked: Any) -> list[dict[str, Any]]:
        try:
            found = _read(self._with_schema, *asked)
        except AdapterParseError:
            self._second.lengthen()
            raise
        self._second.end()
        return found


def _read(ask: Callable[..., list[dict[str, Any]]], *asked: Any) -> list[dict[str, Any]]:
    with reading() as answers:
        try:
            return ask(*asked)
        except AdapterParseError as error:
            error.code = CUT if answers.is_cut else error.code
            raise


def sendable(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values without lone surrogates, which no server takes and DSPy refuses with a ValueError."""
    return {name: storable(value) if isinstance(value, str) else value for name, value in values.items()}


class PaidEngine:
    """A DSPy engine: answers that were paid for come back, all others are asked of the writer, and kept.

    Equal requests share an answer at temperature 0. At others the first, second, ... of a run each has its own, so
    samples differ and a rerun repeats them. Errors of ours leave DSPy as themselves.
    """

    def __init__(self, writer: Writer, paid: PaidAnswers) -> None:
        self._writer = writer
        self._paid = paid
        self._answered = Streak()

    @property
    def supports_response_schema(self) -> bool:
        return self._writer.supports_response_schema

    @property
    def supported_params(self) -> Collection[str]:
        return self._writer.supported_params

    def complete(self, request: Request) -> Response:
        """One response. Raises BudgetSpent, AccessDenied, Unavailable and their like, or DSPy's context error.

        NoContent and RequestRefused are about this request. After ten in a row they become what they then mean:
        BadAnswer for a server that says nothing, ConfigInvalid where it never took any request.
        """
        asked = {**self._writer.identity, "request": request_to_dict(request)}
        is_sampled = (request.config.temperature or 0) > 0
        draw = self._paid.draw(asked) if is_sampled else 0
        try:
            found = self._paid.get(
                {**asked, "draw": draw} if is_sampled else asked,
                lambda: response_to_dict(self._writer.complete(request, draw, self._paid.meter)),
            )
        except Unanswered as error:
            raise _as_lm_error(self._of_all(error)) from error
        except ArgotuneError as error:
            raise _as_lm_error(error) from error
        self._answered.end()
        response = response_from_dict(dict(found))
        if response.finish_reason == "length":
            note_cut()
        return response

    def _of_all(self, error: Unanswered) -> ArgotuneError:
        """The error of one request, or what it means when the requests before it ended so too."""
        self._answered.lengthen()
        if isinstance(error, NoContent) and self._answered.is_long:
            return BadAnswer(f"{error}, as on the requests before it")
        if isinstance(error, RequestRefused) and self._answered.is_all:
            return ConfigInvalid(f"{error}, as on all requests before it")
        return error

    def stream(self, request: Request) -> Iterator[Any]:
        """The same response, as events."""
        return response_to_events(self.complete(request))

    def close(self) -> None:
        """Nothing is open: servers and connections are shared by the process."""

    def __deepcopy__(self, _memo: dict[int, Any]) -> PaidEngine:
        """Copies of an LM share meter and answers."""
        return self

    def dump_state(self) -> dict[str, Any]:
        """Nothing: an LM is bound when a program is loaded."""
        return {}

    @classmethod
    def load_state(cls, _state: Mapping[str, Any]) -> PaidEngine:
        """Raises ConfigInvalid: no stored state holds an LM."""
        raise ConfigInvalid("an LM is never stored with a program; open it by its name")


class AwaitedEngine:
    """The same engine for a module that awaits its LM: asked in a thread, so that it may await several at once."""

    def __init__(self, engine: PaidEngine) -> None:
        self._engine = engine

    @property
    def supports_response_schema(self) -> bool:
        return self._engine.supports_response_schema

    @property
    def supported_params(self) -> Collection[str]:
        return self._engine.supported_params

    async def complete(self, request: Request) -> Response:
        """As the engine's."""
        return await asyncio.to_thread(self._engine.complete, request)

    async def stream(self, request: Request) -> AsyncIterator[Any]:
        """The same response, as events."""
        for event in response_to_events(await self.complete(request)):
            yield event

    async def aclose(self) -> None:
        """Nothing is open."""

    def dump_state(self) -> dict[str, Any]:
        """Nothing, as the engine's."""
        return self._engine.dump_state()

    @classmethod
    def load_state(cls, state: Mapping[str, Any]) -> AwaitedEngine:
        """Raises ConfigInvalid, as the engine's."""
        return cls(PaidEngine.load_state(state))


def _as_lm_error(error: ArgotuneError) -> ArgotuneError:
    return _also_lm_error(type(error))(str(error))  # type: ignore[arg-type]  # a class is hashable


@lru_cache(maxsize=64)
def _also_lm_error(kind: type[ArgotuneError]) -> type[ArgotuneError]:
    """The same error as an LMError too: those pass through DSPy unwrapped, and its optimizers do not hide them."""
    return type(kind.__name__, (kind, LMError), {"__doc__": kind.__doc__, "__module__": kind.__module__})
