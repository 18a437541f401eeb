"""Argotune: see README.md."""
