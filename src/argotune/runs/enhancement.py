"""Enhancement: what a run made of query enhancement, and what dev said of it."""

from __future__ import annotations

from argotune.stats.wording import counted
from argotune.store.records import StoredValue
from argotune.synthetic.report import Trial


class EnhancementReport(StoredValue):
    """Whether the challenger fills in what a question lacks by an enhancement of its own, and why. `trial` compares it
    with and without on dev, None where nothing was compared; `patterns` are traces that the enhancement learned from,
    `is_tuned`: both were tuned as one by how well the program does."""

    is_used: bool
    why: str
    trial: Trial | None = None
    patterns: int = 0
    is_tuned: bool = False

    @property
    def sentence(self) -> str:
        """What came of it, for people."""
        learned = f", {counted(self.patterns, 'pattern')} learned from traces" if self.is_used and self.patterns else ""
        tuned = ", tuned with it as one" if self.is_used and self.is_tuned else ""
        return f"query enhancement is {'used' if self.is_used else 'not used'}: {self.why}{learned}{tuned}"
