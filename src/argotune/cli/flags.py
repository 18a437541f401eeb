"""Flags: what each of them means, and that none is ignored."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NoReturn, TypeAlias

from argotune.cli.files import FILES, FOLDERS
from argotune.cli.output import leave_last_words
from argotune.errors import ConfigInvalid
from argotune.tenants.config import MODULES
from argotune.tenants.ids import from_base64

Call = Callable[[argparse.Namespace], int | None]


class Parser(argparse.ArgumentParser):
    """In a pod, what is wrong with a command line is also the reason for its end that Kubernetes shows."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the message, end with 2."""
        leave_last_words(f"{self.prog}: {message}")
        super().error(message)


PLACES = (*FILES, *FOLDERS, "file")
"""What names a file or a folder may hold any bytes."""


def check_texts(arguments: argparse.Namespace) -> None:
    """Stores and servers take UTF-8 alone. Raises ConfigInvalid for an argument whose bytes are none."""
    for name, value in vars(arguments).items():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and name not in PLACES and any("\ud800" <= c <= "\udfff" for c in text):
                raise ConfigInvalid(f"{name.replace('_', '-')}: {text[:80]!r} is not UTF-8")


def refuse_without(arguments: argparse.Namespace, condition: str, names: Iterable[str]) -> None:
    """No flag is ignored. Raises ConfigInvalid for one that was given though it belongs to `condition`."""
    for name in names:
        value = getattr(arguments, name)
        if value is not None and value is not False and value != "":
            raise ConfigInvalid(f"--{name.replace('_', '-')}: only with {condition}")


def some_text(text: str) -> str:
    """A name that is there."""
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty")
    return text


def port(text: str) -> int:
    """Where a server can listen."""
    if text.isascii() and text.isdecimal() and 0 < int(text[:6]) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text[:40]!r} is no port: 1 to 65535")


def hours(text: str) -> float:
    """A length of time that a calendar takes: above 0, at most ten years."""
    with suppress(ValueError):
        if 0 < float(text) <= MAX_HOURS:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text[:40]!r} is no number of hours above 0, at most {MAX_HOURS}")


Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What commands are added to; argparse has no public name for it."""


def command(commands: Commands, name: str, call: Call, help: str) -> argparse.ArgumentParser:
    """A sub-command that calls `call` with its parsed arguments."""
    parser = commands.add_parser(name, help=help, description=help)
    parser.set_defaults(call=call)
    return parser


def add_store(parser: argparse.ArgumentParser) -> None:
    """--store-url."""
    parser.add_argument(
        "--store-url",
        help="where state is kept (env: CONFIG_STORE_URL; `argotune doctor` says where)",
    )


def add_phoenix(parser: argparse._ActionsContainer) -> None:
    """--phoenix-endpoint."""
    parser.add_argument("--phoenix-endpoint", help="URL of Phoenix (env: PHOENIX_ENDPOINT)")


def add_tenant_flag(parser: argparse.ArgumentParser, *, required: bool = True, in_pods: bool = False) -> None:
    """--tenant-id, also as --tenant; with `in_pods` also --tenant-id-base64."""
    group = parser.add_mutually_exclusive_group(required=required)
    group.add_argument("--tenant-id", "--tenant", help="exact tenant id, any text")
    if in_pods:
        told = "the same in base64, as manifests pass it: Argo would fill in {{...}} in a plain one"
        group.add_argument("--tenant-id-base64", dest="tenant_id", type=_decoded, metavar="BASE64", help=told)


def _decoded(text: str) -> str:
    try:
        return from_base64(text)
    except ConfigInvalid as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_module(parser: argparse.ArgumentParser) -> None:
    """--module: a shipped module, `all`, `own`, or a name from the tenant's `programs`."""
    shipped = ", ".join(MODULES)
    parser.add_argument(
        "--module",
        default="all",
        help=f"{shipped}, all, own (the tenant's own programs), or the name of one of those (default: all)",
    )


def add_pass(parser: argparse.ArgumentParser, *, in_pods: bool = False) -> None:
    """Which modules of which tenant, and where their state and traces are."""
    add_tenant_flag(parser, in_pods=in_pods)
    add_module(parser)
    add_store(parser)
    add_phoenix(parser)


def truth(text: str) -> bool:
    """`true` or `false`, as manifests write it."""
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text == "true"


MAX_HOURS = 24 * 3660

CONDITIONS = "pass over period, trace count and the off switch"


def add_force(
    parser: argparse._ActionsContainer, flag: str = "--force", *, default: bool | None = False, help: str = CONDITIONS
) -> None:
    """--force, or a flag like it, which manifests write as --force=true or --force=false."""
    parser.add_argument(
        flag,
        nargs="?",
        type=truth,
        const=True,
        default=default,
        metavar="{true,false}",
        help=help,
    )


def add_truth(parser: argparse._ActionsContainer, flag: str, help: str) -> None:
    """A flag that may have a value: true, false, or config, which is as if it were not there."""
    parser.add_argument(
        flag, nargs="?", type=_truth_or_config, const=True, default=None, metavar="{true,false,config}", help=help
    )


def _truth_or_config(text: str) -> bool | None:
    return None if text == "config" else truth(text)


def add_json(parser: argparse.ArgumentParser) -> None:
    """--json."""
    parser.add_argument("--json", action="store_true", help="JSON on stdout instead of text")


def add_outcome_file(parser: argparse._ActionsContainer) -> None:
    """--outcome-file."""
    parser.add_argument("--outcome-file", help="write the outcome, one line, to this file")


def add_outcome_files(parser: argparse.ArgumentParser) -> None:
    """--outcome-file and --links-file."""
    add_outcome_file(parser)
    parser.add_argument("--links-file", help="write the URLs of the comparisons, one a line, to this file")


def tenant_list(text: str) -> tuple[str, ...]:
    """Ids between commas; a JSON list where an id holds one. Raises ConfigInvalid."""
    if not text.lstrip().startswith("["):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigInvalid(f"{text[:80]!r} is no JSON list: {error}", argument="tenants") from None
    if not isinstance(found, list) or not found or not all(isinstance(id, str) and id for id in found):
        raise ConfigInvalid(f"{text[:80]!r} is not a JSON list of tenant ids", argument="tenants")
    return tuple(found)
