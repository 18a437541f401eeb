"""Workflows in memory: the twin of Argo, for tests. Nothing runs; a test says how runs end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from argotune.errors import ArgotuneError, NotFound
from argotune.scheduling.workflow import Manifest, Workflow, workflow_of
from argotune.tenants.ids import label_value


@dataclass
class MemoryRunner:
    """WorkflowRunner. `refuse` raises for a manifest that a cluster would refuse; while `fail_with` is set every call
    raises it, as if the API server were away."""

    clock: Callable[[], datetime]
    fail_with: ArgotuneError | None = None
    refuse: Callable[[Manifest], None] = lambda _manifest: None
    calls: int = 0
    manifests: dict[str, Any] = field(default_factory=dict)
    states: dict[str, Workflow] = field(default_factory=dict)
    lines: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def submit(self, manifest: Manifest) -> bool:
        """Keep a manifest; False when its name is taken."""
        self._called()
        self.refuse(manifest)
        name = manifest["metadata"]["name"]
        if name in self.manifests:
            return False
        self.manifests[name] = manifest
        dated = {**manifest, "metadata": {**manifest["metadata"], "creationTimestamp": self.clock().isoformat()}}
        self.states[name] = workflow_of(dated)
        return True

    def unfinished(self) -> frozenset[str]:
        """Labels of runs that have not ended."""
        self._called()
        return frozenset(label_value(state.tenant_id) for state in self.states.values() if not state.is_over)

    def workflows(self, tenant_id: str | None = None) -> list[Workflow]:
        """Runs, oldest first."""
        self._called()
        found = [state for state in self.states.values() if tenant_id in (None, state.tenant_id)]
        return sorted(found, key=lambda workflow: (workflow.created_at, workflow.name))

    def workflow(self, name: str) -> Workflow:
        """Raises NotFound."""
        self._called()
        if name not in self.states:
            raise NotFound(f"workflow: there is no {name!r}")
        return self.states[name]

    def stop(self, name: str) -> None:
        """The run has failed, as a stopped one does."""
        self.states[name] = replace(self.workflow(name), phase="Failed", message="Stopped with strategy 'Stop'")

    def logs(self, name: str) -> Iterator[tuple[str, str]]:
        """What a test put there."""
        self.workflow(name)
        yield from self.lines.get(name, ())

    def _called(self) -> None:
        self.calls += 1
        if self.fail_with:
            raise self.fail_with
