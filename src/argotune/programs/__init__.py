"""What is tuned: one file = signature + DSPy module + metric. This dict is the list of what ships."""
