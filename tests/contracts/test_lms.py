"""What every LM promises: answers from the closed set, each paid for once per run, and never beyond the budget."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import dspy
import pytest
from openai_server import running
from small_routing import Route

from argotune.adapters.litellm.lms import Keys, RemoteLMs
from argotune.adapters.llama_cpp.lm import EmbeddedLMs
from argotune.adapters.memory.store import MemoryStore
from argotune.errors import BudgetSpent, ConfigInvalid
from argotune.lm.kept_answers import KeptAnswers
from argotune.lm.meter import Meter, Spent
from argotune.lm.named import NamedLMs
from argotune.lm.port import LMs
from argotune.programs.adapted import adapted
from argotune.tenants.config import BudgetLimits, LMChoice


@dataclass
class House:
    """An installation with one kind of LM and a store that outlives runs."""

    choice: LMChoice
    store: MemoryStore = field(default_factory=MemoryStore)

    def open(self, tenant_id: str = "acme", calls: int = 1000, run: str = "run-1") -> tuple[LMs, Meter]:
        meter = Meter(BudgetLimits(max_lm_calls=calls))
        source = NamedLMs([RemoteLMs(Keys("k", "k")), EmbeddedLMs()], "local/smollm2", None, lambda: datetime.now(UTC))
        return source.open(self.choice, meter, KeptAnswers(self.store, tenant_id, run)), meter


def embedded() -> Iterator[House]:
    yield House(LMChoice(teacher_model="local/smollm2"))


def embedded_chat() -> Iterator[House]:
    yield House(LMChoice(task_model="local/smollm2:chat", teacher_model="local/smollm2"))


def remote() -> Iterator[House]:
    with running() as server:
        yield House(LMChoice(task_model="openai/gpt-4o-mini", teacher_model="openai/gpt-4o", api_base=server.url))


KINDS = [
    pytest.param(embedded, marks=pytest.mark.lm, id="embedded"),
    pytest.param(embedded_chat, marks=pytest.mark.lm, id="embedded chat"),
    pytest.param(remote, id="remote"),
]


@pytest.fixture(params=KINDS)
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    kind: Callable[[], Iterator[House]] = request.param
    yield from kind()


def ask(lms: LMs, *queries: str, module: dspy.Module | None = None) -> list[str]:
    module = module or dspy.Predict(Route)
    with dspy.context(lm=lms.task, adapter=lms.adapter):
        return [module(query=query).agent for query in queries]


def teach(lm: dspy.LM, adapter: Any) -> str:
    with dspy.context(lm=lm, adapter=adapter):
        return lm("Say hello.", max_tokens=8)[0]


def test_names_say_who_answers_and_who_teaches(house: House):
    lms, _ = house.open()
    assert lms.names == {"task": house.choice.task_model or "local/smollm2", "teacher": house.choice.teacher_model}


def test_where_no_teacher_is_named_a_task_lm_that_writes_is_its_own_and_the_embedded_one_has_none(house: House):
    house.choice = house.choice.model_copy(update={"teacher_model": None})
    lms, _ = house.open()
    is_embedded = lms.names["task"].startswith("local/")
    assert (lms.teacher is None) == is_embedded
    assert lms.names.get("teacher") == (None if is_embedded else lms.names["task"])


def test_answers_come_from_the_closed_set(house: House):
    lms, meter = house.open()
    assert set(ask(lms, "films of cats", "a contract")) <= {"video", "text"}
    assert meter.spent.calls == 2
    assert meter.spent.tokens > 0


def test_query_that_is_no_unicode_is_answered(house: House):
    lms, _ = house.open()
    assert set(ask(lms, "cats \ud800 \0")) <= {"video", "text"}


def test_same_question_is_paid_for_once(house: House):
    lms, meter = house.open()
    first, second = ask(lms, "films of cats", "films of cats")
    assert first == second
    assert (meter.spent.calls, meter.spent.reused) == (1, 1)


def test_a_module_that_awaits_its_lm_is_answered_alike_and_pays_for_an_answer_once(house: House):
    lms, meter = house.open()
    queries = ("films of cats", "a contract", "films of cats")
    awaited = ask(lms, *queries, module=adapted(Awaits()))
    assert (awaited, meter.spent.calls) == (ask(lms, *queries), 2)
    with pytest.raises(BudgetSpent):
        ask(house.open(calls=1, run="run-2")[0], *queries, module=adapted(Awaits()))


class Awaits(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.route = dspy.Predict(Route)

    async def aforward(self, query: str) -> dspy.Prediction:
        return await self.route.acall(query=query)


def test_rerun_pays_for_nothing_again(house: House):
    first, _ = house.open()
    answers = ask(first, "films of cats", "a contract")
    rerun, meter = house.open()
    assert ask(rerun, "films of cats", "a contract") == answers
    assert meter.spent == Spent(reused=2)


def test_another_run_asks_afresh(house: House):
    ask(house.open()[0], "films of cats")
    lms, meter = house.open(run="run-2")
    ask(lms, "films of cats")
    assert (meter.spent.calls, meter.spent.reused) == (1, 0)


def test_another_tenant_pays_for_itself(house: House):
    ask(house.open("acme")[0], "films of cats")
    lms, meter = house.open("globex")
    ask(lms, "films of cats")
    assert (meter.spent.calls, meter.spent.reused) == (1, 0)


def test_budget_stops_at_the_exact_call_and_leaves_dspy_as_itself(house: House):
    lms, meter = house.open(calls=2)
    ask(lms, "one", "two")
    with pytest.raises(BudgetSpent, match="max_lm_calls: all 2"):
        ask(lms, "three")
    assert meter.is_spent
    assert meter.spent.calls == 2
    assert len(ask(lms, "one", "two")) == 2


def test_evaluation_that_hides_errors_leaves_the_meter_spent(house: House, caplog: pytest.LogCaptureFixture):
    lms, meter = house.open(calls=1)
    examples = [dspy.Example(query=f"query {n}", agent="text").with_inputs("query") for n in range(3)]
    measure = dspy.Evaluate(devset=examples, metric=lambda *_: 1.0, num_threads=1, display_progress=False)
    with dspy.context(lm=lms.task, adapter=lms.adapter):
        assert measure(dspy.Predict(Route)).score < 100
    assert meter.is_spent


def test_copies_of_a_program_share_lm_and_meter(house: House):
    lms, meter = house.open()
    module = dspy.Predict(Route)
    module.set_lm(lms.task.copy(rollout_id=1, temperature=1.0))
    for twin in (copy.deepcopy(module), module.deepcopy()):
        ask(lms, "films of cats", module=twin)
    assert meter.spent.calls + meter.spent.reused == 2
    assert "key" not in str(module.dump_state()["lm"])


def test_samples_are_drawn_anew_and_repeat_in_a_rerun(house: House):
    def drawn() -> tuple[list[str], Spent]:
        lms, meter = house.open()
        teacher = lms.teacher.copy(temperature=1.0)
        return [teach(teacher, lms.adapter), teach(teacher, lms.adapter)], meter.spent

    first, paid = drawn()
    again, rerun = drawn()
    assert (paid.calls, paid.reused) == (2, 0)
    assert (rerun.calls, rerun.reused) == (0, 2)
    assert again == first


@pytest.mark.parametrize("name", ["", " ", "local/other", "openai/", "a\nb/c", "local/smollm2:other"])
def test_name_that_cannot_be_used_is_refused_in_one_line(name: str):
    with pytest.raises(ConfigInvalid) as caught:
        House(LMChoice(task_model=name or "\t")).open()
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("lm: ")
