"""Arize Phoenix: spans and annotations as trace source and sink, datasets and experiments as tracker, its server."""
