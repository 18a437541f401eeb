"""Runs a Phoenix server on this machine only. Started by adapters/phoenix/server.py with the server's own Python.

Nothing of this package is imported: that Python has Phoenix installed, not us. Phoenix binds its gRPC port to all
interfaces whatever PHOENIX_HOST says, so the address is put right where grpc opens the port.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

LOOPBACK = "127.0.0.1"


def bind_grpc_to_loopback() -> None:
    """Make grpc open its ports on the loopback interface. Fails loudly when grpc has moved what is patched."""
    from grpc.aio import _server  # type: ignore[attr-defined]  # not part of its API

    open_port = _server.Server.add_insecure_port
    _server.Server.add_insecure_port = lambda self, address: open_port(self, address.replace("[::]", LOOPBACK))


def end_with_parent() -> None:
    """Stop when standard input closes: the process that started us is gone, however it died."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def main() -> None:
    end_with_parent()
    bind_grpc_to_loopback()
    from phoenix.server.main import main as serve

    sys.argv = ["phoenix", "serve"]
    serve()


if __name__ == "__main__":
    main()
