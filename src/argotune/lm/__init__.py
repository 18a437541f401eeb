"""LM: what is asked of an LM and what it costs."""
