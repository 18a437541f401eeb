"""`argotune demo`."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from argotune.cli.open import progress_bars
from argotune.cli.parser import command

IMAGE = "docker.io/cogniverse/optimization:0.1.0-embedded"


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
    demo.add_argument(
        "--on-argo",
        action="store_true",
        help="on the cluster that KUBECONFIG names: installs the chart with Redis and Phoenix, forces a round, waits",
    )
    demo.add_argument("--chart", type=Path, default=Path("helm/argotune"), help="with --on-argo: the chart to install")
    demo.add_argument("--image", default=IMAGE, help=f"with --on-argo: it must have the embedded LM (default: {IMAGE})")
    demo.add_argument("--namespace", help="with --on-argo: where to install (env: KUBERNETES_NAMESPACE)")


def _demo(arguments: Namespace) -> int:
    if arguments.on_argo:
        return _demo_on_argo(arguments)
    from argotune.demo.story import Place, tell

    place = Place(arguments.folder, arguments.phoenix_python, arguments.phoenix_port)
    with progress_bars() as progress:
        return tell(place, progress, stay=sys.stdout is not None and sys.stdout.isatty())


def _demo_on_argo(arguments: Namespace) -> int:
    from argotune.demo.cluster import ClusterPlace, tell
    from argotune.settings import read_settings

    namespace = read_settings(namespace=arguments.namespace).namespace
    with progress_bars() as progress:
        return tell(ClusterPlace(namespace, arguments.chart, arguments.image, arguments.folder), progress)
