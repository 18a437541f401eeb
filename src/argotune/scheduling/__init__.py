"""Scheduling: who runs when, and a run as Kubernetes sees it."""
