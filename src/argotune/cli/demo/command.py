"""`argotune demo`: the command."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from argotune.cli.flags import Commands, command, port, refuse_without
from argotune.cli.progress import shown_progress
from argotune.cli.streams import stdout

CHART = Path("helm/argotune")
PHOENIX_PYTHON = Path(".venv-phoenix/bin/python")
PHOENIX_PORT = 6006
FOLDER = Path(".demo")
IMAGE = "docker.io/cogniverse/optimization:0.1.0-embedded"


def add_commands(commands: Commands) -> None:
    """Add the commands of this file."""
    demo = command(commands, "demo", _demo, "the whole loop for three sample tenants on a local Phoenix, SQLite and LM")
    demo.add_argument("--folder", type=Path, default=FOLDER, help="where the demo keeps its data")
    demo.add_argument(
        "--phoenix-python",
        type=Path,
        help=f"a Python that has arize-phoenix installed (default: {PHOENIX_PYTHON}, which make setup makes)",
    )
    demo.add_argument("--phoenix-port", type=port, help="where it listens (default: 6006)")
    demo.add_argument(
        "--on-argo",
        action="store_true",
        help="on the cluster that KUBECONFIG names: installs the chart with Redis and Phoenix, forces a round, waits",
    )
    demo.add_argument("--chart", type=Path, help=f"with --on-argo: the chart to install (default: {CHART})")
    demo.add_argument("--image", help=f"with --on-argo: it must have the embedded LM (default: {IMAGE})")
    demo.add_argument("--namespace", help="with --on-argo: where to install (env: KUBERNETES_NAMESPACE)")


def _demo(arguments: Namespace) -> int:
    if arguments.on_argo:
        return _demo_on_argo(arguments)
    refuse_without(arguments, "--on-argo", ("chart", "image", "namespace"))
    from argotune.cli.demo.story import DemoPlace, tell_story

    place = DemoPlace(
        arguments.folder, arguments.phoenix_python or PHOENIX_PYTHON, arguments.phoenix_port or PHOENIX_PORT
    )
    with shown_progress() as progress:
        return tell_story(place, progress, stay=(out := stdout()) is not None and out.isatty())


def _demo_on_argo(arguments: Namespace) -> int:
    from argotune.cli.demo.cluster import ClusterPlace, tell_on_cluster
    from argotune.settings import read_settings

    refuse_without(arguments, "a demo on this machine", ("phoenix_python", "phoenix_port"))
    chart, image = arguments.chart or CHART, arguments.image or IMAGE
    namespace = read_settings(namespace=arguments.namespace).namespace
    with shown_progress() as progress:
        return tell_on_cluster(ClusterPlace(namespace, chart, image, arguments.folder), progress)
