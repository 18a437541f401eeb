"""Twins of the ports that keep everything in this process: for tests, and to try things out."""
