"""Where a module stands, as a test wants it."""

from __future__ import annotations

from typing import Any

from argotune.data.cursor import Reading
from argotune.data.masked import Masked
from argotune.decisions.lessons import Lessons
from argotune.runs.module_book import ModuleBook
from argotune.runs.progress import PassState
from argotune.store.port import Store


def mark(store: Store, tenant_id: str, module: str = "routing", **fields: Any) -> None:
    """Change fields of a module's records, each in the record that has it."""
    book = ModuleBook(store, tenant_id, module)
    for kind in (PassState, Reading, Masked, Lessons):
        own = {name: fields.pop(name) for name in list(fields) if name in kind.model_fields}
        if own:
            book.change(kind, **own)
    assert not fields
