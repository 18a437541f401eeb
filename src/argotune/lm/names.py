"""Names and keys of LMs: which models a run uses where none is named, and which key goes to which.

Names are LiteLLM's, `provider/model`; those under `local/` run in this process and take no key.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from argotune.errors import ConfigInvalid
from argotune.tenants.config import LMChoice

EMBEDDED = "local/"


@dataclass(frozen=True)
class Provider:
    """A provider whose keys can be told by their shape; `small` answers and teaches, `strong` labels."""

    name: str
    key: re.Pattern[str]
    small: str
    strong: str


PROVIDERS = (
    Provider("Anthropic", re.compile(r"sk-ant-\S+"), "anthropic/claude-haiku-4-5", "anthropic/claude-sonnet-4-6"),
    Provider("Google", re.compile(r"AIza[\w-]{20,}"), "gemini/gemini-2.5-flash", "gemini/gemini-2.5-pro"),
    Provider("OpenAI", re.compile(r"sk-(?!or-|ant-)\S{6,}"), "openai/gpt-4o-mini", "openai/gpt-4o"),
)
"""DeepSeek, Moonshot and others give out keys that look like OpenAI's: with such a key a model must be named."""


@dataclass(frozen=True)
class Keys:
    """API keys; None leaves it to the variable that the provider documents, OPENAI_API_KEY say."""

    task: str | None = field(default=None, repr=False)
    teacher: str | None = field(default=None, repr=False)
    task_variable: str = "ARGOTUNE_TASK_KEY"
    teacher_variable: str = "ROUTER_OPTIMIZER_TEACHER_KEY"

    def variable_of(self, key: str | None, *, is_teacher: bool) -> str:
        """The environment variable that a key came from, or where one is wanted."""
        if key is None:
            return f"{self.teacher_variable if is_teacher else self.task_variable} (not set)"
        own = self.teacher if is_teacher else self.task
        return self.teacher_variable if (key == own) == is_teacher else self.task_variable

    def of_task(self, choice: LMChoice) -> str | None:
        """The key for the task model of a settled choice: its own, else the teacher's of the same provider."""
        return self.task or (self.teacher if _have_one_provider(choice) else None)

    def of_teacher(self, choice: LMChoice) -> str | None:
        """The key for its teacher: its own, else the task model's of the same provider or an embedded one's."""
        is_left = _have_one_provider(choice) or is_embedded(choice.task_model or "")
        return self.teacher or (self.task if is_left else None)


@dataclass(frozen=True)
class Defaults:
    """What an installation says of its LMs; None where it names none."""

    task: str | None = None
    teacher: str | None = None
    keys: Keys = field(default_factory=Keys)


def settled(choice: LMChoice, defaults: Defaults) -> LMChoice:
    """The choice with both models named; no teacher where none is named and the task LM does not write.

    A task LM that writes is its own teacher. Where nobody names a model, a key's provider does, and the embedded LM
    answers only where there is no key either. Raises ConfigInvalid for a key whose provider nobody knows.
    """
    teacher = choice.teacher_model or defaults.teacher
    task = choice.task_model or defaults.task or _task_of_keys(defaults.keys, teacher) or f"{EMBEDDED}smollm2"
    teacher = teacher or _teacher_of(task, defaults.keys)
    return choice.model_copy(update={"task_model": task, "teacher_model": teacher})


def _task_of_keys(keys: Keys, teacher: str | None) -> str | None:
    """A teacher's key is the teacher's alone where a teacher is named."""
    if keys.task:
        return model_of_key(keys.task, "ARGOTUNE_TASK_KEY", "ARGOTUNE_TASK_MODEL").small
    if keys.teacher and not teacher:
        return model_of_key(keys.teacher, "ROUTER_OPTIMIZER_TEACHER_KEY", "ARGOTUNE_TASK_MODEL").small
    return None


def _teacher_of(task: str, keys: Keys) -> str | None:
    """The task LM itself, unless it does not write or the teacher's key is surely another provider's."""
    found = provider_of_key(keys.teacher) if keys.teacher else None
    if is_embedded(task):
        return found.small if found else None
    known = {_provider(provider.small) for provider in PROVIDERS}
    return found.small if found and _provider(task) in known - {_provider(found.small)} else task


def provider_of_key(key: str) -> Provider | None:
    """Whose a key is by its shape."""
    return next((provider for provider in PROVIDERS if provider.key.fullmatch(key)), None)


def model_of_key(key: str, variable: str, model_variable: str) -> Provider:
    """The provider whose models are used with a key. Raises ConfigInvalid that names both variables."""
    found = provider_of_key(key)
    if found is None:
        known = ", ".join(provider.name for provider in PROVIDERS)
        raise ConfigInvalid(
            f"{variable}: no model is named that could use it, and it does not look like a key of {known}: "
            f"set {model_variable} to a LiteLLM name (provider/model)"
        )
    return found


def annotator_of_key(key: str, tuned: str) -> str | None:
    """The model that labels where none is named: the provider's strong one, as an annotator is never what is tuned.

    None for a key of no known shape.
    """
    found = provider_of_key(key)
    if found is None:
        return None
    return found.small if is_same_model(found.strong, tuned) else found.strong


def refuse_unused_fields(choice: LMChoice) -> None:
    """Raise ConfigInvalid for a field of a settled choice that does nothing: an LM in this process has no server."""
    names = [name for name in (choice.task_model, choice.teacher_model) if name]
    if not all(map(is_embedded, names)):
        return
    for field_name in ("api_base", "timeout_s", "max_retries"):
        if getattr(choice, field_name) != LMChoice.model_fields[field_name].default:
            raise ConfigInvalid(
                f"lm.{field_name}: {' and '.join(dict.fromkeys(names))} run in this process and take none; "
                f"set it back to {json.dumps(LMChoice.model_fields[field_name].default)}, or name another model"
            )


def unused_keys(choice: LMChoice, keys: Keys) -> list[str]:
    """What is to be said of keys that no model of a settled choice takes, a line each."""
    task, teacher = choice.task_model or "", choice.teacher_model
    said = []
    if keys.task and is_embedded(task) and not (_is_remote(teacher) and not keys.teacher):
        said.append(f"ARGOTUNE_TASK_KEY is set, but {task} takes no key: name its model in ARGOTUNE_TASK_MODEL")
    if keys.teacher and not _is_remote(teacher):
        has = f"the teacher {teacher} takes no key" if teacher else "no teacher is named"
        said.append(f"ROUTER_OPTIMIZER_TEACHER_KEY is set, but {has}: name its model in ARGOTUNE_TEACHER_MODEL")
    return said


def _is_remote(name: str | None) -> bool:
    return name is not None and not is_embedded(name)


def is_embedded(name: str) -> bool:
    """Whether an LM runs in this process."""
    return name.startswith(EMBEDDED)


def is_same_model(annotator: str, tuned: str) -> bool:
    """Whether two LiteLLM names mean one model: providers, tags and dates are left out."""
    return _family(annotator) == _family(tuned)


def _family(model: str) -> str:
    name = model.strip().lower().rpartition("/")[2].partition(":")[0]
    return re.sub(r"-(\d{4}-\d{2}-\d{2}|\d{8}|latest)$", "", name)


def _have_one_provider(choice: LMChoice) -> bool:
    task, teacher = choice.task_model or "", choice.teacher_model or choice.task_model or ""
    return _provider(task) == _provider(teacher)


def _provider(name: str) -> str:
    return name.partition("/")[0] if "/" in name else ""
