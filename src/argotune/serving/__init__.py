"""Serving: what the user's application imports. Never the pipeline."""

from argotune.serving.client import Decision, Serving, open_serving

__all__ = ["Decision", "Serving", "open_serving"]
