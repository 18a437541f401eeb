"""Scoring labels: the embedded LM as a DSPy decision client, for closed sets."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from dspy.clients.base_lm import LM_CLASS_STATE_KEY
from dspy.dsp.utils.settings import settings as dspy_settings
from dspy.utils.callback import with_callbacks
from dspy.utils.inspect_history import pretty_print_history

from argotune.adapters.llama_cpp.model import EmbeddedModel
from argotune.adapters.llama_cpp.server import (
    ALL_PIECES,
    CONTEXT_TOKENS,
    NAME,
    TOP_PIECES,
)
from argotune.errors import NoContent
from argotune.lm.kept_answers import PaidAnswers
from argotune.lm.label_scoring import (
    Case,
    ClosedQuestion,
    Written,
    fitted_prompt,
    longest_answers_bytes,
    option_texts,
    sampled,
    shares,
)
from argotune.store.sealing import digest

MAX_HISTORY = 100


SPARE_TOKENS = 64
"""Kept free for what the runtime puts around a prompt."""


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
            bill.tokens, bill.answer_tokens = max(lengths, default=0) + len(lengths), len(lengths)
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
