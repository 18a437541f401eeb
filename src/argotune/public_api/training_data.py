"""Training data: whether DSPy examples have all that metrics look at, after "DSPy Training Data Requirements" of
"Optimization Module"."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def validate_training_data(examples: Sequence[Any], required_fields: Iterable[str]) -> None:
    """Print that all examples have the fields. Raises ValueError that names the first example and field that lacks."""
    required = tuple(required_fields)
    for i, example in enumerate(examples):
        for field in required:
            if not hasattr(example, field):
                raise ValueError(f"Example {i} missing required field '{field}'")
    print(f"✅ All {len(examples)} examples valid")  # noqa: T201 - what it is documented to do
