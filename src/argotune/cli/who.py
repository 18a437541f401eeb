"""Who does something that is kept with a name: a label, a rollback, an override."""

from __future__ import annotations

import getpass
from argparse import Namespace

from argotune.errors import ConfigInvalid

MAX_WHO_CHARS = 100


def who_of(arguments: Namespace) -> str:
    """--who, or else the login name. Raises ConfigInvalid for a name that cannot stand beside what was done."""
    who = _login_name() if arguments.who is None else arguments.who
    if not who.strip() or len(who) > MAX_WHO_CHARS or not who.isprintable():
        raise ConfigInvalid(f"--who: {who[:60]!r} is empty, longer than {MAX_WHO_CHARS} characters or not printable")
    if who.startswith("argotune"):
        raise ConfigInvalid(f"--who: {who[:60]!r} would be taken for Argotune itself")
    return who.strip()


def _login_name() -> str:
    """Raises ConfigInvalid where the user has none, as under a uid that a cluster has drawn."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        raise ConfigInvalid("--who: this user has no login name; say who you are") from None
