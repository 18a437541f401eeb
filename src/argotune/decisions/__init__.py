"""Decisions: train or skip, and what was learned from deciding."""
