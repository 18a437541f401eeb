"""Pass figures: what one pass over a module took in and asked for, in numbers."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class PassFigures:
    """`spans` were read, of which `experiences` were kept; of `sure` of these the confidence is known, in sum
    `confidence`. `labels` are those that the pass before did not know, `labelled` the experiences that had none then.
    `asked` spans were put before people, and `lm_labels` are those that the LM annotator gave."""

    spans: int = 0
    experiences: int = 0
    sure: int = 0
    confidence: float = 0.0
    labels: int = 0
    labelled: int = 0
    asked: int = 0
    lm_labels: int = 0

    def __add__(self, other: PassFigures) -> PassFigures:
        names = [field.name for field in fields(self)]
        return PassFigures(**{name: getattr(self, name) + getattr(other, name) for name in names})

    @property
    def mean_confidence(self) -> float | None:
        """None where none is known."""
        return self.confidence / self.sure if self.sure else None
