"""Ports: what the pipeline needs from the world, in one bundle."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from argotune.data.source import TraceSource
from argotune.lm.effort import Stopwatch
from argotune.lm.port import LMSource
from argotune.runs.tracker import Tracker
from argotune.store.port import Store
from argotune.synthetic.source import ContentSource
from argotune.tenants.config import RoutingConfigUnified

if TYPE_CHECKING:
    from argotune.programs.embedder import Embedders  # its package brings DSPy, which a trigger does without


Progress = Callable[[str, int, int], None]
"""Told (what, done, total) during long work; for people only."""


def silent(_what: str, _done: int, _total: int) -> None:
    """The progress nobody watches."""


@dataclass(frozen=True)
class Ports:
    """Everything a run needs from outside, time and ids included; `stopwatch` tells how long answers take. `annotator`
    opens the LM that labels, by the same rules as others but with a key of its own; None where an installation has
    none."""

    store: Store
    traces: TraceSource
    tracker: Tracker
    lms: LMSource
    embedders: Callable[[], Embedders]
    content: Callable[[RoutingConfigUnified], ContentSource]
    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    progress: Progress = silent
    lease_s: float = 30.0
    stopwatch: Stopwatch = time.monotonic
    annotator: LMSource | None = None
