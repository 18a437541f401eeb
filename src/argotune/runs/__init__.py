"""Runs: what happened, written down and told."""
