"""Host addresses: where IP addresses, hardware addresses and names of machines that are not public stand in a text.

Finders as in `personal_data`. Names of public sites are content and stay.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from argotune.data.guards.personal_data import Place

_V4 = re.compile(r"(?<![0-9A-Za-z_.-])\d{1,3}(?:\.\d{1,3}){3}(?![0-9A-Za-z_]|\.\d)")
_V6 = re.compile(r"(?<![0-9A-Za-z_:.])[0-9A-Fa-f:][0-9A-Fa-f:.]{2,44}+(?![0-9A-Za-z_])")
_VERSION_BEFORE = re.compile(
    r"(?i)\bv$|\b(?:versions?|release|upgrade|update|(?:updat|upgrad)ed to|firmware|build|driver|changelog|patch"
    r"|section|chapter|clause|kapitel|abschnitt|satzung|chapitre|capítulo|capitolo)\b|§|глав|раздел|κεφάλαιο|פרק|บทที่|第|제"
)
_VERSION_AFTER = re.compile(
    r"(?i)\W{0,2}(?:version|release|firmware|build|driver|patch|update|der satzung)\b|\s?[条章节節장조]"
)
_ADDRESS = re.compile(
    r"(?i)(?<![a-z])(?:ips?|ipv[46]|ip-adress\w{0,2}|hosts?|server|dns|gateway|subnet|ping|network)(?![a-z])|address|adress|direcci"
    r"|endereço|indirizzo|адрес|地址|アドレス|주소"
)
_CUE_CHARS = 25


def find_ips(text: str) -> Iterator[Place]:
    """IPv4 and IPv6 addresses that may name somebody's host: not loopback, 0.0.0.0, netmasks, versions or chapters."""
    if text.count(".") >= 3:
        yield from (found.span() for found in _V4.finditer(text) if _is_v4_host(found))
    if text.count(":") >= 2:
        for found in _V6.finditer(text):
            address = found[0].rstrip(":.")
            is_named = _ADDRESS.search(text[max(found.start() - _CUE_CHARS, 0) : found.start()])
            if address.count(":") >= 2 and (is_named or _is_long(address)) and _is_host(address):
                yield found.start(), found.start() + len(address)


def _is_long(address: str) -> bool:
    """Four digits or more, one of them decimal: `x[1::3]` is a slice."""
    return any(map(str.isdigit, address)) and sum(map(str.isalnum, address)) >= 4


def _is_v4_host(found: re.Match[str]) -> bool:
    numbers = [int(part) for part in found[0].split(".")]
    before = found.string[max(found.start() - _CUE_CHARS, 0) : found.start()]
    after = found.string[found.end() : found.end() + _CUE_CHARS]
    if not _is_host(found[0]):
        return False
    if _VERSION_BEFORE.search(before) or _VERSION_AFTER.match(after):
        return _ADDRESS.search(before) is not None
    is_outline = numbers[0] != 10 and max(numbers) < 20  # 4.3.2.1 of a contract
    return not is_outline or any(map(_ADDRESS.search, (before, after)))


def _is_host(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    is_mask = found.version == 4 and address.startswith("255.")
    return not (found.is_loopback or found.is_unspecified or is_mask)


_NAME = r"[A-Za-z0-9][\w.-]{1,200}+"
_HOSTS = (
    re.compile(  # names that only an internal resolver knows (RFC 6762, RFC 8375, Kubernetes, AWS)
        r"(?<![A-Za-z0-9_.-])(?:[A-Za-z0-9_-]{1,63}+\.){1,10}"
        r"(?:internal|local|localdomain|lan|corp|intranet|intern|home\.arpa|svc|consul)(?![A-Za-z0-9_-]|\.[A-Za-z0-9])"
    ),
    re.compile(  # machines of clouds
        r"(?<![A-Za-z0-9_.-])(?:[A-Za-z0-9_-]{1,63}+\.){2,10}"
        r"(?:amazonaws\.com|cloudapp\.azure\.com|database\.windows\.net)(?![A-Za-z0-9_-])"
    ),
    re.compile(rf"(?i)(?<![a-z])(?:host(?:name)?|server)\s?[:=]\s?[\"']?({_NAME})"),
    re.compile(rf"(?i)(?<![a-z])(?:ssh|scp|sftp|rsync) (?:[^\s@<>]{{1,99}}+ ){{0,4}}[\w.-]{{1,64}}+@({_NAME})"),
    re.compile(rf"(?i)(?<![a-z])s(?:sh|ftp) (?:-\w{{1,20}} ){{0,4}}({_NAME})"),
    re.compile(rf"(?<!\\)\\\\({_NAME})\\"),
    re.compile(
        r"(?<![0-9A-Za-z:-])[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![0-9A-Za-z:-])"
        r"|(?<![0-9A-Za-z.])[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}(?![0-9A-Za-z]|\.\w)"
    ),
)
_SUFFIXED, _CLOUD, _ASSIGNED, _LOGIN, _REMOTE, _SHARE, _HARDWARE = _HOSTS
_MACHINE_NAME = re.compile(r"[\d.-]")


def find_hosts(text: str) -> Iterator[Place]:
    """Names of machines and their hardware (MAC) addresses.

    Internal names are known by their suffix, those of clouds by their domain, others by what stands before them:
    `host=`, `ssh user@`, two backslashes.
    """
    if "." in text:
        yield from (found.span() for pattern in (_SUFFIXED, _CLOUD) for found in pattern.finditer(text))
    lowered = text.lower()
    if "host" in lowered or "server" in lowered:
        yield from _named(_ASSIGNED, text)
    if any(word in lowered for word in ("ssh ", "scp ", "sftp ", "rsync ")):
        yield from (found.span(1) for found in _LOGIN.finditer(text))
        yield from _named(_REMOTE, text)
    if "\\\\" in text:
        yield from (found.span(1) for found in _SHARE.finditer(text))
    if text.count(":") >= 5 or text.count("-") >= 5 or text.count(".") >= 2:
        yield from (
            found.span() for found in _HARDWARE.finditer(text) if ":" in found[0] or any(map(str.isalpha, found[0]))
        )


def _named(pattern: re.Pattern[str], text: str) -> Iterator[Place]:
    """What looks like a machine's name and not like a word: `pg-primary-1`."""
    return (found.span(1) for found in pattern.finditer(text) if _MACHINE_NAME.search(found[1]))
