"""Tenancy: whose decision a span of a project is that several tenants share."""

from __future__ import annotations

from argotune.data.spans import Json, Span
from argotune.tenants.binding import TraceBinding

SESSION, USER = "session.id", "user.id"

_GOES_ON = "_-."
"""An id that is followed by one of these may be the beginning of a longer one: acme, of acme-corp:session-1."""


def whose(span: Span, tenant_id: str, binding: TraceBinding) -> bool | None:
    """Whether a decision is this tenant's; None where nothing says whose it is, under a key that each is to have."""
    key = binding.tenant_key
    if key is None:
        return True
    said, wanted = tenant_said(span, binding), binding.tenant_value or tenant_id
    if said is None:
        return False if is_of_decision(key) else None
    return _begins(said, wanted) if key == SESSION else said == wanted


def is_of_decision(key: str) -> bool:
    """Whether a key is of the decision itself, and a text: so a source can be asked for a tenant's decisions alone."""
    return key == USER or key.startswith("metadata.")


def tenant_said(span: Span, binding: TraceBinding) -> str | None:
    """What lies under the binding's key: on the span itself, else on what is above it, the root first."""
    key = binding.tenant_key or ""
    if is_of_decision(key):
        return text_said(key, span.attributes.get(key))
    for attributes in (span.attributes, *(ancestor.attributes for ancestor in reversed(span.above))):
        value = text_said(key, attributes.get(key))
        if value is not None:
            return value
    return None


def text_said(key: str, value: Json) -> str | None:
    """What a value says of whose a decision is, None where nothing: a text, and a whole number where the key is not of
    the decision itself."""
    if isinstance(value, str):
        return value or None
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if is_number and not is_of_decision(key) else None


def _begins(session: str, tenant: str) -> bool:
    rest = session.removeprefix(tenant)
    if not session.startswith(tenant):
        return False
    return not (tenant[-1:].isalnum() and rest[:1] and (rest[0].isalnum() or rest[0] in _GOES_ON))
