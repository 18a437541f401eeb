"""LiteLLM through DSPy: LMs and embedders behind an API, and what their errors mean."""

from __future__ import annotations

import os


def fetch_no_prices() -> None:
    """Prices and abilities of models come with the packages; without this each process would fetch them anew."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
