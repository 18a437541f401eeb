"""`argotune serve`: the continuous service, a process that stays and visits all tenants every few minutes."""

from __future__ import annotations

import os
import signal
import threading
from argparse import Namespace

from argotune.cli.flags import Commands, add_phoenix, add_store, command, tenant_list
from argotune.cli.open import settings_of
from argotune.cli.output import note
from argotune.cli.streams import settle_out

REFRESH_S = 60.0
"""From one look at the store for /metrics to the next."""


def add_commands(commands: Commands) -> None:
    """Add the command of this file."""
    serve = command(commands, "serve", _serve, "optimize all tenants in this process, every few minutes")
    serve.add_argument("--continuous", action="store_true", required=True, help="go on until SIGTERM or SIGINT")
    serve.add_argument("--tenants", default="", help="ids between commas, or a JSON list (default: all)")
    serve.add_argument("--port", type=int, default=9090, help="of /metrics and /healthz; 0: a free one (default: 9090)")
    serve.add_argument("--address", default="", help="an address of this machine (default: all, IPv4; :: for IPv6)")
    add_store(serve)
    add_phoenix(serve)


def _serve(arguments: Namespace) -> int:
    from argotune.pipeline.operations.asked import tenant_ids_of
    from argotune.service.loop import Service
    from argotune.wiring import open_exporter, open_ports, service_rules

    settings = settings_of(arguments)
    ports, only = open_ports(settings), tenant_list(arguments.tenants)
    for tenant_id in only:
        tenant_ids_of(ports.store, tenant_id)  # one that nobody knows is told now
    service = Service(ports, service_rules(settings), note, only)
    server = open_exporter(settings, arguments.address, arguments.port, service)
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    threading.Thread(target=server.serve, args=(REFRESH_S, stop, note), daemon=True).start()
    note(f"serving /metrics and /healthz on port {server.port}")
    left = service.run(stop)
    note(f"stopped; what was not finished goes on where it stood{_told(left)}")
    if left:
        _end_at_once()
    return 0


def _told(left: tuple[str, ...]) -> str:
    return f"; given up in the middle: {', '.join(left)}" if left else ""


def _end_at_once() -> None:
    """Threads of libraries that hang would keep the interpreter from ending. What they held lapses by itself."""
    settle_out()
    os._exit(0)
