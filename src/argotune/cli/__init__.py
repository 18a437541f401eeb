"""The command line: `argotune` and the documented scripts. Parses, calls one function, prints; holds no rules."""

from __future__ import annotations

import atexit
import gc
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

INTERRUPTED = 130
READER_WENT_AWAY = 141
"""What shells say of a process that SIGINT or SIGPIPE ended: 128 and the signal's number."""


def main(argv: Sequence[str] | None = None) -> int:
    """The `argotune` command. Returns the exit code: 0 done, skipped or rejected; 2, 4, 9, 75 as errors say."""
    from argotune.cli.parser import build_parser

    return run_command(build_parser(), argv)


def run_command(parser: ArgumentParser, argv: Sequence[str] | None) -> int:
    """Parse, call what the parser says, and turn errors into one line on stderr and an exit code."""
    from argotune.cli.streams import prepare_streams, stdout_for_results

    _look_for_cycles_seldom()
    prepare_streams()
    try:
        arguments = parser.parse_args(argv)
        with stdout_for_results():
            code = _run(parser, arguments)
    except SystemExit as end:  # help, or a wrong flag
        raise SystemExit(_settled(parser, int(end.code or 0))) from None
    return _settled(parser, code)


def _look_for_cycles_seldom() -> None:
    """The libraries that a command loads make a million objects, all to stay: to look through them again and again, and
    once more at the end, is a third of the CPU time of a start with DSPy, and two fifths of one with LiteLLM."""
    gc.set_threshold(50_000)
    atexit.register(gc.freeze)


def _run(parser: ArgumentParser, arguments: Namespace) -> int:
    from argotune.cli.files import check_places
    from argotune.cli.flags import check_texts
    from argotune.cli.output import complain, prepare_stderr
    from argotune.errors import ArgotuneError
    from argotune.logs import about

    prepare_stderr()
    module = getattr(arguments, "module", None)
    try:
        with about(tenant=getattr(arguments, "tenant_id", None), module=None if module == "all" else module):
            check_texts(arguments)
            check_places(arguments)
            return int(arguments.call(arguments) or 0)
    except ArgotuneError as error:
        complain(parser.prog, error)
        return error.exit_code
    except (ValueError, TypeError, AttributeError, OSError) as error:
        return _of_environment(parser, error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return READER_WENT_AWAY


def _of_environment(parser: ArgumentParser, error: Exception) -> int:
    """The exit code where a library could not be imported because of a variable; raises any other error."""
    from argotune.cli.output import complain
    from argotune.errors import ConfigInvalid
    from argotune.settings import misread_variable

    if isinstance(error, BrokenPipeError):
        return READER_WENT_AWAY
    told = misread_variable(error)
    if told is None:
        raise error
    complain(parser.prog, ConfigInvalid(told))
    return ConfigInvalid.exit_code


def _settled(parser: ArgumentParser, code: int) -> int:
    """The exit code of the command, or what became of its output where the command itself did what it should."""
    from argotune.cli.output import complain
    from argotune.cli.streams import settle_out, write_err
    from argotune.errors import ConfigInvalid

    write_err("")
    try:
        settle_out()
    except BrokenPipeError:
        return code or READER_WENT_AWAY
    except ConfigInvalid as error:
        if not code:
            complain(parser.prog, error)
        return code or error.exit_code
    return code
