"""Generator: what a file of this folder gives. Labels come first, queries are written to them later."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from argotune.synthetic.content import Content
from argotune.synthetic.values import Goal, SyntheticDataRequest
from argotune.tenants.config import RoutingConfigUnified


@dataclass(frozen=True)
class Material:
    """What goals are made from. A goal is about some of the `contents` as they are; only labels are drawn."""

    request: SyntheticDataRequest
    config: RoutingConfigUnified
    contents: Sequence[Content]
    chance: random.Random


Goals = Callable[[Material], Iterator[Goal]]
"""Goals for the contents, endless as long as any content gives a goal; draws only from the given chance."""

Vary = Callable[[Goal, Material], Goal | None]
"""Another goal from one that was reached, None where there is none. No content is given another label than its own."""


@dataclass(frozen=True)
class Generator:
    """`in_another_modality`: the same wish for content of another modality. `negative`: a contrasting example."""

    goals: Goals
    in_another_modality: Vary
    negative: Vary
