"""LiteLLM through DSPy: LMs and embedders behind an API, and what their errors mean."""
