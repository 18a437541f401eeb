"""What lies below spans: the signature that a module asks first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from argotune.adapters.phoenix.query import Row
from argotune.adapters.phoenix.spans import parsed, text_in
from argotune.data.ancestry import MOST_BELOW
from argotune.data.openinference import signature_in
from argotune.errors import BadAnswer

Ask = Callable[[str], Iterable[Row]]
"""Rows that meet a condition, with their `name`, `parent` and `started`."""


class _Below(NamedTuple):
    """A span below others, and the signature that its name tells."""

    span_id: str
    parent_id: str
    started: str
    signature: str | None


def signatures_below(ids: Sequence[str], ask: Ask) -> dict[str, str]:
    """The signature that each span asks first, in a few levels below it. One question a level.

    Raises BadAnswer, and what `ask` raises.
    """
    module_of = {id: id for id in ids}
    found: dict[str, tuple[str, str]] = {}
    for _ in range(MOST_BELOW):
        below: dict[str, str] = {}
        for row in ask(f"parent_id in {sorted(module_of)!r} and span_kind == 'CHAIN'") if module_of else ():
            each = parsed(_below, row)
            if each.parent_id not in module_of:
                raise BadAnswer(f"Phoenix: span {each.span_id} lies in none of those that were asked about")
            module = below[each.span_id] = module_of[each.parent_id]
            if each.signature and (module not in found or each.started < found[module][0]):
                found[module] = each.started, each.signature
        module_of = below
    return {module: signature for module, (_, signature) in found.items()}


def _below(row: Row) -> _Below:
    signature = signature_in(text_in(row["name"]))
    return _Below(text_in(row["span_id"]), text_in(row["parent"]), str(row["started"]), signature)
