"""Doctor: is everything there that a run needs, and how do the champions do on the dev split?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import dspy

from argotune import wiring
from argotune.data.archive import ExperienceLog
from argotune.data.examples import Example, Split
from argotune.errors import ArgotuneError, BadAnswer, ConfigInvalid
from argotune.errors.known_secrets import masked
from argotune.lm.kept_answers import NoAnswers
from argotune.lm.meter import Meter
from argotune.lm.names import Keys, is_embedded, is_same_model, model_of_key, settled, unused_keys
from argotune.lm.port import LMs, LMSource
from argotune.pipeline.ports import Ports
from argotune.programs import programs_of
from argotune.programs.evaluation import score, to_dspy
from argotune.programs.program import Program
from argotune.programs.state import load
from argotune.promotion.champions import serving_version
from argotune.promotion.registry import Registry
from argotune.settings import Settings
from argotune.tenants.config import BudgetLimits, LMChoice, RoutingConfigUnified

ASK_LIMIT_S = 30.0
"""An LM that has not answered by then counts as down."""


@dataclass(frozen=True)
class Check:
    """One thing that a run needs. `exit_code` is that of the error, 0 when all is well."""

    what: str
    is_ok: bool
    detail: str
    exit_code: int


def check_all(settings: Settings) -> list[Check]:
    """Store, Phoenix, LMs and the content sources that there are, each tried for real; an LM costs one small call."""
    return [
        _check("store", lambda: _store(settings)),
        _check("phoenix", lambda: f"version {wiring.open_traces(settings).ping()} at {settings.phoenix_endpoint}"),
        *_lms(settings),
        _annotator(settings),
        *([_check("vespa", wiring.open_vespa(settings).ping)] if settings.vespa_url else []),
        *([_check("content files", wiring.open_content_files(settings).ping)] if settings.content_dir else []),
    ]


def _check(what: str, look: Callable[[], str]) -> Check:
    try:
        return Check(what, True, masked(look()), 0)
    except ArgotuneError as error:
        return _failed(what, error)


def _failed(what: str, error: ArgotuneError) -> Check:
    return Check(what, False, str(error), error.exit_code)


def _store(settings: Settings) -> str:
    from argotune.tenants.catalog import Configs

    tenants = Configs(wiring.open_store(settings)).tenant_ids()
    where = f" in {settings.store_url}" if settings.store_url.startswith("sqlite:///") else ""  # others hold passwords
    return f"{len(tenants)} tenants{where}" if tenants else f"no tenants yet{where}: `argotune tenants add NAME`"


def _lms(settings: Settings) -> list[Check]:
    """The task LM, its teacher, and the keys that neither takes."""
    named = wiring.lm_defaults(settings)
    try:
        choice = settled(LMChoice(), named)
    except ConfigInvalid as error:
        return [_failed("task lm", error)]
    keys = [Check("keys", False, said, ConfigInvalid.exit_code) for said in unused_keys(choice, named.keys)]
    task = _check("task lm", lambda: _asked(wiring.open_lms(settings), choice, "task"))
    if choice.teacher_model is None:
        none = f"none: {choice.task_model} is not asked to write, and no other is named"
        return [task, Check("teacher lm", True, none, 0), *keys]
    if _is_one_lm(choice, named.keys):
        return [task, Check("teacher lm", task.is_ok, f"the task LM: {task.detail}", task.exit_code), *keys]
    return [task, _check("teacher lm", lambda: _asked(wiring.open_lms(settings), choice, "teacher")), *keys]


def _is_one_lm(choice: LMChoice, keys: Keys) -> bool:
    """Whether asking the teacher would ask the task LM again; the embedded one scores first and writes then."""
    has_one_name = choice.teacher_model == choice.task_model and not is_embedded(choice.task_model or "")
    return has_one_name and keys.of_teacher(choice) == keys.of_task(choice)


def _annotator(settings: Settings) -> Check:
    """An installation may do without one, so that it is off is no failure, unless a key says that one is wanted."""
    key = settings.annotation_key
    try:
        choice = settled(LMChoice(), wiring.lm_defaults(settings))
        if key and not settings.annotation_model:
            model_of_key(key.get_secret_value(), "ANNOTATION_API_KEY", "ARGOTUNE_ANNOTATION_MODEL")
        source = wiring.open_annotator(settings)
        name = source.open(LMChoice(), Meter(BudgetLimits()), NoAnswers()).names["task"]
        if is_same_model(name, choice.task_model or ""):
            raise ConfigInvalid(f"ARGOTUNE_ANNOTATION_MODEL: {name} is the model that is tuned, name another one")
    except ConfigInvalid as error:
        return _failed("annotator", error) if key else Check("annotator", True, f"off: {error}", 0)
    return _check("annotator", lambda: _asked(source, LMChoice(task_model=name), "task"))


class _Test(dspy.Signature):
    """Say yes."""

    question: str = dspy.InputField()
    answer: Literal["yes", "no"] = dspy.OutputField(desc="yes or no")


def _asked(source: LMSource, choice: LMChoice, role: Literal["task", "teacher"]) -> str:
    """The name of an LM that has answered one call without a second attempt. Raises what the LM raises."""
    names = [name for name in (choice.task_model, choice.teacher_model) if name]
    if not all(map(is_embedded, names)):
        choice = choice.model_copy(update={"max_retries": 0, "timeout_s": ASK_LIMIT_S})
    meter = Meter(BudgetLimits(max_lm_calls=1))
    lms = source.open(choice, meter, NoAnswers())
    if not _answer(lms, lms.task if role == "task" else lms.teacher):
        raise BadAnswer(f"{lms.names[role]}: its answer is empty")
    return f"{lms.names[role]} answers ({meter.spent.tokens} tokens)"


def _answer(lms: LMs, lm: Any) -> bool:
    """Whether there is an answer: what it says is not looked at. One that scores labels is asked for a label."""
    with dspy.context(lm=lm, adapter=lms.adapter):
        if isinstance(lm, dspy.LM):
            return any(lm("Answer with the one word: yes"))
        return bool(dspy.Predict(_Test)(question="Is this a test?").answer)


def exit_code_of(checks: Sequence[Check]) -> int:
    """That of the gravest check: what waiting mends (75) only where nothing else is wrong."""
    return min((check.exit_code for check in checks if check.exit_code), default=0)


@dataclass(frozen=True)
class DevScore:
    """A champion's mean score on the dev split; None without examples."""

    program: str
    version: str
    examples: int
    mean: float | None


def dev_scores(ports: Ports, config: RoutingConfigUnified, module: str) -> list[DevScore]:
    """The champions of a module on the stored dev examples, asked afresh: the LM may have changed since the last run.
    The sealed test split is not opened."""
    lms = ports.lms.open(config.lm, Meter(config.budget), NoAnswers())
    return [_dev_score(ports, config, program, lms) for program in programs_of(config, module)]


def _dev_score(ports: Ports, config: RoutingConfigUnified, program: Program, lms: LMs) -> DevScore:
    champion = serving_version(Registry(ports.store, config.tenant_id), program, ports.clock()).version
    stored = ExperienceLog(ports.store, config.tenant_id).examples(program.name)
    dev: list[Example] = [example for example in stored if example.split is Split.DEV]
    if not dev:
        return DevScore(program.name, champion.id, 0, None)
    module = load(program, champion.state, champion.signature_hash, ports.embedder)
    what = f"{program.name}: champion on dev examples"
    rows = score(module, program, [to_dspy(e) for e in dev], lms, lambda done, n: ports.progress(what, done, n))
    return DevScore(program.name, champion.id, len(dev), sum(row.score for row in rows) / len(rows))
