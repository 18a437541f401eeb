"""Ids: what a tenant may be called, and how its id is written where only some characters may stand."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from base64 import b64decode, b64encode
from urllib.parse import quote

from argotune.errors import ConfigInvalid
from argotune.store.sealing import digest

MAX_TENANT_ID_CHARS = 200

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_LABEL_OF_DIGEST = re.compile(r"t-[0-9a-f]{16}")


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
    return f"{plain[:27].strip('-') or 't'}-{_sha256(tenant_id)[:12]}"


def label_value(tenant_id: str) -> str:
    """The id as the value of a Kubernetes label; the same rule as `labelsFrom` in the WorkflowTemplate.

    An id that looks like a digest is made one too, so that two tenants never share a label and a mutex.
    """
    if _LABEL.fullmatch(tenant_id) and not _LABEL_OF_DIGEST.fullmatch(tenant_id):
        return tenant_id
    return f"t-{_sha256(tenant_id)[:16]}"


def key_part(text: str) -> str:
    """Percent-encoded text that is safe inside a store key: no braces, colons, slashes or white space."""
    return percent_encoded(text).replace("~", "%7E")


def percent_encoded(text: str) -> str:
    """As one segment of a URL's path (RFC 3986, 2.1)."""
    return quote(text, safe="", errors="surrogatepass")


def base64_of(tenant_id: str) -> str:
    """As manifests pass an id to our commands: Argo would fill in {{...}} in a plain one."""
    return b64encode(tenant_id.encode("utf-8", "surrogatepass")).decode()


def from_base64(text: str) -> str:
    """The id that `base64_of` wrote. Raises ConfigInvalid for what is no base64 of a text in UTF-8."""
    try:
        return b64decode(text, validate=True).decode()
    except ValueError:
        raise ConfigInvalid(f"{text[:80]!r} is not base64 of a text in UTF-8") from None


def record_id(tenant_id: str) -> str:
    """The id of a tenant's record in a collection that all share: 64 hex digits, whatever characters a tenant has."""
    return digest(tenant_id)


def pseudonym(tenant_id: str) -> str:
    """What stands for a tenant where nobody is to know who it is: 16 hex digits, the same each time."""
    return record_id(tenant_id)[:16]


def _sha256(tenant_id: str) -> str:
    return hashlib.sha256(tenant_id.encode("utf-8", "surrogatepass")).hexdigest()
