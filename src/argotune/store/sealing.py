"""Sealing: how anything is written into a store.

A record is one line of JSON: {"hash", "schema", "kind", "body"}. `hash` is the SHA-256 of the
canonical JSON of the rest and comes first, so that a store can compare tags without parsing bodies.
Keys of the Redis adapter are `argotune:{<tenant>}:<collection>`, hashes of id -> text.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from argotune.errors import Corrupt, NewerRecord
from argotune.errors.known_secrets import masked_json

SCHEMA = 1
"""Raised where an older release would misread what a newer one writes. A further field is no such thing: it is left out
by releases that do not know it."""


def canonical(body: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(body: Any) -> str:
    """SHA-256 of the canonical JSON, 64 hex digits."""
    return _hash(canonical(body))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def seal(kind: str, body: Any) -> str:
    """The text of a record for a body, without the secrets that this process was given."""
    inner = masked_json({"body": body, "kind": kind, "schema": SCHEMA}, canonical)
    return f'{{"hash":"{_hash(inner)}",{inner[1:]}'


def tag_of(text: str) -> str:
    """The content hash at the head of a record's text. Raises Corrupt when it is not there."""
    if text[:9] != '{"hash":"' or text[73:75] != '",':
        raise Corrupt(f"a record does not begin with its hash: {text[:40]!r}")
    return text[9:73]


def unseal(kind: str, text: str) -> Any:
    """The body of a record. Raises Corrupt when hash, schema or kind is not what it should be, a NewerRecord for a
    later schema.
    """
    tag = tag_of(text)
    # The hash is that of the rest as it is written, so that nothing has to be written again to compare it.
    if _hash(f"{{{text[75:]}") != tag:
        raise Corrupt(f"a {kind} record does not match its hash {tag[:12]}")
    try:
        inner = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Corrupt(f"a {kind} record is not JSON: {error}") from error
    if isinstance(inner.get("schema"), int) and inner["schema"] > SCHEMA:
        raise NewerRecord(f"a {kind} record of schema {inner['schema']} is of a newer release, this one reads {SCHEMA}")
    if inner.get("schema") != SCHEMA or inner.get("kind") != kind:
        raise Corrupt(f"expected a {kind} record of schema {SCHEMA}, found {inner.get('kind')} {inner.get('schema')}")
    return inner["body"]
