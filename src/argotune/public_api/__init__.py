"""Public API: the Python names that the documents promise, as thin objects over the same code."""
