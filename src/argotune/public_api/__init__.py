"""Public API: the Python names that the documentation promises, as thin objects over the same code."""
