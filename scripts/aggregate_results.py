"""Sum up a tenant's run records."""

import sys

from argotune.cli import run_command
from argotune.cli.commands.aggregate import aggregate_parser

if __name__ == "__main__":
    sys.exit(run_command(aggregate_parser(), None))
