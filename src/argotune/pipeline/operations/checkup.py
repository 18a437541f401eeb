"""Checkup: is everything there that a run needs? Each thing is tried for real."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import dspy

from argotune.errors import ArgotuneError, BadAnswer, ConfigInvalid
from argotune.errors.known_secrets import masked
from argotune.lm.kept_answers import NothingKept
from argotune.lm.meter import Meter
from argotune.lm.names import Defaults, Keys, is_embedded, is_same_model, model_of_key, settled, unused_keys
from argotune.lm.port import LMs, LMSource
from argotune.programs.embedder import Embedders
from argotune.programs.untraced import untraced
from argotune.settings import Settings
from argotune.stats.wording import counted
from argotune.store.port import Store
from argotune.synthetic.source import ContentSource
from argotune.tenants.catalog import Configs
from argotune.tenants.config import BudgetLimits, LMChoice

ASK_LIMIT_S = 30.0
"""An LM that has not answered by then counts as down."""


@dataclass(frozen=True)
class Check:
    """One thing that a run needs. `exit_code` is that of the error, 0 when all is well."""

    what: str
    is_ok: bool
    detail: str
    exit_code: int


@dataclass(frozen=True)
class Installation:
    """What an installation is made of, opened when it is tried, as opening may fail too.

    `products` tell version and address of what can keep traces and results, `content` are the sources that there are,
    each by what it is called.
    """

    settings: Settings
    defaults: Defaults
    store: Callable[[], Store]
    products: Mapping[str, Callable[[], str]]
    lms: Callable[[], LMSource]
    annotator: Callable[[], LMSource]
    embedders: Callable[[], Embedders]
    content: Mapping[str, Callable[[], ContentSource]]


def check_all(there: Installation) -> list[Check]:
    """Store, what keeps traces and results, LMs, content sources, each tried for real; an LM costs one small call."""
    return [
        _check("store", lambda: _store(there)),
        *(_check(name, there.products[name]) for name in _used(there)),
        *_lms(there),
        _annotator(there),
        _check("embedder", lambda: _vectors(there)),
        *(_check(what, partial(_ping, source)) for what, source in there.content.items()),
    ]


def _used(there: Installation) -> list[str]:
    """The products that settings name, and those to which tenants' traces are bound."""
    used: set[str] = {there.settings.source_of_traces, there.settings.place_of_results}
    with suppress(ArgotuneError):  # the store's own check says so
        used |= {entry.traces.source for entry in Configs(there.store()).entries() if entry.traces}
    return [name for name in there.products if name in used]


def _ping(source: Callable[[], ContentSource]) -> str:
    return source().ping()


def _check(what: str, look: Callable[[], str]) -> Check:
    try:
        return Check(what, True, masked(look()), 0)
    except ArgotuneError as error:
        return _failed(what, error)


def _failed(what: str, error: ArgotuneError) -> Check:
    return Check(what, False, str(error), error.exit_code)


def _store(there: Installation) -> str:
    tenants, url = Configs(there.store()).tenant_ids(), there.settings.store_url
    where = f" in {url}" if url.startswith("sqlite:///") else ""  # others hold passwords
    return (
        f"{counted(len(tenants), 'tenant')}{where}"
        if tenants
        else f"no tenants yet{where}: `argotune tenants add NAME`"
    )


def _lms(there: Installation) -> list[Check]:
    """The task LM, its teacher, and the keys that neither takes."""
    try:
        choice = settled(LMChoice(), there.defaults)
    except ConfigInvalid as error:
        return [_failed("task lm", error)]
    own_keys = there.defaults.keys
    keys = [Check("keys", False, said, ConfigInvalid.exit_code) for said in unused_keys(choice, own_keys)]
    task = _check("task lm", lambda: _asked(there.lms(), choice, "task"))
    if choice.teacher_model is None:
        none = f"none: {choice.task_model} is not asked to write, and no other is named"
        return [task, Check("teacher lm", True, none, 0), *keys]
    if _is_one_lm(choice, own_keys):
        return [task, Check("teacher lm", task.is_ok, f"the task LM: {task.detail}", task.exit_code), *keys]
    return [task, _check("teacher lm", lambda: _asked(there.lms(), choice, "teacher")), *keys]


def _is_one_lm(choice: LMChoice, keys: Keys) -> bool:
    """Whether asking the teacher would ask the task LM again; the embedded one scores first and writes then."""
    has_one_name = choice.teacher_model == choice.task_model and not is_embedded(choice.task_model or "")
    return has_one_name and keys.of_teacher(choice) == keys.of_task(choice)


def _vectors(there: Installation) -> str:
    embedder = there.embedders().sentences()
    return f"{embedder.name} makes vectors of {embedder.vectors(['Is anybody there?']).shape[1]} numbers"


def _annotator(there: Installation) -> Check:
    """An installation may do without one, so that it is off is no failure, unless a key says that one is wanted."""
    settings, key = there.settings, there.settings.annotation_key
    try:
        choice = settled(LMChoice(), there.defaults)
        if key and not settings.annotation_model:
            model_of_key(key.get_secret_value(), "ANNOTATION_API_KEY", "ARGOTUNE_ANNOTATION_MODEL")
        source = there.annotator()
        name = source.open(LMChoice(), Meter(BudgetLimits()), NothingKept()).names["task"]
        if is_same_model(name, choice.task_model or ""):
            raise ConfigInvalid(f"ARGOTUNE_ANNOTATION_MODEL: {name} is the model that is tuned, name another one")
    except ConfigInvalid as error:
        return _failed("annotator", error) if key else Check("annotator", True, f"off: {error}", 0)
    return _check("annotator", lambda: _asked(source, LMChoice(task_model=name), "task"))


class _Test(dspy.Signature):  # type: ignore[metaclass]  # DSPy computes its metaclass
    """Say yes."""

    question: str = dspy.InputField()
    answer: Literal["yes", "no"] = dspy.OutputField(desc="yes or no")


def _asked(source: LMSource, choice: LMChoice, role: Literal["task", "teacher"]) -> str:
    """The name of an LM that has answered one call without a second attempt. Raises what the LM raises."""
    names = [name for name in (choice.task_model, choice.teacher_model) if name]
    if not all(map(is_embedded, names)):
        choice = choice.model_copy(update={"max_retries": 0, "timeout_s": ASK_LIMIT_S})
    meter = Meter(BudgetLimits(max_lm_calls=1))
    lms = source.open(choice, meter, NothingKept())
    if not _answer(lms, lms.task if role == "task" else lms.teacher):
        raise BadAnswer(f"{lms.names[role]}: its answer is empty")
    return f"{lms.names[role]} answers ({counted(meter.spent.tokens, 'token')})"


def _answer(lms: LMs, lm: Any) -> bool:
    """Whether there is an answer: what it says is not looked at. One that scores labels is asked for a label."""
    with untraced(lm=lm, adapter=lms.adapter):
        if isinstance(lm, dspy.LM):
            return any(lm("Answer with the one word: yes"))
        return bool(dspy.Predict(_Test)(question="Is this a test?").answer)


def exit_code_of(checks: Sequence[Check]) -> int:
    """That of the gravest check: what waiting mends (75) only where nothing else is wrong."""
    return min((check.exit_code for check in checks if check.exit_code), default=0)
