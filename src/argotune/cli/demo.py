"""`argotune demo`."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from argotune.cli.open import progress_bars
from argotune.cli.parser import command


def add_commands(commands) -> None:
    """Add the commands of this file."""
    demo = command(commands, "demo", _demo, "the whole loop for three sample tenants on a local Phoenix, SQLite and LM")
    demo.add_argument("--folder", type=Path, default=Path(".demo"), help="where the demo keeps its data")
    demo.add_argument(
        "--phoenix-python",
        type=Path,
        default=Path(".venv-phoenix/bin/python"),
        help="a Python that has arize-phoenix installed (make setup makes one)",
    )
    demo.add_argument("--phoenix-port", type=int, default=6006)


def _demo(arguments: Namespace) -> int:
    from argotune.demo.story import Place, tell

    place = Place(arguments.folder, arguments.phoenix_python, arguments.phoenix_port)
    with progress_bars() as progress:
        return tell(place, progress, stay=sys.stdout.isatty())
