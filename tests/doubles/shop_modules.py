"""The programs of the shop's application, as its authors wrote them: they know nothing of Argotune."""

from __future__ import annotations

from typing import Literal

import dspy

Team = Literal["billing", "shipping", "technical", "other"]


class RouteTicket(dspy.Signature):
    """Route a customer's message to the team that can help."""

    message: str = dspy.InputField()
    team: Team = dspy.OutputField()
    confidence: float = dspy.OutputField(desc="0 to 1")


class Rewrite(dspy.Signature):
    """Rewrite a query so that it stands alone."""

    query: str = dspy.InputField()
    history: list[str] = dspy.InputField()
    rewritten: str = dspy.OutputField()


class Classify(dspy.Signature):
    """Say what a query is about."""

    rewritten: str = dspy.InputField()
    intent: Team = dspy.OutputField()


class RewriteThenClassify(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rewrite = dspy.Predict(Rewrite)
        self.classify = dspy.ChainOfThought(Classify)

    def forward(self, query: str, history: list[str] | None = None):
        rewritten = self.rewrite(query=query, history=history or []).rewritten
        intent = self.classify(rewritten=rewritten).intent
        return dspy.Prediction(rewritten=rewritten, intent=intent)


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
