"""What an LM does not say: silence, refusals and stale answers promote nothing, are no evidence and stop nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import dspy
import pytest
from dspy.utils.exceptions import LMError
from openai_server import Answer, OpenAIServer, completion, failure, running, silence
from scripted_lm import scripted_writer
from slow_rows import mostly_slow
from world import AGENTS, START, WORDS, ScriptedLMs, World, filled, run_once

from argotune.adapters.litellm.lms import Keys, RemoteLMs
from argotune.adapters.llama_cpp.scorer import LabelScorer
from argotune.adapters.llama_cpp.server import NextPieces
from argotune.adapters.memory.store import MemoryStore
from argotune.adapters.retrying import Patience
from argotune.errors import BadAnswer, ConfigInvalid, NoContent, ProgramFailed, RequestRefused, Unavailable
from argotune.lm.kept_answers import KeptAnswers, PaidAnswers
from argotune.lm.meter import Meter
from argotune.lm.named import NamedLMs
from argotune.lm.port import LMs
from argotune.pipeline.module_pass import Pass
from argotune.pipeline.operations.scoring import dev_scores
from argotune.programs import programs_of
from argotune.programs.evaluation import score
from argotune.promotion.registry import Registry
from argotune.runs.book import RunBook
from argotune.runs.run import Run, RunState
from argotune.store.sealing import digest
from argotune.tenants.config import BudgetLimits


def right(query: str) -> str:
    """The label that the words of a query tell."""
    return next(agent for agent in AGENTS if any(word in WORDS[agent].split() for word in query.split()))


def wrong(query: str) -> str:
    return next(agent for agent in AGENTS if agent != right(query))


def chance(query: str) -> float:
    return int(digest(query)[:8], 16) / 16**8


class Provider(OpenAIServer):
    """Answers by a script that sees the question, and whether it comes with demonstrations."""

    def __init__(self, script: Callable[[str, bool, int], Answer]) -> None:
        super().__init__()
        self.script = script

    def next_answer(self, body: dict[str, Any], key: str) -> Answer:
        super().next_answer(body, key)
        *before, last = [message["content"] for message in body["messages"] if message["role"] == "user"]
        query = last.partition("[[ ## query ## ]]")[2].strip().partition("\n")[0]
        return self.script(query, bool(before), len(self.bodies))


def says(agent: str) -> Answer:
    return completion(json.dumps({"agent": agent, "confidence": 0.9}))


def good_only_without_demos(query: str, has_demos: bool) -> Answer:
    """The champion as written is right; demonstrations make it worse: every third answer is wrong."""
    return says(right(query) if not has_demos or chance(query) > 0.33 else wrong(query))


@pytest.fixture
def on() -> Iterator[Callable[..., tuple[World, Any]]]:
    """A world whose task LM is a remote one with a script; waits are not waited."""
    with _Servers() as servers:
        yield servers.world


class _Servers:
    def __enter__(self) -> _Servers:
        self.open: list[Any] = []
        return self

    def __exit__(self, *_: object) -> None:
        for server in self.open:
            server.__exit__(None, None, None)

    def world(self, script: Callable[[str, bool, int], Answer], n: int = 300, **fields: Any) -> tuple[World, Any]:
        self.open.append(running(Provider(script)))
        provider = self.open[-1].__enter__()
        lm = {"task_model": "openai/gpt-4o-mini", "api_base": provider.url, **fields.pop("lm", {})}
        world, config = filled(n, preferred_optimizer="nearest", lm=lm, annotation={"daily_limit": 0}, **fields)
        remote = RemoteLMs(Keys("k", "k"), Patience(sleep=lambda _s: None))
        remote.num_threads = 1  # which calls an outage hits is the same each time
        world.lms = NamedLMs([remote], None, None, lambda: world.now)
        world.lease_s = 60.0
        return world, config


def to_its_end(world: World, config: Any) -> tuple[Run, int]:
    """The run after as many tries as it takes, as workflows retry; and the tries that ended with 75."""
    for outages in range(20):
        try:
            return run_once(world, config), outages
        except Unavailable:
            world.later(minutes=1)
    pytest.fail("it never ends")


def test_an_outage_without_content_promotes_nothing_and_is_waited_out(on):
    def script(query: str, has_demos: bool, call: int) -> Answer:
        return silence() if call <= 100 else good_only_without_demos(query, has_demos)

    world, config = on(script)
    run, outages = to_its_end(world, config)
    assert outages == 2
    assert run.outcome == "rejected", run.sentence
    assert run.verdict.numbers.champion_mean == 1.0
    missing = sum(run.comparison.unusable.champion.values())
    assert missing <= 3, "the end of the outage"
    assert run.verdict.numbers.n == len(run.plan.test_ids) - missing
    assert Registry(world.store, "acme").champion("routing") == (None, None)


@dataclass
class Unanswering:
    """A script under which one of the two versions does not answer a share of the questions properly: the champion,
    which is asked without demonstrations, or the challenger."""

    answer: Answer
    share: float
    of_challenger: bool = False
    calls: list[str] = field(default_factory=list)

    def __call__(self, query: str, has_demos: bool, _call: int) -> Answer:
        self.calls.append(query)
        fails = has_demos is self.of_challenger and chance(f"{query} fails") < self.share
        return self.answer if fails else self.otherwise(query, has_demos)

    def otherwise(self, query: str, has_demos: bool) -> Answer:
        return good_only_without_demos(query, has_demos)


class OfABetterChallenger(Unanswering):
    """The champion is right on every third question, the challenger on all that it answers."""

    def otherwise(self, query: str, has_demos: bool) -> Answer:
        return says(right(query) if has_demos or chance(query) < 0.33 else wrong(query))


SILENCES = {
    "no content": silence(),
    "declined by the LM": silence(finish_reason="content_filter"),
    "refused by the server": failure(400, "filtered", code="content_filter"),
}
FAULTS = {
    "cut off": completion('{"agent": "vi', "length"),
    "outside the labels": says("nobody"),
    "not in the form asked for": completion("I would rather not say"),
}


@pytest.mark.parametrize("why", mostly_slow(SILENCES))
@pytest.mark.parametrize("share", [0.03, 0.6], ids=["few", "many"])
def test_silence_of_the_champions_lm_leaves_the_pair_out_and_the_rest_is_judged(on, why: str, share: float):
    world, config = on(Unanswering(SILENCES[why], share), lm={"max_retries": 0})
    run = run_once(world, config)
    found, numbers = run.comparison.unusable, run.verdict.numbers
    assert run.outcome == "rejected", run.sentence
    assert found.champion == {why: found.champion_only}
    assert found.champion_only >= 1
    assert run.counts["contest: the champion's LM said nothing"] == found.champion_only
    assert numbers.answers == numbers.n == len(run.plan.test_ids) - found.champion_only
    assert numbers.wins == 0, "silence is no win of the challenger"


@pytest.mark.parametrize("why", mostly_slow(FAULTS))
def test_faults_of_the_champion_are_misses_and_too_many_of_them_promote_nobody(on, why: str):
    world, config = on(Unanswering(FAULTS[why], 0.12), lm={"max_retries": 0})
    numbers = run_once(world, config).verdict.numbers
    assert numbers.n == numbers.answers
    assert numbers.wins > 0
    world, config = on(OfABetterChallenger(FAULTS[why], 0.6), lm={"max_retries": 0})
    run = run_once(world, config)
    (told,) = run.comparison.unusable.champion.values()
    assert run.verdict.numbers.p_value < run.verdict.numbers.level, "by its answers it would be promoted"
    assert (run.outcome, run.comparison.unusable.challenger) == ("undecided", {})
    assert f"{told} of the champion's ({told} {why})" in run.sentence
    assert Registry(world.store, "acme").champion("routing") == (None, None)


@pytest.mark.parametrize("why", mostly_slow([*SILENCES, *FAULTS]))
def test_a_challenger_that_fails_on_one_answer_in_ten_is_rejected_however_good_the_others_are(on, why: str):
    script = OfABetterChallenger({**SILENCES, **FAULTS}[why], 0.12, of_challenger=True)
    world, config = on(script, lm={"max_retries": 0})
    run = run_once(world, config)
    (failed,) = run.comparison.unusable.challenger.values()
    assert (run.outcome, run.verdict.rule) == ("rejected", "slice_worse")
    assert f"{failed} of the challenger's ({failed} {why}) cannot be used: the challenger fails more" in run.sentence
    assert run.verdict.numbers.p_value < run.verdict.numbers.level, "by its answers it would be promoted"
    assert Registry(world.store, "acme").champion("routing") == (None, None)


def test_a_tenant_may_compare_what_is_unusable_all_the_same(on):
    rules = {"max_unusable_share": 1.0, "unusable_significance": 0.0}
    world, config = on(Unanswering(FAULTS["outside the labels"], 0.5), gate=rules)
    run = run_once(world, config)
    assert run.verdict is not None
    assert run.comparison.unusable.champion["outside the labels"] > 20


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(failure(400, "unknown parameter"), ConfigInvalid), (silence(), BadAnswer)],
    ids=["refused", "silent"],
)
def test_only_where_every_request_fails_is_it_the_server_or_the_configuration(on, answer: Answer, kind):
    world, config = on(lambda *_: answer, lm={"max_retries": 0}, enhancement="off")
    with pytest.raises(kind):
        run_once(world, config)
    assert RunBook(world.store, "acme").runs()[0].state is RunState.OPENED


def changing(answers: Mapping[int, Callable[[str], str]], world: World):
    """A provider that puts another model under the same name on another day."""

    def answer(inputs, _labels, _demos):
        return answers[world.now.day](inputs["query"])

    return answer


def test_a_model_that_changes_under_its_name_promotes_nothing():
    world, config = filled(preferred_optimizer="nearest")
    half = lambda query: right(query) if chance(query) < 0.5 else "video"  # noqa: E731
    world.lms.answer = changing({world.now.day: half, world.now.day + 1: right}, world)
    first = run_once(world, config)
    assert first.verdict.numbers.champion_mean == pytest.approx(2 / 3, abs=0.15)
    world.later(days=1)
    world.receive(150, first=1000)
    second = run_once(world, config)
    assert (second.contest, second.outcome) == (first.contest, "undecided"), second.sentence
    assert second.verdict.numbers.answers > first.verdict.numbers.answers
    assert (second.verdict.numbers.wins, second.verdict.numbers.losses) == (0, 0), "both are asked side by side"


def test_answers_of_a_finished_run_are_forgotten():
    world, config = filled(annotation={"daily_limit": 0})
    assert run_once(world, config).lm_calls > 50
    assert list(world.store.scan("acme", "answers")) == []


@pytest.mark.parametrize("error", [NoContent("nothing"), RequestRefused("filtered"), KeyError("tool")])
def test_one_question_on_which_lm_or_program_fails_stops_no_run(error: Exception):
    world, config = filled()
    answer = world.lms.answer

    def failing(inputs, labels, demos):
        if "alps" in inputs["query"] and chance(inputs["query"]) < 0.3:
            raise error
        return answer(inputs, labels, demos)

    world.lms.answer = failing
    run = run_once(world, config)
    assert run.outcome == "promoted", run.sentence
    assert sum(run.comparison.unusable.champion.values()) > 0


def test_a_program_that_fails_on_every_question_is_told_with_its_exception():
    world, config = filled()
    world.lms.answer = lambda *_: 1 / 0
    with pytest.raises(ProgramFailed, match="ZeroDivisionError: division by zero, on all of"):
        run_once(world, config)


class WithSilentTeacher(ScriptedLMs):
    """A task LM that answers and a teacher that does not."""

    def open(self, choice, meter, answers):
        silent = type("NoContent", (NoContent, LMError), {})("the teacher says nothing")
        teacher, _ = scripted_writer(lambda _prompt: "", fail_at=1, error=silent)
        return replace(super().open(choice, meter, answers), teacher=teacher)


def test_a_teacher_that_is_silent_ends_the_run_to_be_repeated():
    world, config = filled(preferred_optimizer="copro")
    world.lms = WithSilentTeacher()
    run = run_once(world, config)
    assert run.sentence == "skipped: training by copro could not go on: the teacher says nothing"
    world.later(hours=25)
    world.lms = ScriptedLMs()
    assert run_once(world, config.model_copy(update={"preferred_optimizer": "nearest"})).outcome == "promoted"


def test_evaluate_asks_afresh_what_the_run_has_asked():
    world, config = filled(preferred_optimizer="bootstrap")
    run_once(world, config)
    asked = world.lms.calls
    (first,) = dev_scores(Pass(world.ports, config, "routing"))
    world.lms.answer = lambda inputs, _labels, _demos: "video"
    (second,) = dev_scores(Pass(world.ports, config, "routing"))
    assert world.lms.calls == asked + 2 * first.examples
    assert second.mean < first.mean


@pytest.mark.parametrize("pieces", [{}, {b" video": math.nan}])
def test_a_scorer_without_probabilities_is_silent_and_nothing_is_made_up(pieces: dict[bytes, float]):
    model = SimpleNamespace(identity={}, server=lambda: SilentServer(pieces))
    paid = PaidAnswers(KeptAnswers(MemoryStore(), "acme", "run"), Meter(BudgetLimits()), lambda: START)
    lms = LMs(LabelScorer(model, paid), None, dspy.JSONAdapter(), {})
    asked = [dspy.Example(query="clips", agent="video").with_inputs("query")]
    (routing,) = programs_of(World().tenant(), "routing")
    with pytest.raises(NoContent, match=r"none of 1 question was answered: no content: .*no probabilities"):
        score(routing.build(), routing, asked, lms, lambda _done, _all: None)


@dataclass
class SilentServer:
    """A label server that looks and tells nothing."""

    pieces: dict[bytes, float]
    piece_ids: dict[bytes, int] = field(default_factory=lambda: {bytes([byte]): byte for byte in range(256)})

    def next_pieces(self, _text: str, _written: object, _n_pieces: int) -> NextPieces:
        return NextPieces(self.pieces, 1, 1)
