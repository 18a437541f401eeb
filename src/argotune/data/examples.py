"""Examples: what programs are trained and tested on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pydantic import ConfigDict, TypeAdapter, ValidationError

from argotune.data.annotations import LabelSource
from argotune.data.spans import Json
from argotune.data.splitting import Split
from argotune.errors import Corrupt
from argotune.store.sealing import digest


@dataclass(frozen=True, slots=True)
class Example:
    """One question with its right answer. `weight` is in 0..1; `slices` name what it is an instance of."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    program: str
    inputs: Mapping[str, str]
    expected: Mapping[str, str]
    source: LabelSource
    weight: float
    split: Split
    span_id: str | None = None
    slices: Mapping[str, str] | None = None

    @property
    def id(self) -> str:
        """Stable over runs and labels: the digest of program and inputs, 24 hex digits."""
        return question_id(self.program, self.inputs)

    @property
    def is_synthetic(self) -> bool:
        """Whether an LM wrote it: for training only, for ever."""
        return self.source is LabelSource.SYNTHETIC


class RightAnswers(Protocol):
    """The examples of questions, as far as there are any."""

    def get(self, question: str, /) -> Example | None:
        """By its id."""


def question_id(program: str, inputs: Mapping[str, str]) -> str:
    """The id of the example that a program's question is, or would be."""
    return digest([program, dict(inputs)])[:24]


_JSON = TypeAdapter(Example)


def example_to_json(example: Example) -> dict[str, Json]:
    """The example as JSON values."""
    body: dict[str, Json] = _JSON.dump_python(example, mode="json")
    return body


def example_from_json(body: Json) -> Example:
    """The example that `example_to_json` of this or a later release wrote. Raises Corrupt, which names the field."""
    try:
        return _JSON.validate_python(body, extra="ignore")
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, problem["loc"]))
        raise Corrupt(f"an example cannot be read: {where}: {problem['msg']}") from None
