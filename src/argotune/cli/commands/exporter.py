"""`argotune exporter`: metrics of the whole installation for Prometheus, as a process that stays."""

from __future__ import annotations

import signal
import threading
from argparse import Namespace

from argotune.cli.flags import Commands, add_store, command
from argotune.cli.open import settings_of
from argotune.cli.output import note
from argotune.errors import ConfigInvalid

MAX_REFRESH_S = 3600.0


def add_commands(commands: Commands) -> None:
    """Add the commands of this file."""
    exporter = command(commands, "exporter", _export, "serve /metrics for Prometheus, read from the store")
    exporter.add_argument("--port", type=int, default=9090, help="where to listen; 0 takes a free port (default: 9090)")
    exporter.add_argument("--address", default="", help="an address of this machine (default: all, IPv4; :: for IPv6)")
    exporter.add_argument(
        "--interval",
        dest="refresh_s",
        type=float,
        default=60.0,
        help="seconds from one look at the store to the next (default: 60)",
    )
    add_store(exporter)


def _export(arguments: Namespace) -> int:
    from argotune.wiring import open_exporter

    if not 1 <= arguments.refresh_s <= MAX_REFRESH_S:
        raise ConfigInvalid(f"--interval: {arguments.refresh_s:g} is not within 1 and {MAX_REFRESH_S:g} seconds")
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    server = open_exporter(settings_of(arguments), arguments.address, arguments.port)
    note(f"serving /metrics and /healthz on port {server.port}")
    return 0 if server.serve(arguments.refresh_s, stop, note) else 1
