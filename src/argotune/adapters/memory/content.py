"""Content in memory: the twin for tests, and for programs that have their content at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from argotune.stats.wording import counted
from argotune.synthetic.content import BadContent, Content, Sample, count_of, sample_of


class MemoryContent:
    """Contents by tenant."""

    def __init__(self, contents: Mapping[str, Sequence[Content | BadContent]]) -> None:
        self._contents = contents

    def sample(
        self, tenant_id: str, count: int, modalities: Sequence[str], profiles: Sequence[str] = (), seed: int = 0
    ) -> Sample:
        """As ContentSource."""
        return sample_of(self._contents.get(tenant_id, ()), count, modalities, profiles, seed)

    def count(self, tenant_id: str, modalities: Sequence[str]) -> int:
        """As ContentSource."""
        return count_of(self._contents.get(tenant_id, ()), modalities)

    def ping(self) -> str:
        """The number of tenants."""
        return f"content of {counted(len(self._contents), 'tenant')} in memory"
