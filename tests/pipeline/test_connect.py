"""Connecting on memory: what is shown of a project, what is proposed and written, and what is refused."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import dspy
import pytest
from shop import FILES, SHOP, rows_of, span_of, spans_of
from world import World

from argotune.adapters.memory.store import MemoryStore
from argotune.adapters.memory.traces import MemoryTraces
from argotune.data.annotations import Annotation
from argotune.data.openinference import INPUTS, KIND
from argotune.data.spans import Span
from argotune.data.stream import Stream
from argotune.errors import ArgotuneError, ConfigInvalid, Conflict, NotFound, ProjectMissing, Unavailable
from argotune.pipeline.module_pass import Request
from argotune.pipeline.operations.connecting import Connection, Wanted, connect, write_connection
from argotune.pipeline.passes import run_module
from argotune.programs import own
from argotune.tenants.binding import BoundProgram, TraceBinding, TraceProject
from argotune.tenants.catalog import Configs
from argotune.tenants.config import parse_config

PROGRAMS = {"support": "shop_modules:RewriteThenClassify", "route": "shop_modules:RouteTicket"}
NOW = datetime(2026, 11, 29, tzinfo=UTC)


class Shop:
    """The dumps in memory, and a store."""

    def __init__(self) -> None:
        self.traces, self.store = MemoryTraces(), MemoryStore()
        self.traces.record("", spans_of(*FILES), SHOP)

    def connect(self, programs: dict[str, str] | None = None, place: TraceProject = SHOP, **wanted: Any) -> Connection:
        return connect(self.store, self.traces, Wanted(place, "acme", programs or {}, **wanted))

    def say(self, *annotations: Annotation) -> None:
        binding = TraceBinding(project=SHOP.project, programs={"route": BoundProgram(span="Predict")})
        self.traces.annotate(Stream("acme", "route", binding), annotations)

    def other(self, name: str, *spans: Span) -> TraceProject:
        place = TraceProject(project=name)
        self.traces.record("", spans, place)
        return place


@pytest.fixture
def shop() -> Shop:
    return Shop()


def test_every_program_of_the_dumps_is_shown_with_its_counts_fields_and_types(shop: Shop) -> None:
    sight = shop.connect().sight
    found = {program.title: program for program in sight.programs}
    assert {name: (each.decisions, each.failures) for name, each in found.items()} == {
        "Predict (RouteTicket)": (22, 2),
        "RewriteThenClassify": (6, 1),
        "ChainOfThought": (3, 0),
        "ReAct": (3, 0),
        "Predict (Extract)": (2, 0),
        **dict.fromkeys(["Outer", "Predict (Chat)", "Predict (Look)", "Router", "Twice"], (1, 0)),
    }
    extract = found["Predict (Extract)"]
    types = {field.name: field.type for field in (*extract.inputs, *extract.answers)}
    assert types == {
        "text": "str",
        "order_ids": "list[int]",
        "urgency": "int",
        "is_angry": "bool",
        "person": "object of age, name",
    }
    (team,) = found["Predict (RouteTicket)"].answers
    assert (team.name, team.labels) == ("team", ("billing", "other", "shipping", "technical"))
    history = found["RewriteThenClassify"].inputs[1]
    assert (history.name, history.type, history.share < 1) == ("history", "list[str]", True)
    assert found["ReAct"].asks == ({"request"}, {"answer"})
    assert found["Predict (Look)"].left_out == {"a field is an image or another file": 1}
    assert found["Predict (RouteTicket)"].left_out == {
        "inputs or outputs are cut off: no JSON": 1,
        "the application hides inputs or outputs": 2,
    }


def test_samples_are_masked_by_the_tenants_rules_and_are_of_this_tenant(shop: Shop) -> None:
    (row, *_) = rows_of("06_session_user_metadata_tags")
    said = [("acme", "mail kim@example.com"), ("globex", "only of globex")]
    spans = [
        replace(
            span_of(row),
            span_id=f"{number:016x}",
            attributes={**span_of(row).attributes, INPUTS: json.dumps({"message": text}), "metadata.tenant": tenant},
        )
        for number, (tenant, text) in enumerate(said)
    ]
    place = shop.other("shared", *spans)
    sight = shop.connect(place=place, tenant_key="metadata.tenant").sight
    assert (sight.decisions, sight.own) == (2, 1)
    assert sight.programs[0].inputs[0].samples == ("mail <EMAIL>",)
    Configs(shop.store).add(parse_config({"tenant_id": "acme", "masking": {"enabled": False}}))
    sight = shop.connect(place=place, tenant_key="metadata.tenant").sight
    assert sight.programs[0].inputs[0].samples == ("mail kim@example.com",)


def test_a_new_tenant_is_made_with_programs_binding_modules_and_meanings(shop: Shop) -> None:
    (decision,) = (s for s in spans_of("01_predict_literal") if s.name == "Predict.forward")
    thumb = Annotation(decision.span_id, "user_feedback", "thumbs-up", "HUMAN", "kim", NOW)
    shop.say(thumb, replace(thumb, name="team", label="billing"), replace(thumb, name="right_team", label="billing"))
    connection = shop.connect(PROGRAMS)
    assert not Configs(shop.store).tenant_ids()
    written = write_connection(shop.store, connection)
    assert Configs(shop.store).get("acme") == written == connection.config
    assert (written.programs, written.modules) == (PROGRAMS, ["support", "route"])
    assert written.traces == TraceBinding(
        project="shop",
        programs={
            "support": BoundProgram(span="RewriteThenClassify"),
            "route": BoundProgram(span="Predict", signature="RouteTicket"),
        },
    )
    meanings = {name: (m.means, m.field) for name, m in written.annotation.remarks.items()}
    assert meanings == {"user_feedback": ("verdict", None), "right_team": ("answer", "team")}
    fits = {fit.name: fit for fit in connection.fits}
    assert (fits["support"].read, fits["support"].failed, fits["support"].by_preference) == (6, 1, False)
    assert fits["route"].left_out["it asks another signature"] == 4
    assert shop.connect().changes == {}


def test_what_a_tenants_config_says_stays(shop: Shop) -> None:
    traces = {"project": "shop", "needs_session": True, "programs": {"old": {"span": "Outer"}}}
    remarks = {"user_feedback": {"means": "quality"}}
    before = {
        "programs": {"old": "a:b"},
        "modules": ["old", "routing"],
        "traces": traces,
        "annotation": {"remarks": remarks},
    }
    Configs(shop.store).add(parse_config({"tenant_id": "acme", "budget": {"max_lm_calls": 5}, **before}))
    write_connection(shop.store, shop.connect({"support": PROGRAMS["support"]}))
    after = Configs(shop.store).get("acme")
    assert after.modules == ["old", "routing", "support"]
    assert after.traces is not None
    assert (set(after.traces.programs), after.traces.needs_session) == ({"old", "support"}, True)
    assert (after.budget.max_lm_calls, after.annotation.remarks["user_feedback"].means) == (5, "quality")


def test_a_config_that_was_changed_meanwhile_is_left_alone(shop: Shop) -> None:
    connection = shop.connect(PROGRAMS)
    Configs(shop.store).add(parse_config({"tenant_id": "acme"}))
    with pytest.raises(Conflict):
        write_connection(shop.store, connection)
    connection = shop.connect(PROGRAMS)
    Configs(shop.store).save(parse_config({"tenant_id": "acme", "max_training_iterations": 7}))
    with pytest.raises(Conflict, match="changed it meanwhile"):
        write_connection(shop.store, connection)
    assert Configs(shop.store).get("acme").max_training_iterations == 7


def test_without_a_program_nothing_can_be_written(shop: Shop) -> None:
    with pytest.raises(ConfigInvalid, match="--program support="):
        write_connection(shop.store, shop.connect())
    assert not Configs(shop.store).tenant_ids()


WRONG: dict[str, tuple[dict[str, Any], type[ArgotuneError], str]] = {
    "a project that is not there": (
        {"place": TraceProject(project="chop")},
        ProjectMissing,
        "no project 'chop'; there are: 'shop', 'empty', 'agents'",
    ),
    "a project without spans": ({"place": TraceProject(project="empty")}, NotFound, "'empty' has no spans yet"),
    "another framework": (
        {"place": TraceProject(project="agents")},
        ConfigInvalid,
        "'agents' is of another framework than DSPy: 1 span, none named <Class>.forward",
    ),
    "a path that does not load": (
        {"programs": {"support": "no_such_shop:Support"}},
        ConfigInvalid,
        "programs.support: 'no_such_shop:Support' cannot be loaded: .*: there is no 'no_such_shop' here: .*PYTHONPATH",
    ),
    "modules that cannot be tuned, each by its name": (
        {"programs": {"one": "shop_modules:AnswersNothing", "two": "shop_modules:NotThere"}},
        ConfigInvalid,
        "programs.one: .*no dspy.Predict.*; programs.two: 'shop_modules:NotThere' cannot be loaded",
    ),
    "a class that no span has": (
        {"programs": {"reply": "shop_modules:Classify"}, "place": TraceProject(project="modules")},
        ConfigInvalid,
        "programs.reply: no decision is of a Predict; there is RewriteThenClassify",
    ),
    "fields that the spans do not have": (
        {"programs": {"twin": "shop_modules:Twin"}},
        ConfigInvalid,
        "programs.twin: no decision of RewriteThenClassify can be read: the spans have an input 'history', the module "
        "takes none such; the module needs an input 'country', which no span has; an input is missing",
    ),
    "two programs of one class and the same fields": (
        {"programs": {"one": PROGRAMS["support"], "two": PROGRAMS["support"]}},
        ConfigInvalid,
        "programs: 'one' and 'two' are both RewriteThenClassify with the same fields",
    ),
    "a key that no decision has": (
        {"tenant_key": "metadata.customer"},
        ConfigInvalid,
        r"tenant_key: none of 41 decisions has 'metadata.customer'; there is metadata.tenant, tenant.id",
    ),
    "a tenant of whom there is nothing": (
        {"tenant_key": "metadata.tenant", "tenant_value": "globex"},
        ConfigInvalid,
        r"tenant_value: of 41 decisions none has 'globex' under 'metadata.tenant'; there is acme \(2\)",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_in_a_sentence_and_nothing_is_written(shop: Shop, case: str) -> None:
    wanted, kind, told = WRONG[case]
    shop.other("empty")
    (span, *_) = spans_of("01_predict_literal")
    shop.other("agents", replace(span, name="CrewAI.kickoff", attributes={KIND: "AGENT"}))
    if "modules" in repr(wanted.get("place")):
        shop.other("modules", *spans_of("03_two_step_module"))
    with pytest.raises(kind, match=told):
        shop.connect(**wanted)
    assert not Configs(shop.store).tenant_ids()


def test_a_signature_that_changed_half_way_is_told(shop: Shop) -> None:
    spans = spans_of("01_predict_literal")
    said = json.dumps({"text": "I was charged twice"})
    old = [
        replace(
            s, span_id=f"a{s.span_id[1:]}", parent_id=s.parent_id and f"a{s.parent_id[1:]}", attributes={**s.attributes}
        )
        for s in spans
    ]
    old[0] = replace(old[0], started_at=NOW.replace(year=2025), attributes={**old[0].attributes, INPUTS: said})
    (program,) = shop.connect(place=shop.other("changed", *spans, *old)).sight.programs
    assert (program.title, program.decisions, program.changed) == ("Predict (RouteTicket)", 2, 1)
    assert [field.name for field in program.inputs] == ["message"]


def test_the_sample_is_bounded_and_of_the_newest(shop: Shop) -> None:
    sight = shop.connect(sample=5).sight
    assert sight.sampled == 5
    assert min(p.oldest for p in sight.programs) > max(s.started_at for s in spans_of("09_errors_lm_parse_tool"))


def test_an_outage_is_no_empty_project(shop: Shop) -> None:
    shop.traces.fail_with = Unavailable("down")
    with pytest.raises(Unavailable):
        shop.connect(PROGRAMS)


def test_a_module_that_needs_deno_is_named_before_anything_is_read_or_paid_for(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    coding = ModuleType("coding")
    coding.think = lambda: dspy.RLM("question -> n: int")
    monkeypatch.setitem(sys.modules, "coding", coding)
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    monkeypatch.setattr(own, "find_spec", lambda _name: None)
    world = World()
    config = world.tenant(programs={"think": "coding:think"}, modules=["think"])
    world.receive(5, "acme")
    monkeypatch.setattr(world.traces, "spans_after", lambda *_: pytest.fail("something was read"))
    for attempt in (
        lambda: shop.connect({"think": "coding:think"}),
        lambda: run_module(world.ports, config, "think", Request(is_forced=True)),
    ):
        with pytest.raises(ConfigInvalid, match=r"^programs\.think: its RLM runs .* by Deno, .* 'dspy\[deno\]'$"):
            attempt()
