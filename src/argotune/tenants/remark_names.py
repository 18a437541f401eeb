"""Remark names: what annotations mean that people or evaluators give under names of their own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

RemarkName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]

RemarkKind = Literal["answer", "verdict", "satisfaction", "quality"]


class RemarkMeaning(BaseModel):
    """What the annotations of one name say of a decision.

    `answer`: what would have been right, in the label or else the explanation; of the answer field `field`, None where
    a program has but one. `verdict`: whether the answer given was right. `satisfaction` and `quality`: outcomes, as
    `routing.user_satisfaction` and `routing.search_quality`. Scores and stars are read on the scale `worst` to `best`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    means: RemarkKind
    field: str | None = Field(None, min_length=1, max_length=200, description="of an answer: the answer field")
    worst: float = Field(0.0, description="the lowest score that people can give")
    best: float = Field(1.0, description="the highest score that people can give")

    @model_validator(mode="after")
    def _is_scale(self) -> RemarkMeaning:
        if self.worst >= self.best:
            raise ValueError(f"worst must be below best, not {self.worst:g} to {self.best:g}")
        if self.field is not None and self.means != "answer":
            raise ValueError(f"a {self.means} is of the whole decision: `field` is for `means: answer`")
        return self
