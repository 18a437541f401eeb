"""The command line: `argotune` and the documented scripts. Parses, calls one function, prints; holds no rules."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """The `argotune` command. Returns the exit code: 0 done, skipped or rejected; 2, 4, 9, 75 as errors.py says."""
    from argotune.cli.parser import build_parser

    return run_command(build_parser(), argv)


def run_command(parser, argv: Sequence[str] | None) -> int:
    """Parse, call what the parser says, and turn errors into one line on stderr and an exit code."""
    from argotune.cli.output import escaped
    from argotune.errors import ArgotuneError

    arguments = parser.parse_args(argv)
    try:
        return int(arguments.call(arguments) or 0)
    except ArgotuneError as error:
        sys.stderr.write(f"{parser.prog}: {type(error).__name__}: {escaped(str(error))}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 141
