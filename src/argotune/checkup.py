"""Checkup: is everything there that a run needs, and how do the champions do on the dev split?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from argotune import wiring
from argotune.annotator import is_same_model
from argotune.answers import NoAnswers
from argotune.budget import Meter
from argotune.champions import standing
from argotune.errors import ArgotuneError, ConfigInvalid
from argotune.examples import Example, Split
from argotune.experience_log import ExperienceLog
from argotune.ports import LMs, Ports
from argotune.programs import programs_of
from argotune.programs.evaluation import score, to_dspy
from argotune.programs.program import Program
from argotune.programs.state import load
from argotune.registry import Registry
from argotune.settings import Settings
from argotune.tenants import BudgetLimits, LMChoice, RoutingConfigUnified


@dataclass(frozen=True)
class Check:
    """One thing that a run needs. `exit_code` is that of the error, 0 when all is well."""

    what: str
    is_ok: bool
    detail: str
    exit_code: int


def check_all(settings: Settings) -> list[Check]:
    """Store, Phoenix, LM and the content sources that there are, each tried for real."""
    return [
        _check("store", lambda: _store(settings)),
        _check("phoenix", lambda: f"version {wiring.open_traces(settings).ping()} at {settings.phoenix_endpoint}"),
        _check("lm", lambda: _lm(settings)),
        _annotator(settings),
        *([_check("vespa", wiring.open_vespa(settings).ping)] if settings.vespa_url else []),
        *([_check("content files", wiring.open_content_files(settings).ping)] if settings.content_dir else []),
    ]


def _check(what: str, look: Callable[[], str]) -> Check:
    try:
        return Check(what, True, look(), 0)
    except ArgotuneError as error:
        return Check(what, False, str(error), error.exit_code)


def _store(settings: Settings) -> str:
    from argotune.configs import Configs

    tenants = Configs(wiring.open_store(settings)).tenant_ids()
    return f"{len(tenants)} tenants" if tenants else "reachable, no tenants yet: `argotune tenants add NAME`"


def _lm(settings: Settings) -> str:
    lms = wiring.open_lms(settings).open(LMChoice(), Meter(BudgetLimits(max_lm_calls=2)), NoAnswers())
    return ", ".join(f"{role} {name}" for role, name in lms.names.items())


def _annotator(settings: Settings) -> Check:
    """An installation may do without one, so that it is off is no failure."""
    meter = Meter(BudgetLimits(max_lm_calls=2))
    try:
        names = wiring.open_annotator(settings).open(LMChoice(), meter, NoAnswers()).names
    except ConfigInvalid as error:
        return Check("annotator", True, f"off: {error}", 0)
    if is_same_model(names["task"], settings.task_model):
        return Check("annotator", True, f"off: {names['task']} is the model that is tuned", 0)
    return Check("annotator", True, names["task"], 0)


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
    champion = standing(Registry(ports.store, config.tenant_id), program, ports.clock()).version
    stored = ExperienceLog(ports.store, config.tenant_id).examples(program.name)
    dev: list[Example] = [example for example in stored if example.split is Split.DEV]
    if not dev:
        return DevScore(program.name, champion.id, 0, None)
    module = load(program, champion.state, champion.signature_hash, ports.embedder)
    what = f"{program.name}: champion on dev examples"
    rows = score(module, program, [to_dspy(e) for e in dev], lms, lambda done, n: ports.progress(what, done, n))
    return DevScore(program.name, champion.id, len(dev), sum(row.score for row in rows) / len(rows))
