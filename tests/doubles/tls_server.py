"""A server whose certificate nobody trusts."""

from __future__ import annotations

import ssl
from contextlib import AbstractContextManager

import trustme
from loopback import Quiet, listening


def untrusted() -> AbstractContextManager[int]:
    """Its port on loopback."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return listening(Quiet, tls=context)
