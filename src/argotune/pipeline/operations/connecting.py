"""Connecting: what is in a project of traces, and a tenant's config that binds its programs to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pydantic import JsonValue, ValidationError

from argotune.data.fields import Fields
from argotune.data.found_programs import BARE, FoundField, FoundProgram, ProgramSorter
from argotune.data.found_remarks import FoundRemark, KnownAnswers, found_remarks
from argotune.data.found_tenants import FoundKey, TenantKeys
from argotune.data.openinference import is_outermost, read_decision
from argotune.data.project_survey import ProjectSurvey
from argotune.data.span_format import UnusableSpan
from argotune.data.spans import Span
from argotune.data.stream import Stream
from argotune.data.tenancy import SESSION, tenant_said, whose
from argotune.errors import ConfigInvalid, Conflict, NotFound, first_problem
from argotune.pipeline.ports import Progress, silent
from argotune.stats.wording import counted
from argotune.store.port import Store
from argotune.tenants.binding import BoundProgram, SourceName, TraceBinding, TraceProject
from argotune.tenants.bound_config import changes_between, rebound
from argotune.tenants.catalog import Configs
from argotune.tenants.config import RoutingConfigUnified, parse_config
from argotune.tenants.ids import check_tenant_id

if TYPE_CHECKING:
    from argotune.programs.program import Program

__all__ = [
    "DEFAULT_SAMPLE",
    "MOST_SAMPLED",
    "Connection",
    "Fit",
    "FoundField",
    "FoundKey",
    "FoundProgram",
    "FoundRemark",
    "Sight",
    "SourceName",
    "Wanted",
    "connect",
    "place_named",
    "write_connection",
]

DEFAULT_SAMPLE = 1000
MOST_SAMPLED = 100_000

REMARKS_OF_A_NAME = 200
"""So many annotations of each name are looked at."""

_NO_PROGRAM = {"any": BoundProgram(span="Predict")}
"""Stands for programs where none is known yet and only the tenant is asked for."""


@dataclass(frozen=True)
class Wanted:
    """What to connect. `programs`: module name -> import path; none: those of the tenant's config. `sample`: how many
    of the newest spans of modules are looked at."""

    place: TraceProject
    tenant_id: str
    programs: Mapping[str, str] = field(default_factory=dict)
    tenant_key: str | None = None
    tenant_value: str | None = None
    sample: int = DEFAULT_SAMPLE


@dataclass(frozen=True)
class Sight:
    """What is in a project. `spans`: of all; `of_class`: how many spans each class has, those inside other modules too;
    None where the product does not count. `decisions` of the sample, of which `own` are the tenant's; of these
    `with_session` have a session."""

    place: TraceProject
    spans: int | None
    of_class: Mapping[str, int | None]
    sampled: int
    decisions: int
    own: int
    with_session: int
    programs: Sequence[FoundProgram]
    keys: Sequence[FoundKey]
    remarks: Sequence[FoundRemark]


@dataclass(frozen=True)
class Fit:
    """What would be read of the sample as the decisions of one program: `read`, of which `failed`, and what would be
    left out, by why. `differences` between the module and its spans, a sentence each. `by_preference`: people say
    which of two answers is better."""

    name: str
    path: str
    bound: BoundProgram
    read: int
    failed: int
    left_out: Mapping[str, int]
    differences: Sequence[str]
    by_preference: bool


@dataclass(frozen=True)
class Connection:
    """What is in the project, how the programs fit, and the config that would be written, None without programs.
    `before`: the config that is there, None where the tenant is new. `changes`: what would be new in it."""

    sight: Sight
    fits: Sequence[Fit]
    before: RoutingConfigUnified | None
    config: RoutingConfigUnified | None
    changes: Mapping[str, JsonValue]


def place_named(source: SourceName, project: str) -> TraceProject:
    """Where traces are. Raises ConfigInvalid for what is the name of none."""
    try:
        return TraceProject(source=source, project=project)
    except ValidationError as error:
        raise ConfigInvalid(first_problem(error)) from None


def connect(store: Store, survey: ProjectSurvey, wanted: Wanted, progress: Progress = silent) -> Connection:
    """Look at a project and propose a config; nothing is written.

    Raises ConfigInvalid for a project of another framework, a program that cannot be loaded or tuned or that no span
    fits, programs that no span tells apart, and a tenant of whom there is nothing; NotFound for a project that is not
    there or has no spans; and what the port raises.
    """
    check_tenant_id(wanted.tenant_id)
    before = _config_there(store, wanted.tenant_id)
    wanted = _completed(wanted, before)
    base = before or parse_config({"tenant_id": wanted.tenant_id})
    programs = _loaded(base, wanted)
    spans = survey.count_spans(wanted.place)
    surveyed = _Surveyed(wanted, base, programs)
    for span in survey.newest_modules(wanted.place, wanted.sample):
        surveyed.add(span)
        progress(f"{wanted.place.project}: spans looked at", surveyed.sampled, wanted.sample)
    _check_found(wanted, surveyed, spans)
    sight = _sight(survey, wanted, surveyed, spans)
    fits = [surveyed.fit(name, sight.programs) for name in programs]
    _refuse_unfit(fits, sight)
    _refuse_twins(fits, {name: program.fields for name, (program, _) in programs.items()})
    config = _proposed(before, wanted, fits, sight) if fits else None
    return Connection(sight, fits, before, config, changes_between(before, config) if config else {})


def _proposed(
    before: RoutingConfigUnified | None, wanted: Wanted, fits: Sequence[Fit], sight: Sight
) -> RoutingConfigUnified:
    binding = binding_of(wanted, {fit.name: fit.bound for fit in fits})
    meanings = {remark.name: remark.meaning for remark in sight.remarks if remark.meaning}
    return rebound(before, wanted.tenant_id, {fit.name: fit.path for fit in fits}, binding, meanings)


def write_connection(store: Store, connection: Connection) -> RoutingConfigUnified:
    """Write the proposed config, all of it or nothing.

    Raises ConfigInvalid where there is none, and Conflict where somebody changed the tenant's config since it was read.
    """
    config, configs = connection.config, Configs(store)
    if config is None:
        told = "say which module of yours each program is, as in --program support=shop.programs:Support"
        raise ConfigInvalid(told, argument="program")
    if connection.before is None:
        configs.add(config)
        return config
    if configs.get(config.tenant_id) != connection.before:
        raise Conflict(f"config of tenant {config.tenant_id!r}: somebody else changed it meanwhile; connect again")
    configs.save(config)
    return config


def _config_there(store: Store, tenant_id: str) -> RoutingConfigUnified | None:
    configs = Configs(store)
    return configs.get(tenant_id) if configs.look(tenant_id) else None


def _completed(wanted: Wanted, before: RoutingConfigUnified | None) -> Wanted:
    """With what the tenant's config says already and nobody says now."""
    bound = before.traces if before and before.traces and before.traces.place == wanted.place else None
    wanted = replace(wanted, programs=wanted.programs or _programs_there(before, bound))
    if bound is None or wanted.tenant_key is not None:
        return wanted
    value = wanted.tenant_value or bound.tenant_value
    return replace(wanted, tenant_key=bound.tenant_key, tenant_value=value)


def _programs_there(before: RoutingConfigUnified | None, bound: TraceBinding | None) -> dict[str, str]:
    """Those that are bound already, else all of one's own."""
    own = before.programs if before else {}
    return {name: path for name, path in own.items() if bound is None or name in bound.programs}


def _loaded(base: RoutingConfigUnified, wanted: Wanted) -> dict[str, tuple[Program, BoundProgram]]:
    """The named programs, and by which spans each is known. Raises ConfigInvalid, naming all that cannot be tuned."""
    if not wanted.programs:
        return {}
    from argotune.programs import programs_of  # brings DSPy, which a survey without programs does without
    from argotune.programs.own import refuse_without_deno
    from argotune.programs.traced import traced_as

    config = parse_config({**base.model_dump(mode="json"), "programs": {**base.programs, **wanted.programs}})
    found, wrong = {}, []
    for name in wanted.programs:
        try:
            (program,) = programs_of(config, name)
            refuse_without_deno(program)
            found[name] = program, traced_as(program)
        except ConfigInvalid as error:
            wrong.append(str(error))
    if wrong:
        raise ConfigInvalid("; ".join(wrong))
    return found


class _Surveyed:
    """What is learned of decisions, one after another."""

    def __init__(
        self, wanted: Wanted, base: RoutingConfigUnified, programs: Mapping[str, tuple[Program, BoundProgram]]
    ) -> None:
        self.wanted, self._programs, self._rules = wanted, programs, base.masking
        bound = {name: bound for name, (_, bound) in programs.items()} or _NO_PROGRAM
        self.binding = binding_of(wanted, bound)
        self.sorter, self.keys = ProgramSorter(self.shown), TenantKeys()
        self.sampled = self.decisions = self.own = self.with_session = 0
        self.tenants: Counter[str] = Counter()
        self._read, self._failed = Counter[str](), Counter[str]()
        self._left_out: dict[str, Counter[str]] = {name: Counter() for name in programs}

    def shown(self, text: str) -> str:
        """What may be shown of a text: what the tenant's rules do not mask."""
        from argotune.data.guards.masking import mask  # brings NumPy, which the command line of a trigger does without

        return mask(text, self._rules).text

    def add(self, span: Span) -> None:
        """One more span of a module."""
        self.sampled += 1
        if not is_outermost(span):
            return
        self.decisions += 1
        self.keys.add(span)
        said = tenant_said(span, self.binding) if self.binding.tenant_key else None
        if said is not None:
            self.tenants[said] += 1
        if whose(span, self.wanted.tenant_id, self.binding):
            self.own += 1
            self.with_session += bool(span.attributes.get(SESSION))
            self.sorter.add(span)
            self._try(span)

    def _try(self, span: Span) -> None:
        for name, (program, bound) in self._programs.items():
            if span.name not in bound.span_names:
                continue
            found = read_decision(span, Stream(self.wanted.tenant_id, name, self.binding), program.fields)
            if isinstance(found, UnusableSpan):
                self._left_out[name][str(found)] += 1
            elif found is not None:
                self._read[name] += 1
                self._failed[name] += bool(found.failure)

    def fit(self, name: str, found: Sequence[FoundProgram]) -> Fit:
        """How a program fits what was found."""
        program, bound = self._programs[name]
        alike = [each for each in found if bound.takes(each.span, each.signature)]
        is_alone = sum(each.span == bound.span for each in found) <= 1
        return Fit(
            name,
            self.wanted.programs[name],
            BoundProgram(span=bound.span) if is_alone else bound,
            self._read[name],
            self._failed[name],
            dict(self._left_out[name].most_common()),
            _differences(program.fields, alike),
            program.is_by_preference,
        )

    def answers(self, found: Sequence[FoundProgram]) -> KnownAnswers:
        """The answers of the programs that are to be connected, and of all; where none is named all are meant."""
        all_of_them: dict[str, Sequence[str]] = {}
        for answer in (answer for program in found for answer in program.answers):
            all_of_them[answer.name] = [*all_of_them.get(answer.name, ()), *answer.labels]
        fields = [program.fields for program, _ in self._programs.values()]
        own = {name: labels or () for each in fields for name, labels in each.answers.items()}
        return KnownAnswers(own or all_of_them, {**all_of_them, **own})


def binding_of(wanted: Wanted, programs: Mapping[str, BoundProgram]) -> TraceBinding:
    """The binding of these programs."""
    return TraceBinding(
        source=wanted.place.source,
        project=wanted.place.project,
        tenant_key=wanted.tenant_key,
        tenant_value=wanted.tenant_value,
        programs=dict(programs),
    )


def _differences(fields: Fields, found: Sequence[FoundProgram]) -> list[str]:
    """What the program most like a module has that the module has not, and the other way round."""
    if not found:
        return []
    like = max(found, key=lambda each: (len(each.asks[0] & set(fields.inputs)), each.decisions))
    asked, said = like.asks
    required = fields.required if fields.required is not None else fields.inputs
    return [
        *(
            f"the spans have an input {name!r}, the module takes none such"
            for name in sorted(asked - set(fields.inputs))
        ),
        *(f"the module needs an input {name!r}, which no span has" for name in required if name not in asked),
        *(
            f"the module answers {name!r}, which no span has"
            for name in fields.answers
            if said and BARE not in said and name not in said
        ),
    ]


def _check_found(wanted: Wanted, surveyed: _Surveyed, spans: int | None) -> None:
    project = f"project {wanted.place.project!r}"
    if spans == 0:
        raise NotFound(f"{project} has no spans yet: check that the application sends its traces there")
    if not surveyed.decisions:
        of = counted(spans, "span") if spans is not None else f"the newest {wanted.sample} traces looked at"
        raise ConfigInvalid(f"{project} is of another framework than DSPy: {of}, none named <Class>.forward")
    if wanted.tenant_key and not surveyed.tenants:
        there = ", ".join(key.key for key in surveyed.keys.keys(surveyed.shown)[:10]) or "nothing that could be one"
        told = f"none of {surveyed.decisions} decisions has {wanted.tenant_key!r}; there is {there}"
        raise ConfigInvalid(told, argument="tenant_key")
    if not surveyed.own:
        value = wanted.tenant_value or wanted.tenant_id
        there = ", ".join(f"{surveyed.shown(said)} ({n})" for said, n in surveyed.tenants.most_common(5))
        told = f"of {surveyed.decisions} decisions none has {value!r} under {wanted.tenant_key!r}; there is {there}"
        raise ConfigInvalid(told, argument="tenant_value")


def _sight(survey: ProjectSurvey, wanted: Wanted, surveyed: _Surveyed, spans: int | None) -> Sight:
    programs = surveyed.sorter.programs()
    classes = {program.span: BoundProgram(span=program.span) for program in programs if program.span.isidentifier()}
    seen = survey.newest_remarks(wanted.place, REMARKS_OF_A_NAME)
    return Sight(
        place=wanted.place,
        spans=spans,
        of_class={name: survey.count_spans(wanted.place, bound.span_names) for name, bound in classes.items()},
        sampled=surveyed.sampled,
        decisions=surveyed.decisions,
        own=surveyed.own,
        with_session=surveyed.with_session,
        programs=programs,
        keys=surveyed.keys.keys(surveyed.shown),
        remarks=found_remarks(seen, surveyed.answers(programs), surveyed.shown),
    )


def _refuse_unfit(fits: Sequence[Fit], sight: Sight) -> None:
    """Raises ConfigInvalid for a program of which nothing would be read."""
    for fit in fits:
        if fit.read:
            continue
        if not fit.left_out:
            there = ", ".join(program.title for program in sight.programs[:10])
            raise ConfigInvalid(f"programs.{fit.name}: no decision is of a {fit.bound.span}; there is {there}")
        why = "; ".join([*fit.differences, *(f"{why}: {count}" for why, count in fit.left_out.items())])
        raise ConfigInvalid(f"programs.{fit.name}: no decision of {fit.bound.span} can be read: {why}")


def _refuse_twins(fits: Sequence[Fit], fields: Mapping[str, Fields]) -> None:
    """Raises ConfigInvalid for two programs that no span tells apart."""
    for number, one in enumerate(fits):
        for other in fits[:number]:
            if one.bound == other.bound and fields[one.name].asks == fields[other.name].asks:
                raise ConfigInvalid(
                    f"programs: {other.name!r} and {one.name!r} are both {one.bound.span} with the same fields, and no "
                    "span tells them apart: make one a class of its own"
                )
