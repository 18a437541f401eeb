"""The port of content: documents of a tenant to write queries about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from argotune.synthetic.content import Sample


class ContentSource(Protocol):
    """Where a tenant's content is. Raises Unavailable, BadAnswer, AccessDenied or ConfigInvalid.

    A tenant is never given another tenant's content. A document that cannot be used is counted, not raised.
    """

    def sample(
        self, tenant_id: str, count: int, modalities: Sequence[str], profiles: Sequence[str] = (), seed: int = 0
    ) -> Sample:
        """At most `count` contents, as evenly over the modalities as there are any; equal seeds give equal ones.

        `profiles` are kinds of index, none means all.
        """

    def count(self, tenant_id: str, modalities: Sequence[str]) -> int:
        """How many documents of these modalities the tenant has."""

    def ping(self) -> str:
        """What is there, in a few words, when it can be reached and lets us in."""
