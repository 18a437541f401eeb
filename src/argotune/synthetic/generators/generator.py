"""Generator: what a file of this folder gives. Labels come first, queries are written to them later."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from argotune.content import Content
from argotune.synthetic.values import Goal, SyntheticDataRequest
from argotune.tenants import RoutingConfigUnified

Goals = Callable[[SyntheticDataRequest, RoutingConfigUnified, Sequence[Content], random.Random], Iterator[Goal]]
"""Goals for the contents, endless as long as any content gives a goal; draws only from the given chance."""

Vary = Callable[[Goal, SyntheticDataRequest, RoutingConfigUnified, random.Random], Goal | None]
"""Another goal from one that was reached, None where there is none."""


@dataclass(frozen=True)
class Generator:
    """`in_another_modality`: the same query for content of another modality. `negative`: a contrasting example."""

    goals: Goals
    in_another_modality: Vary
    negative: Vary
