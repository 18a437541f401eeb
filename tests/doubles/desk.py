"""A help desk's DSPy programs, written as DSPy's own documentation writes them; they know nothing of Argotune."""

from __future__ import annotations

from typing import Any, Literal

import dspy
from pydantic import BaseModel


class RouteTicket(dspy.Signature):
    """Route a customer's message to the team that can help."""

    message: str = dspy.InputField()
    team: Literal["billing", "shipping", "technical", "other"] = dspy.OutputField()
    confidence: float = dspy.OutputField(desc="0 to 1")


class Rewrite(dspy.Signature):
    """Rewrite a query so that it stands alone."""

    query: str = dspy.InputField()
    history: list[str] = dspy.InputField()
    rewritten: str = dspy.OutputField()


CLASSIFY = "rewritten -> intent: Literal['billing', 'shipping', 'technical', 'other']"


class RewriteThenClassify(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rewrite = dspy.Predict(Rewrite)
        self.classify = dspy.ChainOfThought(CLASSIFY)

    def forward(self, query: str, history: list[str] | None = None) -> dspy.Prediction:
        rewritten = self.rewrite(query=query, history=history or []).rewritten
        intent = self.classify(rewritten=rewritten).intent
        return dspy.Prediction(rewritten=rewritten, intent=intent)


class OnlyAsync(dspy.Module):
    """As RewriteThenClassify, for asyncio alone."""

    def __init__(self) -> None:
        super().__init__()
        self.rewrite = dspy.Predict(Rewrite)
        self.classify = dspy.ChainOfThought(CLASSIFY)

    async def aforward(self, query: str, history: list[str] | None = None) -> dspy.Prediction:
        rewritten = (await self.rewrite.acall(query=query, history=history or [])).rewritten
        found = await self.classify.acall(rewritten=rewritten)
        return dspy.Prediction(rewritten=rewritten, intent=found.intent)


class Person(BaseModel):
    name: str
    age: int


class Extract(dspy.Signature):
    """Extract facts from a customer's message."""

    text: str = dspy.InputField()
    order_ids: list[int] = dspy.OutputField()
    urgency: int = dspy.OutputField(desc="1 to 5")
    is_angry: bool = dspy.OutputField()


class ExtractAll(Extract):
    """Extract facts from a customer's message."""

    person: Person = dspy.OutputField()


class Contact(dspy.Signature):
    """Who wrote a message."""

    text: str = dspy.InputField()
    person: Person = dspy.OutputField()


class Bare(dspy.Module):
    """Gives back a value by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.count = dspy.ChainOfThought("text -> orders: list[int]")

    def forward(self, text):
        found = self.count(text=text)
        return found.orders


class Nested(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = RewriteThenClassify()

    def forward(self, **inputs):
        return self.inner(**inputs)


class Everything(dspy.Module):
    """Passes on whatever it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.route = dspy.Predict(RouteTicket)

    def forward(self, **kwargs):
        return self.route(**kwargs)


def order_status(order_id: str) -> str:
    """The status of an order."""
    return f"order {order_id} is on its way"


request = dspy.ReAct("request -> answer", tools=[order_status], max_iters=3)
agent = dspy.ReAct("request, limit: int -> is_done: bool", tools=[order_status], max_iters=3)
best = dspy.BestOfN(module=RewriteThenClassify(), N=2, reward_fn=lambda _args, _pred: 1.0, threshold=0.5)


def is_short(_args: Any, _pred: dspy.Prediction) -> float:
    return 1.0


refined = dspy.Refine(module=dspy.Predict(RouteTicket), N=2, reward_fn=is_short, threshold=0.5)
answer = dspy.ChainOfThought("question -> answer")


class Orders(dspy.Signature):
    """The orders that a message names, and whether its writer is angry."""

    text: str = dspy.InputField()
    earlier: list[int] = dspy.InputField(default=[])
    order_ids: list[int] = dspy.OutputField()
    is_angry: bool = dspy.OutputField()
