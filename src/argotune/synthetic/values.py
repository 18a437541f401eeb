"""Values of synthesis: what is asked for, aimed at and made. Names are those of "Synthetic Data Generation"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, get_args

from pydantic import Field, ValidationError, field_validator, model_validator

from argotune.errors import ConfigInvalid, first_problem
from argotune.store.records import StoredValue
from argotune.synthetic.content import Content
from argotune.synthetic.report import SyntheticReport
from argotune.tenants.config import MODALITIES, Modality, Module

MAX_DOCUMENT_CHARS = 600
"""Of a document in a prompt: queries are about the beginning, and small LMs lose their way in more."""

RouteType = Literal["direct", "fallback", "hybrid"]


class Augmentation(StrEnum):
    """How one query becomes another."""

    PARAPHRASE = "paraphrase"
    MODALITY = "modality variation"
    COMPLEXITY = "complexity"
    NEGATIVE = "negative"


class SyntheticDataRequest(StoredValue):
    """What to make. Fields that a generator does not know are ignored by it.

    `quality_threshold` is how sure the independent reader must be of the label, in 0..1. `profiles` are kinds of index
    to take content from (none: all). `augmentations` are drawn in turn, one after each example made from content.
    """

    optimizer: Module
    count: int = Field(ge=1, le=10_000)
    tenant_id: str = "default"
    modalities: tuple[Modality, ...] = Field(MODALITIES, min_length=1)
    quality_threshold: float = Field(0.5, ge=0, le=1)
    profiles: tuple[str, ...] = ()
    source_modality: Modality | None = None
    target_modality: Modality | None = None
    fusion_strategy: str | None = Field(None, min_length=1)
    route_types: tuple[RouteType, ...] = Field(get_args(RouteType), min_length=1)
    augmentations: tuple[Augmentation, ...] = tuple(Augmentation)
    seed: int = 0

    @field_validator("optimizer", mode="before")
    @classmethod
    def _also_in_one_word(cls, value: Any) -> Any:
        return "cross_modal" if value == "crossmodal" else value


def parse_request(**fields: Any) -> SyntheticDataRequest:
    """Validate what a person asked for. Raises ConfigInvalid whose one line names the field and the value."""
    try:
        return SyntheticDataRequest(**fields)
    except ValidationError as error:
        raise ConfigInvalid(first_problem(error)) from None


class QueryFeatures(StoredValue):
    """What stands in a query, by simple rules that know English best."""

    words: int
    is_question: bool
    entities: tuple[str, ...] = ()
    temporal_references: tuple[str, ...] = ()


class Fusion(StoredValue):
    """What a cross-modal query needs. `relevance` is the share of the query's telling words, in 0..1, that the content

    of each modality holds (wording.share_in); it is measured when the query is written, and shown to no reader.
    """

    needs_fusion: bool
    modalities: str
    strategy: str
    relevance: dict[str, float] = Field(default_factory=dict)


class Route(StoredValue):
    """How a query should be routed: the agents in order, and who steps in for the first where only one other can.

    For which error is not said: no content tells it.
    """

    type: RouteType
    agents: tuple[str, ...]
    fallback: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_an_error(cls, values: Any) -> Any:
        """Records of release 0.1.0 hold an error that was drawn by lot."""
        return {name: value for name, value in values.items() if name != "on_error"}


@dataclass(frozen=True)
class Goal:
    """An example to be made: the answers come first, then a query is written to which they are right.

    `wanted` tells the writer what the query must ask for, `style` how. `inputs` are the program's other inputs, the
    same for all goals of a program: the reader is shown them, and they must tell it nothing. `parts` are the contents
    that `content` is joined from.
    """

    program: str
    content: Content
    modality: str
    expected: Mapping[str, str]
    wanted: str
    inputs: Mapping[str, str]
    style: str = ""
    augmentation: Augmentation | None = None
    fusion: Fusion | None = None
    route: Route | None = None
    parts: tuple[Content, ...] = ()


class SyntheticExample(StoredValue):
    """One made question with its answers. `confidence` is the reader's that these are the answers, in 0..1."""

    program: str
    query: str
    modality: str
    inputs: dict[str, str]
    expected: dict[str, str]
    confidence: float
    expected_result: str = ""
    features: QueryFeatures
    content_id: str
    augmentation: Augmentation | None = None
    fusion: Fusion | None = None
    route: Route | None = None

    @property
    def agent(self) -> str | None:
        """The expected agent, None where agents are not the question."""
        return self.expected.get("agent")


class SyntheticDataResponse(StoredValue):
    """What came of a request."""

    examples: tuple[SyntheticExample, ...]
    report: SyntheticReport

    @property
    def count(self) -> int:
        return len(self.examples)

    @property
    def metadata(self) -> dict[str, Any]:
        """The report as the documentation shows it: `metadata["success_rate"]`, `metadata["refused"]`, ..."""
        return {"success_rate": self.report.success_rate, **self.report.model_dump(mode="json", exclude={"trial"})}
