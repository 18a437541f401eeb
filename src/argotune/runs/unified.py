"""Unified: what a run learned from the outcomes of the tenant's other module, and what dev said of it."""

from __future__ import annotations

from argotune.store.records import StoredValue
from argotune.synthetic.report import Trial


class UnifiedReport(StoredValue):
    """Whether the challenger learned from what came of the other module's decisions (`of`), and why. `trial` compares
    it with and without on dev, None where nothing was compared; `example_ids` are the other module's examples that
    taught it."""

    of: str
    is_used: bool
    why: str
    trial: Trial | None = None
    example_ids: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """What came of it, for people."""
        return f"outcomes of {self.of} are {'used' if self.is_used else 'not used'}: {self.why}"
