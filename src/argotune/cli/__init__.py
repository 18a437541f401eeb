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
    from argotune.cli.output import complain, prepare_stderr
    from argotune.errors import ArgotuneError
    from argotune.logs import about

    arguments = parser.parse_args(argv)
    prepare_stderr()
    module = getattr(arguments, "module", None)
    try:
        with about(tenant=getattr(arguments, "tenant_id", None), module=None if module == "all" else module):
            return int(arguments.call(arguments) or 0)
    except ArgotuneError as error:
        complain(parser.prog, error)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 141
