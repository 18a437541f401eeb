"""The port of LMs: what a run calls, and what opens it for a tenant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from argotune.lm.kept_answers import KeptAnswers, NothingKept
from argotune.lm.meter import Meter
from argotune.tenants.config import LMChoice


@dataclass(frozen=True)
class LMs:
    """The LMs of one run, ready for `dspy.context(lm=lms.task, adapter=lms.adapter)`.

    `task` answers; it may be a DSPy decision client that scores labels and cannot write text: then `writer` writes in
    its place for programs that ask for more than labels. `teacher` writes instructions, None when the installation has
    no LM that can. An LM is never stored with a program.
    """

    task: Any
    teacher: Any | None
    adapter: Any
    names: Mapping[str, str]
    num_threads: int = 1
    writer: Any | None = None


class LMSource(Protocol):
    """Opens LMs by name, metered and with the tenant's answers at hand."""

    def open(self, choice: LMChoice, meter: Meter, answers: KeptAnswers | NothingKept) -> LMs:
        """The LMs of a tenant. Raises ConfigInvalid for a name that cannot be used."""
