"""A user's own program: how urgent a customer's message is."""

from __future__ import annotations

import dspy

from argotune.programs.closed_set import ClosedSet, ClosedSetAnswers, signature_of

SIGNS = {"now": "down outage lost breach urgent", "later": "idea wish typo color someday"}
THINGS = ["invoice", "login", "search", "report", "export", "billing", "theme", "button", "page", "mail"]


def urgency(_config) -> tuple[dspy.Module, object]:
    return saying_how_urgent(), cautious


def saying_how_urgent() -> dspy.Module:
    signature = signature_of(
        "Say how urgent a customer's message is.",
        {"query": "What the customer wrote"},
        {"urgency": ClosedSet("How urgent it is", {"later": "can wait", "now": "cannot wait"})},
    )
    return ClosedSetAnswers(signature)


def cautious(example: dspy.Example, prediction: dspy.Prediction) -> float:
    """A miss of something urgent is worth nothing, a false alarm half."""
    if prediction.urgency == example.urgency:
        return 1.0
    return 0.5 if prediction.urgency == "now" else 0.0


def message(number: int, case: int | None = None) -> tuple[str, str]:
    """What a customer writes, and how urgent it is. `case` is the number that it ends with."""
    label = ("now", "later")[number % 2]
    signs = SIGNS[label].split()
    return f"{signs[number // 2 % 5]} {THINGS[number // 10 % 10]} {signs[number // 7 % 5]} {case or number}", label
