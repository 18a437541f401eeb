"""Serving: what the user's application imports. Never the pipeline."""

from argotune.serving.client import Serving, open_serving
from argotune.serving.decision import Decision

__all__ = ["Decision", "Serving", "open_serving"]
