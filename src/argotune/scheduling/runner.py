"""The port of workflow runners: submits, reads and stops what runs on a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from argotune.scheduling.workflow import Manifest, Workflow


class WorkflowRunner(Protocol):
    """Where tenants' workflows run. Raises Unavailable, AccessDenied, NotFound or ConfigInvalid."""

    def submit(self, manifest: Manifest) -> bool:
        """Create a workflow; False when one of that name is there already. Raises ConfigInvalid when it is refused."""

    def unfinished(self) -> frozenset[str]:
        """The tenant labels (tenants.ids.label_value) of runs that have not ended."""

    def workflows(self, tenant_id: str | None = None) -> list[Workflow]:
        """Runs, of one tenant or of all, oldest first."""

    def workflow(self, name: str) -> Workflow:
        """Raises NotFound."""

    def stop(self, name: str) -> None:
        """Ask that a workflow ends early; what it has stored stays. Raises NotFound."""

    def logs(self, name: str) -> Iterator[tuple[str, str]]:
        """(pod, line) of all its pods that are still there, oldest pod first. Raises NotFound."""
