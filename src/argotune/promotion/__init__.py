"""Promotion: whether a version may serve, and the pointers to those that do."""
