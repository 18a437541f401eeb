"""Print the tenants that want optimization as a JSON array."""

import sys

from argotune.cli import run_command
from argotune.cli.commands.rounds import discover_parser

if __name__ == "__main__":
    sys.exit(run_command(discover_parser(), None))
