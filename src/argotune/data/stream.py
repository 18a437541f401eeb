"""Stream: the decisions of one module of one tenant, wherever they are traced."""

from __future__ import annotations

from dataclasses import dataclass

from argotune.tenants.binding import ORCHESTRATION, BoundProgram, TraceBinding
from argotune.tenants.config import RoutingConfigUnified


@dataclass(frozen=True)
class Stream:
    """Whose decisions, of which module. `binding`: where they are and by what they are known; None: as docs/traces.md
    asks for them."""

    tenant_id: str
    module: str
    binding: TraceBinding | None = None

    @property
    def bound(self) -> BoundProgram | None:
        """By what the decisions are known, None where they say it themselves."""
        return self.binding.programs[self.module] if self.binding else None

    @property
    def is_orchestration(self) -> bool:
        """Whether its decisions are the roots of orchestrated requests (data/executions.py)."""
        return self.module == ORCHESTRATION

    @property
    def reads_around(self) -> bool:
        """Whether what lies around its spans matters too."""
        return self.binding is not None or self.is_orchestration

    def span_names(self, prefix: str) -> tuple[str, ...]:
        """The names that its spans can have. `prefix`: of the installation, where the stream is not bound."""
        return self.bound.span_names if self.bound else (f"{prefix}.{self.module}",)


def stream_of(config: RoutingConfigUnified, module: str) -> Stream:
    """A module's stream. A module that the binding does not name is traced as docs/traces.md asks."""
    binding = config.traces
    return Stream(config.tenant_id, module, binding if binding and module in binding.programs else None)
