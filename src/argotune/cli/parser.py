"""The parser of `argotune`, of all its commands. Those of the documented scripts lie beside the commands like them."""

from __future__ import annotations

import argparse

from argotune.cli.commands import (
    annotate,
    argo,
    connect,
    contests,
    decisions,
    exporter,
    fleet,
    inspect,
    pool,
    run,
    serve,
    synthesize,
    tenants,
    trigger,
    versions,
)
from argotune.cli.demo import command as demo
from argotune.cli.flags import Parser


def build_parser() -> argparse.ArgumentParser:
    """The parser of `argotune`."""
    parser = Parser(
        prog="argotune",
        description="Keeps DSPy programs tuned on production traces, and only what has shown to be better serves.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for group in (
        tenants,
        connect,
        trigger,
        run,
        argo,
        inspect,
        fleet,
        annotate,
        synthesize,
        decisions,
        pool,
        versions,
        contests,
        exporter,
        serve,
        demo,
    ):
        group.add_commands(commands)
    return parser
