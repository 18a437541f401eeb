"""Cursor: how far a module's spans were read, as only their source understands it."""

from __future__ import annotations

from typing import NewType

Cursor = NewType("Cursor", str)
"""Text that a trace source gave with a span. Nobody else reads it, compares it or makes one; it is kept, and given back
to the source. Where nothing was read there is none: None."""
