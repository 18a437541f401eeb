"""The programs of the shop's application, and modules that do not fit its spans; none knows of Argotune."""

from __future__ import annotations

from typing import Literal

import dspy
from desk import RewriteThenClassify, RouteTicket

__all__ = ["AnswersNothing", "Classify", "RewriteThenClassify", "RouteTicket", "Twin"]


class Classify(dspy.Signature):
    """Say what a query is about."""

    rewritten: str = dspy.InputField()
    intent: Literal["billing", "shipping", "technical", "other"] = dspy.OutputField()


class Twin(dspy.Module):
    """As RewriteThenClassify, with a field that no span has."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = dspy.Predict("query, country -> intent")

    def forward(self, query: str, country: str):
        return self.answer(query=query, country=country)


Twin.__name__ = "RewriteThenClassify"


class AnswersNothing(dspy.Module):
    def forward(self, query: str):
        return dspy.Prediction(intent=query)
