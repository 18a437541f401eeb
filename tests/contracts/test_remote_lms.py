"""LMs behind an API: what is sent, when it is sent again, and what each failure is told as."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import dspy
import pytest
from dspy.utils.exceptions import AdapterParseError, ContextWindowExceededError
from openai_server import (
    ANSWER_TOKENS,
    PROMPT_TOKENS,
    Answer,
    OpenAIServer,
    completion,
    failure,
    no_choices,
    running,
    silence,
)
from small_routing import Route

from argotune.adapters.litellm.lms import MAX_ANSWER_TOKENS, Keys, RemoteLMs
from argotune.adapters.memory.store import MemoryStore
from argotune.adapters.retrying import Patience
from argotune.errors import (
    AccessDenied,
    ArgotuneError,
    BadAnswer,
    ConfigInvalid,
    Declined,
    NoContent,
    RateLimited,
    RequestRefused,
    Unanswered,
    Unavailable,
)
from argotune.lm.effort import Measuring
from argotune.lm.kept_answers import KeptAnswers, NothingKept
from argotune.lm.lack import CUT
from argotune.lm.meter import Meter
from argotune.lm.named import SECOND_TRIES, NamedLMs
from argotune.lm.port import LMs
from argotune.lm.streaks import IN_A_ROW
from argotune.tenants.config import BudgetLimits, LMChoice

KEY = "sk-of-acme-0123456789"
TEACHER_KEY = "key of the teacher"
NATIVE = "openai/gpt-4o-mini"
BY_LITELLM = "lm_studio/any-model"
RIGHT = completion('{"agent": "video"}')


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with running() as found:
        yield found


@dataclass
class Client:
    """One tenant's LMs on the scripted server; waits are noted, not waited."""

    server: OpenAIServer
    model: str = NATIVE
    waits_s: list[float] = field(default_factory=list)
    meter: Meter = field(default_factory=lambda: Meter(BudgetLimits()))

    def open(self, answers: KeptAnswers | NothingKept | None = None, **choice: Any) -> LMs:
        remote = RemoteLMs(Keys(KEY, TEACHER_KEY), Patience(sleep=self.waits_s.append, chance=lambda: 0.0))
        source = NamedLMs([remote], self.model, None, lambda: datetime.now(UTC))
        settings = {"api_base": self.server.url, "timeout_s": 0.3, "max_retries": 2, **choice}
        return source.open(LMChoice(**settings), self.meter, answers or NothingKept())

    def ask(self, answers: Sequence[Answer] = (), **choice: Any) -> str:
        self.server.answers = answers or self.server.answers
        lms = self.open(**choice)
        with dspy.context(lm=lms.task, adapter=lms.adapter):
            return dspy.Predict(Route)(query="films of cats").agent


@pytest.fixture
def client(server: OpenAIServer) -> Client:
    return Client(server)


def test_closed_set_is_sent_as_a_schema_where_the_model_is_held_to_it(client: Client):
    assert client.ask() == "video"
    schema = client.server.bodies[0]["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["agent"]["enum"] == ["video", "text"]


def test_closed_set_is_asked_in_chat_and_then_in_json_where_it_is_not(client: Client):
    client.model = "openai/model-of-ours"
    assert client.ask([completion("I do not know"), completion('{"agent": "text"}')]) == "text"
    assert "response_format" not in client.server.bodies[0]
    assert client.meter.spent.calls == 2


def test_usage_is_counted_as_the_server_tells_it(client: Client):
    client.ask()
    assert client.meter.spent.tokens == PROMPT_TOKENS + ANSWER_TOKENS


def test_answer_without_usage_counts_all_it_may_have_cost(client: Client):
    client.ask([Answer(200, RIGHT.body.replace('"usage"', '"no_usage"'))])
    assert client.meter.spent.tokens > MAX_ANSWER_TOKENS


@pytest.mark.parametrize(
    ("answers", "waits_s"),
    [
        ([failure(429), RIGHT], [0.25]),
        ([failure(429, Retry_After="7"), RIGHT], [7.0]),
        ([failure(500), failure(503), RIGHT], [0.25, 0.5]),
        ([Answer(200, "<html>"), RIGHT], [0.25]),
        ([Answer(200, RIGHT.body, after_s=2), RIGHT], [0.25]),
        ([silence(), silence(finish_reason="content_filter"), RIGHT], [0.25, 0.5]),
        ([no_choices(), RIGHT], [0.25]),
    ],
    ids=["rate limit", "rate limit that says how long", "server errors", "garbage", "timeout", "silence", "no choices"],
)
def test_passing_failure_is_tried_again_after_a_jittered_wait(
    client: Client, answers: list[Answer], waits_s: list[float]
):
    assert client.ask(answers) == "video"
    assert client.waits_s == waits_s
    assert client.meter.spent.calls == len(answers)


@pytest.mark.parametrize(
    ("answer", "kind", "calls"),
    [
        (failure(429), RateLimited, 3),
        (failure(429, Retry_After="3600"), RateLimited, 1),
        (failure(429, code="insufficient_quota"), AccessDenied, 1),
        (failure(500), Unavailable, 3),
        (failure(401), AccessDenied, 1),
        (failure(403), AccessDenied, 1),
        (failure(404), ConfigInvalid, 1),
        (failure(405), ConfigInvalid, 1),
        (failure(400), RequestRefused, 1),
        (failure(422), RequestRefused, 1),
        (failure(400, "filtered", code="content_filter"), RequestRefused, 1),
        (silence(), NoContent, 3),
        (completion(" \n"), NoContent, 3),
        (no_choices(), NoContent, 3),
        (Answer(200, "{}"), NoContent, 3),
        (silence(refusal="I cannot"), Declined, 3),
        (silence(finish_reason="content_filter"), Declined, 3),
        (Answer(200, "<html>"), BadAnswer, 3),
        (Answer(200, RIGHT.body, after_s=2), Unavailable, 3),
    ],
)
def test_lasting_failure_is_told_in_one_line(client: Client, answer: Answer, kind: type[ArgotuneError], calls: int):
    with pytest.raises(kind) as caught:
        client.ask([answer])
    assert str(caught.value).startswith(f"{NATIVE}: ")
    assert "\n" not in str(caught.value)
    assert client.meter.spent.calls == len(client.server.bodies) == calls


@pytest.mark.parametrize(
    ("answer", "kind"), [(silence(), BadAnswer), (failure(400), ConfigInvalid)], ids=["silence", "refusal"]
)
def test_what_befalls_one_request_after_the_other_befalls_all(
    client: Client, answer: Answer, kind: type[ArgotuneError]
):
    client.server.answers = [answer]
    lms = client.open(max_retries=0)
    with dspy.context(lm=lms.task, adapter=lms.adapter):
        for query in range(IN_A_ROW - 1):
            with pytest.raises(Unanswered):
                dspy.Predict(Route)(query=f"{query}")
        with pytest.raises(kind, match="the requests before it" if kind is BadAnswer else "all requests before it"):
            dspy.Predict(Route)(query="the tenth")


@pytest.mark.parametrize("status", [400, 403, 413])
def test_refused_requests_are_no_wrong_configuration_where_one_was_answered(client: Client, status: int):
    client.server.answers = [RIGHT, failure(status)]
    lms = client.open()
    with dspy.context(lm=lms.task, adapter=lms.adapter):
        dspy.Predict(Route)(query="good")
        for query in range(2 * IN_A_ROW):
            with pytest.raises(RequestRefused):
                dspy.Predict(Route)(query=f"{query}")


def test_an_answer_that_was_cut_off_is_not_asked_for_again(client: Client):
    client.model = "openai/model-of-ours"
    with pytest.raises(AdapterParseError) as caught:
        client.ask([completion("I think", "length")])
    assert caught.value.code == CUT
    assert client.meter.spent.calls == 1


def test_an_lm_that_is_never_readable_is_asked_in_one_way_only(client: Client):
    client.model = "openai/model-of-ours"
    client.server.answers = [completion("I do not know")]
    lms = client.open()
    with dspy.context(lm=lms.task, adapter=lms.adapter):
        for query in range(3 * SECOND_TRIES):
            with pytest.raises(AdapterParseError):
                dspy.Predict(Route)(query=f"{query}")
    assert client.meter.spent.calls == 4 * SECOND_TRIES


def test_only_answers_that_could_be_read_are_kept(client: Client):
    client.model = "openai/model-of-ours"
    client.server.answers = [
        silence(),
        completion("I do not know"),
        completion('{"agent": "me"}'),
        completion("[[ ## agent ## ]]\nvideo"),
    ]
    store = MemoryStore()
    lms = client.open(KeptAnswers(store, "acme", "run"), max_retries=0)
    with dspy.context(lm=lms.task, adapter=lms.adapter):
        for kind in (NoContent, AdapterParseError):
            with pytest.raises(kind):
                dspy.Predict(Route)(query="films of cats")
            assert list(store.scan("acme", "answers")) == []
        assert dspy.Predict(Route)(query="films of cats").agent == "video"
    assert len(list(store.scan("acme", "answers"))) == 1


def test_server_that_is_not_there_is_unavailable(client: Client):
    with pytest.raises(Unavailable):
        client.ask(api_base="http://127.0.0.1:9/v1")
    assert len(client.waits_s) == 2


def test_refused_calls_cost_no_tokens(client: Client):
    client.ask([failure(429), RIGHT])
    assert client.meter.spent.tokens == PROMPT_TOKENS + ANSWER_TOKENS


@pytest.mark.parametrize(
    ("model", "said", "usd"),
    [
        pytest.param(NATIVE, RIGHT, PROMPT_TOKENS * 0.15e-6 + ANSWER_TOKENS * 0.6e-6, id="its list price"),
        pytest.param("openai/model-of-ours", RIGHT, None, id="no list price"),
        pytest.param(BY_LITELLM, RIGHT, None, id="a name that litellm alone knows"),
        pytest.param(NATIVE, Answer(200, RIGHT.body.replace('"usage"', '"no_usage"')), None, id="no usage"),
    ],
)
def test_an_answer_tells_what_it_took_in_tokens_and_by_its_list_price(
    client: Client, model: str, said: Answer, usd: float | None
):
    client.model = model
    with Measuring(lambda: 0.0) as found:
        client.ask([said])
    assert found.effort.tokens == (None if "no_usage" in said.body else client.meter.spent.tokens)
    assert found.effort.usd == (None if usd is None else pytest.approx(usd))


def test_prompt_that_is_too_long_stays_what_dspy_modules_expect(client: Client):
    with pytest.raises(ContextWindowExceededError):
        client.ask([failure(400, "maximum context length is 10", code="context_length_exceeded")])


def test_key_appears_nowhere_but_in_the_request(client: Client, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    lms = client.open()
    with pytest.raises(AccessDenied) as caught:
        client.ask([failure(401, f"Incorrect API key provided: {KEY}")])
    module = dspy.Predict(Route)
    module.set_lm(lms.task)
    shown = [caught.getrepr(chain=True), module.dump_state(), lms, lms.task.history, vars(lms.task), caplog.text]
    assert KEY not in " ".join(map(str, shown))
    assert set(client.server.keys) == {KEY}


def test_teacher_has_a_key_of_its_own_and_shares_the_base_of_its_provider_only(client: Client):
    lms = client.open(teacher_model="openai/gpt-4o")
    lms.teacher("Say hello.")
    assert client.server.keys == [TEACHER_KEY]
    other = client.open(teacher_model="anthropic/claude-sonnet-4-5")
    assert client.server.url not in str(vars(other.teacher.engine._writer))


def test_models_that_think_get_the_room_and_the_temperature_they_insist_on(client: Client):
    client.model = "openai/gpt-5"
    assert client.ask() == "video"
    assert client.server.bodies[0]["max_completion_tokens"] == 16_000
    assert "temperature" not in client.server.bodies[0]


def test_litellm_is_imported_only_when_such_an_lm_is_called(server: OpenAIServer):
    code = f"""
import sys
from datetime import UTC, datetime
from argotune.adapters.retrying import Patience
from argotune.adapters.litellm.lms import Keys, RemoteLMs
from argotune.lm.named import NamedLMs
from argotune.lm.kept_answers import NothingKept
from argotune.lm.meter import Meter
from argotune.errors import AccessDenied
from argotune.tenants.config import BudgetLimits, LMChoice
import dspy
waits_s = []
remote = RemoteLMs(Keys({KEY!r}), Patience(sleep=waits_s.append))
source = NamedLMs([remote], {BY_LITELLM!r}, None, lambda: datetime.now(UTC))
lms = source.open(LMChoice(api_base={server.url!r}), Meter(BudgetLimits()), NothingKept())
assert "litellm" not in sys.modules
with dspy.context(lm=lms.task, adapter=lms.adapter):
    print(dspy.Predict("query -> agent: int")(query="cats").agent, waits_s[0] > 7)
    try:
        lms.task("Say hello.")
    except AccessDenied as error:
        print(error)
assert "litellm" in sys.modules
"""
    server.answers = [
        failure(429, Retry_After="7"),
        completion('{"agent": 3}'),
        failure(401, f"Incorrect API key provided: {KEY}"),
    ]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == "3 True"
    assert second.startswith(f"{BY_LITELLM}: ")
    assert KEY not in done.stdout + done.stderr
