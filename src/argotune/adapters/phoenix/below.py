"""What lies below spans: the signature that a module asks first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from argotune.adapters.phoenix.query import Row
from argotune.adapters.phoenix.spans import text_in
from argotune.data.ancestry import MOST_BELOW
from argotune.data.openinference import signature_in

Ask = Callable[[str], Iterable[Row]]
"""Rows that meet a condition, with their `name`, `parent` and `started`."""


def signatures_below(ids: Sequence[str], ask: Ask) -> dict[str, str]:
    """The signature that each span asks first, in a few levels below it. One question a level."""
    module_of = {id: id for id in ids}
    found: dict[str, tuple[str, str]] = {}
    for _ in range(MOST_BELOW):
        below: dict[str, str] = {}
        for row in ask(f"parent_id in {sorted(module_of)!r} and span_kind == 'CHAIN'") if module_of else ():
            module, signature = module_of[row["parent"]], signature_in(text_in(row["name"]))
            below[text_in(row["span_id"])] = module
            if signature and (module not in found or str(row["started"]) < found[module][0]):
                found[module] = str(row["started"]), signature
        module_of = below
    return {module: signature for module, (_, signature) in found.items()}
