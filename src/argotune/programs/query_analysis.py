"""Query analysis: what a query is about, and which searches it needs ("Query Analysis Training Data" of "Optimization
Module"). No module of its own: a tenant that wants it names it among its `programs`."""

from __future__ import annotations

from typing import Literal

import dspy

from argotune.programs.closed_set import share_right
from argotune.programs.program import Metric

QUERY_ANALYSIS = f"{__name__}:query_analysis"
"""In a tenant's config: `programs={"query_analysis": QUERY_ANALYSIS}`."""

Flag = Literal["true", "false"]


class QueryAnalysisSignature(dspy.Signature):  # type: ignore[metaclass]  # DSPy computes its metaclass
    """Analyse a query: what its user wants, how complex it is, and which searches can answer it."""

    query: str = dspy.InputField(desc="What the user asked")
    context: str = dspy.InputField(desc="What is known of the conversation and of the user")
    primary_intent: str = dspy.OutputField(desc="Main intent category, such as video_search or analysis")
    complexity_level: Literal["simple", "complex"] = dspy.OutputField(desc="Whether one search can answer it")
    needs_video_search: Flag = dspy.OutputField(desc="Whether videos must be searched")
    needs_text_search: Flag = dspy.OutputField(desc="Whether texts must be searched")
    multimodal_query: Flag = dspy.OutputField(desc="Whether it asks for several modalities at once")
    temporal_pattern: str = dspy.OutputField(desc='When what is asked for happened, such as yesterday, or "none"')


class QueryAnalysisModule(dspy.Module):
    """The signature, asked at once."""

    def __init__(self) -> None:
        dspy.Module.__init__(self)
        self.analyse = dspy.Predict(QueryAnalysisSignature)

    def forward(self, query: str, context: str = "") -> dspy.Prediction:
        said: dspy.Prediction = self.analyse(query=query, context=context)
        return said


ANSWERS = (
    *("primary_intent", "complexity_level", "needs_video_search", "needs_text_search"),
    *("multimodal_query", "temporal_pattern"),
)


def query_analysis() -> tuple[dspy.Module, Metric]:
    """The untuned program and its metric: the share of the six answers that are what was expected."""
    return QueryAnalysisModule(), share_right(*ANSWERS)
