"""Drawing: which requests a contest asks both versions, by lot, each request alike."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from datetime import datetime


def lot_in(contest: str, span_id: str) -> float:
    """The lot of a request in a contest, in [0, 1): it knows nothing of what was asked or answered.

    A permanent random number (Ohlsson, "Coordination of samples using permanent random numbers", 1995).
    """
    return _lot("contest", contest, span_id)


def is_for_people(contest: str, question: str, share: float) -> bool:
    """Whether people are asked about a question that a judge says something of: with the chance `share`, by a lot that
    knows neither answers nor judge, nor the one by which the question was drawn."""
    return _lot("people", contest, question) < share


MEASURED_SHARE = 0.1
"""Of the requests whose answer by the champion a trace has: so many are asked all the same, to tell what they cost."""


def is_measured(contest: str, question: str) -> bool:
    """Whether the champion is asked though a trace has what it said: by a lot that knows neither answer."""
    return _lot("measured", contest, question) < MEASURED_SHARE


def lot_of_order(contest: str, question: str) -> float:
    """The lot that says in which order two answers to a question are shown."""
    return _lot("order", contest, question)


def _lot(purpose: str, contest: str, id: str) -> float:
    digest = hashlib.sha256(f"{purpose}\n{contest}\n{id}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def in_lot_order(
    contest: str, requests: Iterable[tuple[str, datetime]], drawn: Collection[str], since: datetime
) -> list[str]:
    """The span ids of requests from `since` on that were not drawn yet, those with the lowest lots first."""
    open_ = {span_id for span_id, at in requests if at >= since and span_id not in drawn}
    return sorted(open_, key=lambda span_id: (lot_in(contest, span_id), span_id))
