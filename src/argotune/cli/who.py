"""Who does something that is kept with a name: a label, a rollback, an override."""

from __future__ import annotations

import getpass
from argparse import Namespace

from argotune.errors import ConfigInvalid


def who_of(arguments: Namespace) -> str:
    """--who, or else the login name. Raises ConfigInvalid where the user has none, as under a uid that a cluster has
    drawn."""
    if arguments.who is not None:
        return str(arguments.who)
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        raise ConfigInvalid("this user has no login name; say who you are", argument="who") from None
