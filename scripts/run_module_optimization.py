"""Optimize modules of one tenant."""

import sys

from argotune.cli import run_command
from argotune.cli.commands.run import optimization_parser

if __name__ == "__main__":
    sys.exit(run_command(optimization_parser(), None))
