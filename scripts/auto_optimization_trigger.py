"""Check the conditions of a tenant's modules and run what is due."""

import sys

from argotune.cli import run_command
from argotune.cli.commands.trigger import trigger_parser

if __name__ == "__main__":
    sys.exit(run_command(trigger_parser(), None))
