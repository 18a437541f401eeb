"""Synthetic examples: those of a run, as they are kept and as they train."""

from __future__ import annotations

from collections.abc import Sequence

from argotune.data.examples import Example
from argotune.pipeline.module_pass import Pass
from argotune.runs.run import Plan
from argotune.store.collections import Collection
from argotune.store.records import find_renewable
from argotune.synthetic.mixing import weighed
from argotune.synthetic.service import as_example
from argotune.synthetic.values import SyntheticDataResponse


def kept_synthetic(this: Pass, run_id: str) -> SyntheticDataResponse | None:
    """What was made for a run, None where nothing was."""
    kept, _ = find_renewable(this.store, this.tenant_id, Collection.SYNTHETIC, run_id, SyntheticDataResponse)
    return kept


def training_examples(
    this: Pass, plan: Plan, made: SyntheticDataResponse | None, real: Sequence[Example]
) -> list[Example]:
    """What was made with the weight that it has beside the real ones."""
    examples = [as_example(example) for example in made.examples] if made else []
    return weighed(examples, real, plan.strategy, this.config.synthetic_data_ratio)
