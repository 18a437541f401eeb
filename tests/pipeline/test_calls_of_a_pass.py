"""What a pass asks of the store and of the trace source: a read more than there has to be turns a number here red."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import pytest
from world import World, decision, traffic

from argotune.adapters.memory.store import MemoryStore
from argotune.adapters.memory.traces import MemoryTraces
from argotune.data.spans import Span
from argotune.data.stream import Stream
from argotune.pipeline.module_pass import Request
from argotune.pipeline.operations.annotating import label_by_annotator
from argotune.pipeline.passes import run_module
from argotune.tenants.config import MODALITIES, RoutingConfigUnified

CALLS = ("spans_after", "count_after", "count_labels", "holds", "annotations", "annotate", "newest")


class Counted:
    """What stands behind it, with a count of the calls of some methods by what `name` makes of their arguments."""

    def __init__(self, inner: object, names: tuple[str, ...], name: Callable[..., str]) -> None:
        self._inner, self._names, self._name, self.calls = inner, names, name, Counter[str]()

    def __getattr__(self, method: str) -> object:
        found = getattr(self._inner, method)
        if method not in self._names:
            return found

        def counted(*given, **named):
            self.calls[self._name(method, *given)] += 1
            return found(*given, **named)

        return counted


def of_store(method: str, _tenant_id: str, collection: str, *rest: object) -> str:
    """Of markers each is counted for itself, of a program's collections all."""
    name = f"{collection} {rest[0]}" if method == "read" and collection == "markers" else collection.partition(".")[0]
    return f"{method} {name}"


@pytest.fixture
def world() -> World:
    """A tenant of three modules: 300 labelled decisions of `routing`, 60 unlabelled of each program of `modality`."""
    world = World(
        store=Counted(MemoryStore(), ("read", "read_many", "scan", "remove"), of_store),
        traces=Counted(MemoryTraces(), CALLS, lambda method, *_: method),
    )
    config = world.tenant(modules=["routing", "modality", "cross_modal"])
    spans, annotations = traffic(config.tenant_id, 300)
    world.traces.record(config.tenant_id, [*spans, *of_modalities(config)])
    world.traces.annotate(Stream(config.tenant_id, "routing"), annotations)
    return world


def of_modalities(config: RoutingConfigUnified) -> Iterator[Span]:
    for number, modality in enumerate(MODALITIES * 60):
        span = decision(config.tenant_id, f"{number + 1000:016x}", f"{modality} {number}", "", success=True)
        own = {**span.attributes, "routing.program": f"modality.{modality}"}
        yield replace(span, name="cogniverse.modality", attributes=own)


def asked(world: World, request: Request, module: str = "routing") -> tuple[list[str], Counter[str], Counter[str]]:
    """The outcomes of a pass, and the calls it makes."""
    config = world.tenant(modules=["routing", "modality", "cross_modal"])
    world.store.calls.clear()
    world.traces.calls.clear()
    report = run_module(world.ports, config, module, request)
    return [run.outcome for run in report.runs], world.store.calls, world.traces.calls


def of_modules(kinds: tuple[str, ...], *modules: str) -> dict[str, int]:
    return {f"read markers {kind}/{module}": 1 for kind in kinds for module in modules} | {"read leases": 1}


ONCE = of_modules(("module", "reading", "lessons", "degradations"), "routing")
OF_ALL = of_modules(("module", "reading"), "routing", "modality", "cross_modal")
OF_ITS_OWN = of_modules(("masked", "lessons", "degradations"), "routing")
OF_A_LOOK = {"holds": 1, "count_after": 1, "count_labels": 1}
OF_A_FIRST_READING = {"spans_after": 1, "count_after": 3, "count_labels": 1, "annotations": 1}
OF_A_RUN = {
    "read annotators": 4,
    "read appointments": 1,
    "read champions": 3,
    "read gathered": 2,
    "read_many gathered": 3,  # what was known of annotated spans, with the summary that tells of it
    "read live": 2,  # once more where all is gathered anew
    "read run_sums": 2,
    "read runs": 1,
    "scan appointments": 1,  # nobody has learned here: with a pointer to who decides, none
    "scan attempts": 1,
    "scan fresh": 2,
    "scan offers": 1,
    "read markers significance": 1,  # other modules write it
}
OF_A_CONTEST = {
    "read annotators": 5,  # one to know whether an annotator is to stand beside people
    "read contests": 3,
    "read markers contest/routing": 1,
    "read markers significance": 3,
    "read shadow": 7,  # a page each for twenty questions, as they are asked and as they are published
    "scan attempts": 2,
    "scan contests": 1,
    "scan queue": 5,
}
OF_A_TRAINING = {
    "read versions": 2,
    "read champions": 5,
    "read bars": 3,
    "read run_sums": 6,
    "read gathered": 5,
    "read_many gathered": 4,
    "read answers": 140,
    "read_many examples": 9,  # by name: of training, dev, the sealed ones as they are opened, asked, weighed, published
    "read_many experiences": 15,
    "read fresh": 1,
    "remove fresh": 1,
    "remove gathered": 1,
    "remove answers": 1,
    "scan examples": 2,
    "scan experiences": 2,
    "scan history": 3,
    "scan runs": 1,
}
OF_A_CLOSE = {
    "read markers spent/routing": 1,
    "read tallies": 1,
    "read waiting": 1,
    "remove at_work": 1,
    "scan answers": 1,
    "scan live": 1,  # for the tally
    "scan markers": 2,  # which contests are open, for the day's questions and for the tally
    "scan queue": 4,  # the last to count what waits
    "scan run_sums": 3,
}
OF_GOING_ON = {
    "read annotators": 6,
    "read bars": 3,
    "read champions": 4,
    "read contests": 7,
    "read_many examples": 7,
    "read_many experiences": 16,
    "read gathered": 5,
    "read_many gathered": 6,
    "read run_sums": 7,
    "read versions": 2,
    "scan examples": 1,
    "scan experiences": 1,
}


def times(number: int, calls: Mapping[str, int]) -> dict[str, int]:
    return {name: number * count for name, count in calls.items()}


PASSES = {
    "trained and promoted": (
        (Request(),),
        "routing",
        ["promoted"],
        OF_ALL | OF_ITS_OWN | OF_A_RUN | OF_A_TRAINING | OF_A_CLOSE | OF_A_CONTEST,
        OF_A_FIRST_READING,
    ),
    "nothing due": ((Request(), Request()), "routing", [], ONCE, OF_A_LOOK),
    "an open contest": (
        (Request(), Request(is_forced=True)),
        "routing",
        ["undecided"],
        OF_ALL | OF_ITS_OWN | OF_A_RUN | OF_A_CLOSE | OF_A_CONTEST | OF_GOING_ON,
        OF_A_LOOK | {"spans_after": 1, "holds": 2, "count_labels": 2, "annotations": 1},
    ),
    "five programs": (
        (Request(is_forced=True),),
        "modality",
        ["skipped"] * 5,
        OF_ALL
        | of_modules(("masked", "lessons", "degradations"), "modality")
        | times(5, OF_A_RUN)
        | times(
            5, {"read run_sums": 2, "remove gathered": 1, "scan examples": 2, "scan experiences": 2, "scan runs": 1}
        )
        | {f"read markers {what}/modality.{modality}": 1 for what in ("spent", "contest") for modality in MODALITIES}
        | {
            "read leases": 11,
            "read tallies": 1,
            "read waiting": 1,
            "remove at_work": 1,
            "scan answers": 1,
            "scan live": 1,
            "scan markers": 2,
            "scan queue": 8,
            "scan run_sums": 7,
        },
        OF_A_FIRST_READING,
    ),
}


@pytest.mark.parametrize("name", PASSES)
def test_a_pass_asks_for_no_more_than_it_has_to(world: World, name: str):
    requests, module, outcomes, of_store, of_traces = PASSES[name]
    for request in requests:
        found = asked(world, request, module)
    assert found[0] == outcomes
    assert {call: count for call, count in found[1].items() if count > of_store.get(call, 0)} == {}
    assert found[2] == of_traces


def test_markers_versions_and_annotations_are_read_once(world: World):
    _, of_store, of_traces = asked(world, Request())
    (run,) = world.tracker.runs.values()
    own = {name: n for name, n in of_store.items() if name.startswith("read markers") and "significance" not in name}
    assert set(own.values()) == {1}
    assert of_store["read versions"] == len({run.champion_version, run.challenger_version})
    assert of_traces["annotations"] == 1


def test_labelling_by_the_lm_alone_reads_annotations_once_for_all_programs_of_a_module(world: World):
    asked(world, Request(is_forced=True), "modality")
    world.traces.calls.clear()
    assert len(label_by_annotator(world.ports, "acme")) == 7
    assert world.traces.calls["annotations"] == 3
