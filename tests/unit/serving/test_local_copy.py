"""What reaches a running application: config, LMs and champions, each on its own, in forked workers too."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType

import dspy
import pytest
from factories import NOON
from scripted_lm import like_the_nearest_demo, scripted_lms
from served import ENOUGH_S, NEVER_S, Fragile, set_champion, tuned
from small_routing import AGENTS as UNSORTED
from small_routing import ROUTING, config_with, example
from twin_embedders import EMBEDDERS

from argotune.adapters.memory.embedder import HashedEmbedder
from argotune.adapters.memory.store import MemoryStore
from argotune.errors import AccessDenied, ConfigInvalid, Unavailable
from argotune.lm.port import LMs
from argotune.programs import programs_of
from argotune.programs.embedder import VectorNeighbours
from argotune.programs.retrieval import RetrievedDemos
from argotune.programs.state import dump
from argotune.promotion.versions import version_id
from argotune.serving.client import ProgramStatus, Serving
from argotune.serving.local_copy import CONFIG as THE_CONFIG
from argotune.serving.local_copy import LM, STORE
from argotune.store.collections import Collection
from argotune.store.port import Record
from argotune.tenants.catalog import Configs
from argotune.tenants.config import LMChoice, RoutingConfigUnified


@dataclass
class Clock:
    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


@dataclass
class App:
    """A running application on a store that can be damaged, with a clock that is set by hand."""

    store: MemoryStore = field(default_factory=Fragile)
    clock: Clock = field(default_factory=Clock)
    config: RoutingConfigUnified = field(default_factory=lambda: CONFIG)
    open_lms: Callable[[LMChoice], LMs] | None = None

    def __post_init__(self) -> None:
        self.serving = Serving(
            self.store,
            self.config,
            scripted_lms(like_the_nearest_demo),
            EMBEDDERS,
            self.clock,
            NEVER_S,
            open_lms=self.open_lms,
        )

    def says(self, program: str = "routing") -> str:
        return self.serving.decide(program, query="x").answers["agent"]

    def status(self, program: str) -> ProgramStatus:
        return next(status for status in self.serving.status().programs if status.program == program)

    def problems(self) -> dict[str, int]:
        return {problem.about: problem.times for problem in self.serving.status().problems}

    def damage(self, collection: str, id: str) -> Record:
        """Flip a letter; the whole record is given back."""
        whole = Record(collection, id, self.store.read("acme", collection, id) or "")
        self.store.write("acme", [Record(collection, id, whole.text[:-3] + "~" + whole.text[-2:])])
        return whole


@pytest.fixture
def app():
    app = App()
    yield app
    app.serving.close()


AGENTS = dict(sorted(UNSORTED.items()))
"""In the order in which a store gives them back."""

CONFIG = config_with(agents=AGENTS)
FIRST = next(iter(AGENTS))
(VIDEO,) = (program for program in programs_of(CONFIG, "modality") if program.name == "modality.video")


def test_a_champion_whose_embedder_changed_under_its_name_is_told_and_the_last_one_serves_on(app: App):
    set_champion(app.store, tuned("video"))
    app.serving.refresh()
    other = VectorNeighbours(HashedEmbedder(digest="other weights"))
    state = dump(RetrievedDemos(ROUTING.build(), [example("anything", "sum")], 1, other))
    version = tuned("sum").model_copy(
        update={"id": version_id("routing", ROUTING.signature_hash, state), "state": state}
    )
    set_champion(app.store, version)
    app.serving.refresh()
    assert (app.says(), app.problems()) == ("video", {"routing": 1})
    (problem,) = app.serving.status().problems
    assert "embedder: 'hashed' was other weigh" in problem.says
    assert "Restore its weights, or train again" in problem.says


# Config


def test_a_changed_config_and_the_champion_trained_for_it_reach_a_running_application(app: App):
    set_champion(app.store, tuned("video"))
    app.serving.refresh()
    assert app.says() == "video"
    changed = config_with(agents={**AGENTS, "maps": "finds maps"})
    Configs(app.store).save(changed)
    (program,) = programs_of(changed, "routing")
    set_champion(app.store, tuned("maps", program=program))
    app.serving.refresh()
    assert app.says() == "maps"
    assert app.problems() == {}


def test_a_change_that_keeps_the_signature_reaches_the_prompts_of_the_same_version(app: App):
    before = app.serving.champion("routing")
    Configs(app.store).save(config_with(agents={**AGENTS, "video": "finds films"}))
    app.serving.refresh()
    after = app.serving.champion("routing")
    assert after.version == before.version
    assert "finds films" in str(after.module.answer.signature.output_fields["agent"])


def test_modules_come_and_go_with_the_config(app: App):
    Configs(app.store).save(config_with(agents=AGENTS, modules=["routing"]))
    app.serving.refresh()
    with pytest.raises(ConfigInvalid, match=r"'cross_modal' is none of this tenant's: routing$"):
        app.serving.decide("cross_modal", query="x")
    Configs(app.store).save(CONFIG)
    app.serving.refresh()
    assert app.says(VIDEO.name) == FIRST


def test_a_config_that_cannot_be_read_keeps_the_last_one_and_champions_go_on(app: App):
    Configs(app.store).save(CONFIG)
    app.serving.refresh()
    whole = app.damage(Collection.CONFIG, "routing")
    set_champion(app.store, tuned("video"))
    app.serving.refresh()
    assert (app.says(), app.problems()) == ("video", {THE_CONFIG: 1})
    app.store.write("acme", [whole])
    app.serving.refresh()
    assert app.problems() == {}


def test_a_removed_tenant_is_served_on_and_it_shows(app: App):
    Configs(app.store).save(CONFIG)
    app.serving.refresh()
    Configs(app.store).remove("acme")
    app.serving.refresh()
    assert (app.says(), app.problems()) == (FIRST, {THE_CONFIG: 1})


def test_another_lm_in_the_config_answers_and_one_that_cannot_be_opened_is_tried_again():
    opened: list[str | None] = []

    def open_lms(choice: LMChoice) -> LMs:
        opened.append(choice.task_model)
        if choice.task_model == "gone":
            raise AccessDenied("no key")
        return scripted_lms(lambda _inputs, _labels, _demos: "text")

    app = App(open_lms=open_lms)
    Configs(app.store).save(config_with(agents=AGENTS, lm={"task_model": "gone"}))
    for _ in range(2):
        app.serving.refresh()
    assert (app.says(), app.problems()) == (FIRST, {LM: 2})
    Configs(app.store).save(config_with(agents=AGENTS, lm={"task_model": "new"}))
    for _ in range(2):
        app.serving.refresh()
    assert (app.says(), app.problems(), opened) == ("text", {}, ["gone", "gone", "new"])
    app.serving.close()


# Each on its own


@pytest.mark.parametrize("collection", [Collection.CHAMPIONS, Collection.VERSIONS])
def test_a_damaged_champion_freezes_only_itself_until_it_is_mended(app: App, collection: str):
    first = set_champion(app.store, tuned("video"))
    app.serving.refresh()
    second = set_champion(app.store, tuned("text"))
    whole = app.damage(collection, "routing" if collection == Collection.CHAMPIONS else second.id)
    video = set_champion(app.store, tuned("video", program=VIDEO))
    app.clock.now += timedelta(seconds=90)
    for _ in range(3):
        app.serving.refresh()
    assert (app.status("routing").version, app.says()) == (first.id, "video")
    assert (app.status(VIDEO.name).version, app.says(VIDEO.name)) == (video.id, "video")
    assert (app.status("routing").age_s, app.status(VIDEO.name).age_s) == (90.0, 0.0)
    assert app.status("routing").problem.times == 3
    assert app.status(VIDEO.name).problem is None
    app.store.write("acme", [whole])
    app.serving.refresh()
    assert (app.says(), app.status("routing").age_s, app.problems()) == ("text", 0.0, {})


def test_a_champion_that_is_damaged_from_the_start_is_served_as_written_beside_the_others():
    store = Fragile()
    version = set_champion(store, tuned("video"))
    set_champion(store, tuned("video", program=VIDEO))
    store.write("acme", [Record(Collection.VERSIONS, version.id, "{}")])
    app = App(store)
    assert (app.says(), app.says(VIDEO.name)) == (FIRST, "video")
    assert (app.status("routing").age_s, app.problems()) == (None, {"routing": 1})
    app.serving.close()


def test_an_own_program_that_breaks_freezes_only_itself(monkeypatch: pytest.MonkeyPatch):
    shop, good = ModuleType("shop"), (dspy.Predict("query -> mood"), lambda _e, _p: 1.0)
    shop.mood = lambda _config: good
    monkeypatch.setitem(sys.modules, "shop", shop)
    own = {"programs": {"mood": "shop:mood"}, "modules": ["mood", "routing"]}
    app = App(config=config_with(**own, agents=AGENTS))
    before = app.serving.champion("mood")
    shop.mood = None
    Configs(app.store).save(
        config_with(programs={"mood": "shop:mood"}, modules=["mood", "routing"], agents=AGENTS | {"x": ""})
    )
    (program,) = programs_of(Configs(app.store).get("acme"), "routing")
    set_champion(app.store, tuned("x", program=program))
    app.serving.refresh()
    assert (app.says(), app.serving.champion("mood") is before, app.problems()) == ("x", True, {"mood": 1})
    shop.mood = lambda _config: good
    app.serving.refresh()
    assert app.problems() == {}
    app.serving.close()


def test_an_own_program_that_never_loaded_says_why(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "shop", ModuleType("shop"))
    app = App(config=config_with(agents=AGENTS, programs={"mood": "shop:mood"}, modules=["mood", "routing"]))
    assert app.says() == FIRST
    with pytest.raises(ConfigInvalid, match=r"'mood' cannot be loaded: programs\.mood: 'shop:mood'"):
        app.serving.decide("mood", query="x")
    app.serving.close()


# Age and failures


def test_status_says_how_old_the_copy_is_and_how_often_the_store_failed(app: App):
    app.clock.now += timedelta(seconds=30)
    app.serving.refresh()
    assert (app.serving.status().age_s, app.problems()) == (0.0, {})
    app.store.is_down = True
    for _ in range(3):
        app.clock.now += timedelta(seconds=30)
        with pytest.raises(Unavailable):
            app.serving.refresh()
    status = app.serving.status()
    assert (status.tenant_id, status.age_s, app.problems()) == ("acme", 90.0, {STORE: 3})
    assert (status.problems[0].says, status.problems[0].since) == ("the store is down", NOON + timedelta(seconds=60))
    assert {program.age_s for program in status.programs} == {90.0}
    app.store.is_down = False
    app.serving.refresh()
    assert (app.serving.status().age_s, app.problems()) == (0.0, {})


def test_a_lasting_problem_is_logged_once_and_another_one_again(app: App, caplog: pytest.LogCaptureFixture):
    whole = set_champion(app.store, tuned("video")) and app.damage(Collection.CHAMPIONS, "routing")
    for _ in range(3):
        app.serving.refresh()
    app.store.write("acme", [whole, Record(Collection.VERSIONS, tuned("video").id, "{}")])
    app.serving.refresh()
    assert len([line for line in caplog.messages if line.startswith("routing not refreshed")]) == 2


def test_refreshing_goes_on_after_an_error_that_nobody_foresaw(caplog: pytest.LogCaptureFixture):
    """The thread waits for this test instead of a time: each turn it is let go once, and says when it is back."""
    turn, back = threading.Semaphore(0), threading.Semaphore(0)

    def wait(over: threading.Event, _seconds: float) -> bool:
        back.release()
        turn.acquire(timeout=ENOUGH_S)
        return over.is_set()

    store = Fragile()
    lms = scripted_lms(like_the_nearest_demo)
    serving = Serving(store, CONFIG, lms, EMBEDDERS, lambda: NOON, NEVER_S, wait=wait)
    assert back.acquire(timeout=ENOUGH_S)
    serving._copy._fresh = lambda _now: 1 / 0
    turn.release()
    assert back.acquire(timeout=ENOUGH_S)
    assert "champions not refreshed, serving the local copy" in caplog.messages
    assert [(p.about, p.says) for p in serving.status().problems] == [(STORE, "ZeroDivisionError: division by zero")]
    del serving._copy._fresh
    version = set_champion(store, tuned("video"))
    turn.release()
    assert back.acquire(timeout=ENOUGH_S)
    assert serving.champion("routing").version == version.id
    serving._over.set()
    turn.release()
    serving.close()


# Forks

FORKED = """
import os, sys
sys.path[:0] = sys.argv[2:]
from factories import NOON
from scripted_lm import like_the_nearest_demo, scripted_lms
from served import set_champion, soon, tuned
from small_routing import CONFIG
from twin_embedders import EMBEDDERS

from argotune.adapters.sqlite import SQLiteStore
from argotune.serving import Serving

store = SQLiteStore(sys.argv[1])
set_champion(store, tuned("sum"))
serving = Serving(store, CONFIG, scripted_lms(like_the_nearest_demo), EMBEDDERS, lambda: NOON, 0.01)
serving.decide("routing", query="x")
with serving._copy._lock:  # as a fork in the middle of a refresh would find it
    child = os.fork()
if child == 0:
    fresh = soon(lambda: serving.decide("routing", query="x").answers["agent"] == "text")
    counted = serving.status().decisions
    serving.close()
    os._exit(0 if fresh and counted and not serving._thread.is_alive() else 1)
set_champion(store, tuned("text"))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
closed = serving
closed.close()
child = os.fork()
if child == 0:
    os._exit(int(closed._thread.is_alive()))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_in_a_forked_worker_refreshing_starts_anew_unless_it_was_closed(tmp_path: Path):
    folders = [path for path in sys.path if path.startswith(str(Path(__file__).parents[2]))]
    command = [sys.executable, "-W", "ignore", "-c", FORKED, str(tmp_path / "store.db"), *folders]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.split(), done.returncode) == (["0", "0"], 0), done.stderr
