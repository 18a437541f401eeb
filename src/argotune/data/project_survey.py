"""The port that surveys a project of traces as it is, before anything is bound to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from argotune.data.annotations import Annotation
from argotune.data.spans import Span
from argotune.tenants.binding import TraceProject


class ProjectSurvey(Protocol):
    """What is in a project of traces.

    Raises ProjectMissing, which names projects that there are, Unavailable, RateLimited, AccessDenied or BadAnswer.
    """

    def count_spans(self, place: TraceProject, names: Sequence[str] = ()) -> int | None:
        """How many spans there are, all or those with one of these names; None where the product does not count."""

    def newest_modules(self, place: TraceProject, limit: int) -> Iterator[Span]:
        """The newest spans of DSPy's modules, the newest first, at most `limit`: each with what it says, what is above
        it and, where the class tells no program, the signature that it asks. In constant memory."""

    def newest_remarks(self, place: TraceProject, limit: int) -> Iterator[Annotation]:
        """The newest annotations, at most `limit` of each name, whatever they lie on."""
