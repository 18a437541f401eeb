"""Every error this package raises on purpose.

The docstring of a class is its default message and tells the remedy. `exit_code` is what a command
ends with; workflows retry 75 only. A skipped run and a rejected challenger are values, not errors.

Beside them is what every message passes through: what it came of (causes.py), and secrets that it must not tell
(known_secrets.py); and what makes one line of any text (lines.py). Nothing here knows another room.
"""

from __future__ import annotations

import re

from pydantic import ValidationError

from argotune.errors.known_secrets import masked


class ArgotuneError(Exception):
    """Something went wrong that this package did not foresee. Report it with the log of the run."""

    exit_code = 1

    def __init__(self, message: str | None = None, *, argument: str = "") -> None:
        """`argument`: which argument of an operation is wrong, if one is; a face calls it as its users do."""
        self.argument = argument
        self.problem = masked(message or " ".join((type(self).__doc__ or "").split()))
        super().__init__(f"{argument}: {self.problem}" if argument else self.problem)


class ConfigInvalid(ArgotuneError):
    """A setting, flag or config field is wrong. Correct the named field and run again."""

    exit_code = 2


class ProgramChanged(ConfigInvalid):
    """A stored version was made for another signature of the program. Train it again, or restore the signature."""


class AccessDenied(ConfigInvalid):
    """A server refused the credentials. Check the key in the environment and its rights."""


class NotFound(ArgotuneError):
    """The named thing does not exist. List what there is and correct the name."""

    exit_code = 4


class ProjectMissing(NotFound):
    """No such project in Phoenix, or experiment in MLflow. Check `traces` or the prefix, and that traces are sent."""


class Conflict(ArgotuneError):
    """Somebody else changed this first. Look at the present state and run again if it is still wanted."""

    exit_code = 9


class Overtaken(Conflict):
    """Another process has taken this work up while this one stood still. Look at what that one did."""


class Unavailable(ArgotuneError):
    """A server cannot be reached or does not answer in time. Nothing is lost: run again later."""

    exit_code = 75


class RateLimited(Unavailable):
    """A server asks for fewer requests. Run again later, or lower the number of tenants at once."""


class BadAnswer(Unavailable):
    """A server answered with something that is not what it documents. Run again; check its version if it stays."""


class Unanswered(ArgotuneError):
    """An LM gave no answer to one request. That request counts as a miss, and the work goes on."""


class RequestRefused(Unanswered):
    """An LM's server refused one request: for what it asks, or its length. Where it refuses all, correct `lm`."""

    exit_code = 2


class NoContent(Unanswered):
    """An LM's server answered one request without content. Run again later where it does so to all of them."""

    exit_code = 75


class Declined(NoContent):
    """An LM declined to answer one request. Where it declines all of them, choose another `lm`."""


class ProgramFailed(ConfigInvalid):
    """A program raised on every example. Correct it, or the tool that it calls, and run again."""


class ModuleFailed(ArgotuneError):
    """A module of the tenant's run failed; what the others did is kept. Read its step's message and run again."""


class Corrupt(ArgotuneError):
    """A stored record does not match its own hash or schema. Restore it from a backup; it is not used."""


class NewerRecord(Corrupt):
    """A stored record is of a newer release than this one. Use that release; the record is whole."""


class NothingToLearn(ArgotuneError):
    """What there is teaches nothing: no label, or all answers alike. Label some spans, or log propensities."""


class BudgetSpent(ArgotuneError):
    """The run reached its limit of LM calls or tokens. Raise `budget` in the tenant's config if this is too early."""


def first_problem(error: ValidationError) -> str:
    """The first problem of a pydantic error as one line: field, what is wrong, the value."""
    detail = error.errors(include_url=False)[0]
    field = ".".join(_field_name(part) for part in detail["loc"]) or "config"
    if detail["type"] == "extra_forbidden":
        return f"{field}: unknown field"
    return f"{field}: {detail['msg']} (got {repr(detail['input'])[:80]})"


def _field_name(part: int | str) -> str:
    """A part of a field's path. Keys are free text in user's data, so odd ones are quoted to stay on one line."""
    name = str(part)
    return name if re.fullmatch(r"[\w.+-]{1,80}", name) else repr(name[:80])
