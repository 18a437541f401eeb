"""Examples: what programs are trained and tested on, where their labels come from, and the sealed split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from argotune.records import digest


class Split(StrEnum):
    """Which part of the data an example belongs to, for ever. Only `evaluate` opens TEST."""

    TRAIN = "train"
    DEV = "dev"
    TEST = "test"


class LabelSource(StrEnum):
    """Where a label comes from, in falling order of trust."""

    HUMAN = "human"
    LLM = "llm"
    OUTCOME = "outcome"

    @property
    def is_trusted(self) -> bool:
        """Whether the label is independent of what the champion answered."""
        return self is not LabelSource.OUTCOME


@dataclass(frozen=True)
class Example:
    """One question with its right answer. `weight` is in 0..1; `slices` name what it is an instance of."""

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
        return digest([self.program, dict(self.inputs)])[:24]
