"""Reasons: why a client library did not get through, found in what it raised, and whether waiting can mend it.

Clients wrap what happened in errors of their own ("Connection error."); the cause tells a refused connection, which may
be over soon, from a certificate, proxy, key or address that stays wrong until somebody corrects it.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator

from argotune.errors.lines import told
from argotune.settings import misread_variable

KEY = "the key"
"""Stands in a reason for the variable of the key, which the caller knows."""

_NO_CERTIFICATE = ("NO_CERTIFICATE_OR_CRL_FOUND", "NO_START_LINE", "PEM_LIB", "BAD_BASE64_DECODE")
_WRONG_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG")


def lasting_reason(error: BaseException) -> str | None:
    """Why another attempt would fail too, with the variable to correct where one is known; None where it may not."""
    return next((reason for found in causes(error) for look in _LASTING if (reason := look(found))), None)


def passing_reason(error: BaseException) -> str:
    """What is known of a failure that may pass, in a few words: the text of its first cause, not its class."""
    for found in reversed(list(causes(error))):
        if isinstance(found, socket.gaierror):
            return f"its host name is not known (DNS: {found.strerror})"
        if isinstance(found, OSError) and found.strerror:
            return found.strerror
    return told(str(error).strip().partition("\n")[0], 200) or type(error).__name__


def met_by(host: str, port: int, *, is_tls: bool, timeout_s: float) -> OSError | None:
    """What a connection of our own meets, for clients that do not say; None where it succeeds."""
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as connection:
            if is_tls:
                ssl.create_default_context().wrap_socket(connection, server_hostname=host).close()
    except OSError as error:
        return error
    return None


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came from, outermost first; also what a client keeps in `reason` or in its arguments."""
    seen: list[BaseException] = []
    waiting: list[BaseException] = [error]
    while waiting and len(seen) < 50:
        found = waiting.pop(0)
        if any(found is known for known in seen):
            continue
        seen.append(found)
        yield found
        inner = (found.__cause__ or found.__context__, getattr(found, "reason", None), *found.args)
        waiting.extend(each for each in inner if isinstance(each, BaseException))


def _certificate(error: BaseException) -> str | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}): set SSL_CERT_FILE to that of its authority"
    if isinstance(error, ssl.SSLError) and error.reason in _WRONG_TLS:
        return "it does not speak TLS there: check the scheme and the port"
    if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or ""):
        return f"it refuses the TLS connection ({error.reason}): check the client's certificate"
    return None


def _certificate_file(error: BaseException) -> str | None:
    is_file = isinstance(error, OSError) and (error.filename or isinstance(error, FileNotFoundError))
    is_none = isinstance(error, ssl.SSLError) and error.reason in _NO_CERTIFICATE
    return f"a file of certificates cannot be read, SSL_CERT_FILE's say: {error}" if is_file or is_none else None


def _header(error: BaseException) -> str | None:
    is_refused = "header value" in str(error) and type(error).__name__ in ("LocalProtocolError", "ProtocolError")
    is_header = is_refused or isinstance(error, UnicodeEncodeError)
    return f"{KEY} holds a character that no key has" if is_header else None


def _address(error: BaseException) -> str | None:
    text = str(error)
    if type(error).__name__ == "ProxyError" and text.startswith("4"):
        return f"HTTP_PROXY, HTTPS_PROXY or ALL_PROXY: the proxy refuses: {told(text, 200)}"
    if "proxy" in text.lower() and isinstance(error, ValueError | ImportError):
        return f"HTTP_PROXY, HTTPS_PROXY or ALL_PROXY: {told(text, 200)}"
    if type(error).__name__ in ("UnsupportedProtocol", "InvalidURL") or (
        type(error) is ValueError and "scheme" in text
    ):
        return f"its address is no http or https URL ({told(text, 120)})"
    return None


def _missing(error: BaseException) -> str | None:
    if isinstance(error, ImportError):
        return told(f"a package is missing: {error}")
    if type(error).__module__.partition(".")[0] == "openai" and type(error).__name__ == "OpenAIError":
        return told(f"{KEY}: {error}")
    return None


_LASTING: tuple[Callable[[BaseException], str | None], ...] = (
    misread_variable,
    _certificate,
    _certificate_file,
    _header,
    _address,
    _missing,
)
