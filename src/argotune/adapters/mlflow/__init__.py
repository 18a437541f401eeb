"""MLflow 3 as a tracker and as a source of traces, over its REST API (docs/traces.md)."""
