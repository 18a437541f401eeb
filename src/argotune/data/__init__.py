"""Data: from a span to a labelled, split, kept example."""
