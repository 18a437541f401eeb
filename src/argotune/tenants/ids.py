"""Ids: what a tenant may be called, and how its id is written where only some characters may stand."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from urllib.parse import quote

from argotune.errors import ConfigInvalid

MAX_TENANT_ID_CHARS = 200


def check_tenant_id(tenant_id: str) -> str:
    """The id itself when it can be used; ids are free text without control characters.

    Raises ConfigInvalid for an empty or overlong id, a control character or a lone surrogate.
    """
    if tenant_id == "*":
        raise ConfigInvalid("tenant_id: '*' stands for all tenants")
    if not tenant_id or tenant_id != tenant_id.strip():
        raise ConfigInvalid(f"tenant_id: {tenant_id[:40]!r} is empty or begins or ends with white space")
    if len(tenant_id) > MAX_TENANT_ID_CHARS:
        raise ConfigInvalid(f"tenant_id: {len(tenant_id)} characters, at most {MAX_TENANT_ID_CHARS} are allowed")
    bad = next((c for c in tenant_id if unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"}), None)
    if bad is not None:
        raise ConfigInvalid(f"tenant_id: {tenant_id[:40]!r} holds the character {bad!r}")
    return tenant_id


def slug(tenant_id: str) -> str:
    """A name that Kubernetes and file systems take: [a-z0-9-], at most 40 characters.

    A hash is added where anything was lost, or where the id itself looks like a slug with a hash, so that two
    tenants never share a slug.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", tenant_id.lower()).strip("-")
    if plain == tenant_id and len(plain) <= 40 and not re.search(r"-[0-9a-f]{12}$", plain):
        return plain
    digest = hashlib.sha256(tenant_id.encode()).hexdigest()[:12]
    return f"{plain[:27].strip('-') or 't'}-{digest}"


def key_part(text: str) -> str:
    """Percent-encoded text that is safe inside a store key: no braces, colons, slashes or white space."""
    return quote(text, safe="").replace("~", "%7E")
