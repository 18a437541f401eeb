"""Hosts: whether a text can be the address of a server at all, so that a wrong one is not taken for a server that is
down."""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import SplitResult

ASKED = "a host name that there can be and a port from 1 to 65535"


def has_address(url: SplitResult) -> bool:
    """Whether host and port are what ASKED says. A port may be left out."""
    try:
        host = url.hostname or ""
        return is_host(host) and url.port != 0 and ("[" in url.netloc) == (":" in host)
    except ValueError:  # its message may hold a part of the password
        return False


def is_host(text: str) -> bool:
    """Whether a name can be looked up (RFC 1123, underscores allowed; RFC 5890), or is an IP address."""
    try:
        if ":" in text:
            return bool(ipaddress.IPv6Address(text))
        name = text.encode("idna")
        name.decode("idna")
        if not re.fullmatch(r"[\w.-]+", name.decode(), re.ASCII):
            return False
        if name.rstrip(b".").rpartition(b".")[2].isdigit():
            socket.inet_aton(name.decode())
    except (ValueError, OSError):
        return False
    return True
